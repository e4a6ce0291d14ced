"""The server's handle of a template process: started when first needed, restarted when it died."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from freehold.runtime import sandbox
from freehold.runtime.interpreters import Interpreter

_RETRY = 0.002
_START_SECONDS = 20.0
_PYTHON = ("-I", "-S", "-X", "utf8")


class ZygoteDied(Exception):
    """The template process is gone; the text is what it said last."""


class Zygote:
    """One template process: an interpreter, optionally with a package imported."""

    def __init__(
        self,
        host: sandbox.Host,
        interpreter: Interpreter,
        preload: str | None,
        roots: Sequence[Path],
        accounts: Path,
        on_death: Callable[[Zygote], None],
    ) -> None:
        self.interpreter = interpreter
        self.preload = preload
        self.roots = list(roots)
        self._host = host
        self._accounts = accounts
        self._on_death = on_death
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] | None = None

    def launch(self) -> None:
        """Start the process; `ready` tells when it serves. A few milliseconds."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        script = f"{sandbox.RUNTIME_DIRECTORY}/freehold/python/freehold_zygote.py"
        command = sandbox.command(self._host, self.interpreter, self.roots, self._accounts)
        command += [self.interpreter.path, *_PYTHON, script, "zygote", str(theirs.fileno())]
        command += [sandbox.RUNTIME_DIRECTORY] if self.preload else []
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
            )
        self._control = ours
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._heard)

    def _heard(self) -> None:
        assert self._control is not None and self._ready is not None
        try:
            message = self._control.recv(64)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if message and not self._ready.done():
            self._ready.set_result(None)
        elif not message:
            self._died()

    def _died(self) -> None:
        said = self._last_words()
        self.close()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(ZygoteDied(said))
            self._ready.exception()
        self._on_death(self)

    def _last_words(self) -> str:
        if self._process is None or self._process.stderr is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        os.set_blocking(self._process.stderr.fileno(), False)
        text = (self._process.stderr.read() or b"").decode(errors="replace").strip()
        return text.splitlines()[-1] if text else "it ended without a word"

    async def ready(self) -> None:
        """Return when it serves. Raises ZygoteDied."""
        assert self._ready is not None
        await asyncio.wait_for(asyncio.shield(self._ready), _START_SECONDS)

    def see(self, path: Path) -> str | None:
        """Where the zygote sees a directory of the host, if it is under one of its roots."""
        for index, root in enumerate(self.roots):
            if path == root or root in path.parents:
                return str(Path(f"{sandbox.CODE}/{index}") / path.relative_to(root))
        return None

    async def fork(self, request: bytes, descriptors: Sequence[int]) -> None:
        """Ask for one instance. Raises ZygoteDied."""
        while True:
            if self._control is None:
                raise ZygoteDied("the zygote is gone")
            try:
                socket.send_fds(self._control, [request], list(descriptors))
                return
            except BlockingIOError:
                await asyncio.sleep(_RETRY)
            except OSError as problem:
                raise ZygoteDied(str(problem)) from problem

    @property
    def alive(self) -> bool:
        return self._control is not None

    @property
    def pid(self) -> int | None:
        """Of bubblewrap, the parent of the zygote."""
        return self._process.pid if self._process is not None else None

    def close(self) -> None:
        """End it, and with it every instance forked from it."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
