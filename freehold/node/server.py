"""Running a server: the socket, the store, the node, the listener, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path

from freehold.front.listener import Listener
from freehold.node.assemble import Node, assemble
from freehold.node.config import Config
from freehold.node.stores import open_store
from freehold.ports.platform import Settings

SWITCH_INTERVAL = 0.0005
"""Seconds. At Python's default of 5 ms a few CPU-heavy calls starve the store's writer thread (measured, LIMITS.md)."""


GARBAGE = 20_000
"""Objects made and not freed at which the collector looks for cycles. At Python's default of 700 it looks at every third
request, and finds nothing: requests leave no cycles behind. What survived five looks is looked at once more, and everything
after a million such objects: what lives for minutes (instances, connections) may leave cycles when it ends."""


class CannotServe(Exception):
    """The server cannot start; the text says why and what to do."""


def listen(config: Config) -> socket.socket:
    """A listening socket. Raises CannotServe when the port is taken or not ours to take."""
    family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((config.bind, config.port))
        sock.listen(2048)
    except OSError as problem:
        sock.close()
        raise CannotServe(
            f"Port {config.port} on {config.bind} cannot be used: {problem.strerror}. {_way_out(problem)}"
        ) from problem
    sock.setblocking(False)
    return sock


def _way_out(problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return "Stop what listens there, or choose another with --port."
    return "Choose another with --port, or another address with --bind."


async def serve(config: Config) -> None:
    """Serve until a signal ends it. Raises CannotServe, StoreError."""
    sock = listen(config)
    port = sock.getsockname()[1]
    host = "127.0.0.1" if config.bind in ("0.0.0.0", "localhost", "::") else config.bind
    host = f"[{host}]" if ":" in host else host
    temporary = Path(tempfile.mkdtemp(prefix="freehold-")) if config.ephemeral else None
    data = temporary or config.data.absolute()
    try:
        store = await open_store(config, data)
        if temporary is not None:
            temporary.chmod(0o711)
        settings = Settings(
            url=f"http://{host}:{port}",
            data=data,
            guarded=config.guarded,
            ephemeral=config.ephemeral,
            default_account=config.account,
            default_region=config.region,
        )
        node = await assemble(
            settings,
            store,
            data / "scratch",
            seed=config.seed or None,
            manual=config.manual,
            start_ms=config.clock_start_ms(),
            blobs=config.blobs,
        )
        await _run(node, sock, config, settings)
    finally:
        sock.close()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


async def _run(node: Node, sock: socket.socket, config: Config, settings: Settings) -> None:
    # What is loaded now stays: the collector need not walk it, now or ever.
    gc.freeze()
    gc.set_threshold(GARBAGE, 5, 10)
    gc.enable()
    sys.setswitchinterval(SWITCH_INTERVAL)
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()  # a second one does not wait for calls that run

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
    listener = Listener(node.app, node.platform.clock)
    try:
        await listener.start(sock)
        _announce(node, config, settings)
        await stop.wait()
        await _drain(node, config.drain, hurry)
        node.leave()
        await listener.stop(hurry)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await node.close()


async def _drain(node: Node, seconds: int, hurry: asyncio.Event) -> None:
    """Go on serving, but tell who balances load to ask others: when it has noticed, nobody is turned away."""
    if seconds:
        node.platform.duties.members.leaving = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), seconds)


def _announce(node: Node, config: Config, settings: Settings) -> None:
    kept = "nothing is kept" if config.ephemeral else f"data in {settings.data}"
    kept = f"state in PostgreSQL, files in {settings.data}" if config.store else kept
    mode = "guarded" if settings.guarded else "open"
    mode += ", clock stands until `freehold clock advance`" if config.clock == "manual" else ""
    new_root = node.platform.own.pop("iam.new_root", None)
    if new_root is not None:
        print("The root credentials of this installation, shown once. Keep them:")
        print(f"  export AWS_ACCESS_KEY_ID={new_root[0]}\n  export AWS_SECRET_ACCESS_KEY={new_root[1]}")
    print(f"Freehold is ready at {settings.url} ({mode}, {kept})", flush=True)


def up(config: Config) -> None:
    """Run a server in this process until Ctrl-C or SIGTERM."""
    import uvloop

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        uvloop.run(serve(config))
    except KeyboardInterrupt:
        pass
