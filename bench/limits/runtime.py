"""A bare Runtime API behind the bare server: `python -m bench.limits.runtime PORT [PROCESSES]`.

Each POST is handed to a free process (bench/limits/function.py) over a socket pair as the answer to its GET of the next
invocation; what it posts is the answer. No signature, no sandbox, no log, no meter.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import httptools

from bench.limits.http import Receive, Scope, Send, answer, read, run

PROCESSES = 32
FUNCTION = Path(__file__).with_name("function.py")
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
EVENT = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: %b\r\n"
    b"lambda-runtime-deadline-ms: %d\r\nlambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:0:function:f\r\n"
    b"content-length: %d\r\n\r\n%b"
)


class Process(asyncio.Protocol):
    """The server's end of one process's Runtime API."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._request_id = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._owed = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/2018-06-01/runtime/invocation/next":
            self._pool.free(self)
        elif self._url == b"/2018-06-01/runtime/invocation/%b/response" % self._request_id:
            self._owed = ACCEPTED
            assert self._answer is not None
            if not self._answer.done():
                self._answer.set_result(self._body)

    def invoke(self, request_id: bytes, event: bytes, answer: asyncio.Future[bytes]) -> None:
        """Hand over an event."""
        self._request_id, self._answer = request_id, answer
        deadline = int(time.time() * 1e3) + 3_000
        self._transport.write(self._owed + EVENT % (request_id, deadline, len(event), event))
        self._owed = b""


class Pool:
    """Processes, the one that was free last first."""

    def __init__(self) -> None:
        self._free: list[Process] = []
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[bytes]]] = []
        self._numbers = itertools.count(1)

    async def start(self, count: int) -> None:
        """Start so many processes and wait for their first GET."""
        for _ in range(count):
            ours, theirs = socket.socketpair()
            command = [sys.executable, "-I", "-S", str(FUNCTION), str(theirs.fileno())]
            subprocess.Popen(command, pass_fds=[theirs.fileno()])
            theirs.close()
            await asyncio.get_running_loop().create_connection(lambda: Process(self), sock=ours)
        while len(self._free) < count:
            await asyncio.sleep(0.01)

    def free(self, process: Process) -> None:
        if self._waiting:
            process.invoke(*self._waiting.pop(0))
        else:
            self._free.append(process)

    def invoke(self, event: bytes) -> asyncio.Future[bytes]:
        """The function's answer."""
        future = asyncio.get_running_loop().create_future()
        request_id = b"%036d" % next(self._numbers)
        if self._free:
            self._free.pop().invoke(request_id, event, future)
        else:
            self._waiting.append((request_id, event, future))
        return future


class Application:
    """Started by its first request, since the processes need the loop."""

    def __init__(self, count: int) -> None:
        self._pool = Pool()
        self._count = count
        self._started: asyncio.Task[None] | None = None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        event = await read(receive)
        if self._started is None:
            self._started = asyncio.ensure_future(self._pool.start(self._count))
        if not self._started.done():
            await asyncio.shield(self._started)
        await answer(send, await self._pool.invoke(event))


if __name__ == "__main__":
    run(Application(int(sys.argv[2]) if len(sys.argv) > 2 else PROCESSES), int(sys.argv[1]))
