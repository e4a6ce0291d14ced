"""Redis as a limit: SET of 300 bytes with `appendfsync always`, over keep-alive connections, every answer checked."""

from __future__ import annotations

import asyncio
import shutil
import time
from functools import partial
from typing import Any, cast

import uvloop

VALUE = b"x" * 300
KEYS = 1000


def installed() -> str | None:
    """The server's program; None where there is none."""
    return shutil.which("redis-server")


def command(port: int) -> list[str]:
    """How it is started: every write synced before it is acknowledged, no snapshots, on loopback."""
    given = {
        "port": str(port),
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "dir": ".",
    }
    given["auto-aof-rewrite-percentage"] = "0"
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    return [str(installed()), *words]


def request(number: int) -> bytes:
    key = b"key:%06d" % number
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(VALUE), VALUE)


class _Client(asyncio.Protocol):
    """One connection that has one SET under way at a time."""

    def __init__(self, first: int, until: float, latencies: list[float]) -> None:
        self._number = first
        self._until = until
        self._latencies = latencies
        self._answer = b""
        self.errors = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._number += 1
        self._began = time.perf_counter()
        self._transport.write(request(self._number % KEYS))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"\r\n"):
            return
        now = time.perf_counter()
        self._latencies.append(now - self._began)
        self.errors += self._answer != b"+OK\r\n"
        self._answer = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        self.ended.set_result(None)


async def _load(port: int, connections: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    made = []
    for number in range(connections):
        create = asyncio.get_running_loop().create_connection
        _, client = await create(partial(_Client, number * 7919, until, latencies), "127.0.0.1", port)
        made.append(client)
    await asyncio.gather(*(client.ended for client in made))
    wall = time.perf_counter() - began
    errors = sum(client.errors for client in made)
    latencies.sort()
    p50, p99 = (round(latencies[int(len(latencies) * share)] * 1e3, 3) for share in (0.5, 0.99))
    return {"rps": round((len(latencies) - errors) / wall, 1), "p50_ms": p50, "p99_ms": p99, "errors": errors}


def measure(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """SETs a second."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(port, connections, seconds))
