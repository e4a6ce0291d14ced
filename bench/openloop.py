"""Requests at the times they are due, whether or not earlier ones have been answered: what a burst is made of.

A latency counts from when a request was due, not from when a connection was free for it, so a server that stalls cannot
hide it. Connections are kept alive and as many are opened as requests are under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

Check = Callable[[int, bytes], bool]
PATIENCE_S = 30.0


@dataclass
class Answers:
    """What became of requests: seconds after the start at which each was due, its latency, and errors by what they were."""

    due_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    errors: list[tuple[float, str]] = field(default_factory=list)

    def between(self, start_s: float, end_s: float) -> Answers:
        """Those which were due then."""
        pairs = [pair for pair in zip(self.due_s, self.latency_s, strict=True) if start_s <= pair[0] < end_s]
        wrong = [each for each in self.errors if start_s <= each[0] < end_s]
        return Answers([due for due, _ in pairs], [latency for _, latency in pairs], wrong)


class Connection(asyncio.Protocol):
    """One connection that has one request under way at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, problem: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was closed: {problem}"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self.open = self.open and self._parser.should_keep_alive()
            self._answer.set_result((self._parser.get_status_code(), self._body))

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError and TimeoutError."""
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await asyncio.wait_for(self._answer, PATIENCE_S)

    def close(self) -> None:
        self._transport.close()


class Client:
    """Sends requests to one server over as many connections as it takes."""

    def __init__(self, port: int, check: Check) -> None:
        self._port = port
        self._check = check
        self._free: list[Connection] = []
        self.answers = Answers()

    async def send(self, request: bytes, due: float, began: float) -> None:
        """One request that is due now; whatever happens is in `answers`. A stale connection is tried again, once."""
        problem = ""
        for _ in range(2):
            reused = bool(self._free)
            try:
                connection = self._free.pop() if reused else await self._connect()
                status, body = await connection.exchange(request)
            except (OSError, TimeoutError) as error:
                problem = type(error).__name__
                if reused and not isinstance(error, TimeoutError):
                    continue
                break
            if connection.open:
                self._free.append(connection)
            problem = "" if self._check(status, body) else f"{status} {body[:120]!r}"
            break
        self.answers.due_s.append(due - began)
        self.answers.latency_s.append(time.perf_counter() - due)
        if problem:
            self.answers.errors.append((due - began, problem))

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return connection

    def close(self) -> None:
        for connection in self._free:
            connection.close()


def due_times(phases: Sequence[tuple[float, float]]) -> list[float]:
    """Seconds at which requests are due, of phases of (requests/s, seconds), evenly within each."""
    times, start = [], 0.0
    for rate, seconds in phases:
        times += [start + number / rate for number in range(round(rate * seconds))]
        start += seconds
    return times


async def _play(port: int, requests: Sequence[bytes], times: Sequence[float], check: Check) -> Answers:
    client = Client(port, check)
    under_way: set[asyncio.Task[None]] = set()
    began = time.perf_counter() + 0.05
    for number, at in enumerate(times):
        due = began + at
        while (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.ensure_future(client.send(requests[number % len(requests)], due, began))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        if number % 16 == 0:
            await asyncio.sleep(0)
    while under_way:
        await asyncio.wait(under_way)
    client.close()
    return client.answers


def play(port: int, requests: Sequence[bytes], times: Sequence[float], check: Check) -> Answers:
    """Send the requests at their times and wait for every answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_play(port, requests, times, check))
