"""A gate at which functions wait until the test lets them through: what is under way is known, not guessed by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

WAITING = """
import socket
def wait(name):
    with socket.create_connection(("127.0.0.1", {port})) as gate:
        gate.sendall(name.encode() + b"\\n")
        gate.recv(1)
"""


class Gate:
    """Made by `gate()`. `waiting` is the Python source that defines `wait(name)`."""

    def __init__(self) -> None:
        self.waiting = ""
        self._came: asyncio.Queue[str] = asyncio.Queue()
        self._open = asyncio.Event()

    @property
    def source(self) -> str:
        """A function that waits where its event is true, and returns its log stream."""
        return self.waiting + (
            "def handler(event, context):\n"
            "    if event: wait(context.log_stream_name)\n"
            "    return context.log_stream_name\n"
        )

    async def came(self, count: int = 1) -> list[str]:
        """The names of the next `count` who wait, once they are here."""
        return [await self._came.get() for _ in range(count)]

    def open(self) -> None:
        """Let everybody through, those who come later too."""
        self._open.set()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._came.put_nowait((await reader.readline()).decode().strip())
            await self._open.wait()
            writer.write(b"1")
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def gate() -> AsyncIterator[Gate]:
    """A closed gate."""
    made = Gate()
    server = await asyncio.start_server(made._meet, "127.0.0.1", 0, backlog=1_024)
    made.waiting = WAITING.format(port=server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        made.open()
        server.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait for a state that nothing tells of. What never comes ends the test in the time that it has."""
    while not holds():
        await asyncio.sleep(0.01)
