"""An event loop that runs for as long as something is ready, and a transport that keeps what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_loop: asyncio.AbstractEventLoop | None = None
errors: list[str] = []
"""What reached the loop's exception handler since it was cleared: callbacks that raised, tasks nobody looked at."""


def loop() -> asyncio.AbstractEventLoop:
    """The one loop of this process."""
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
        _loop.set_exception_handler(
            lambda _, context: errors.append(f"{context.get('message')} {context.get('exception')!r}")
        )
        asyncio.set_event_loop(_loop)
    return _loop


def run(work: Coroutine[Any, Any, T]) -> T:
    return loop().run_until_complete(work)


async def settle(turns: int = 12) -> None:
    """Let what is ready run, and what that makes ready."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def pieces(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    """The data in pieces of these sizes, again and again."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


class Wire(asyncio.Transport):
    """A transport: `sent` is what was written, `closed` whether it is closing."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.sent = bytearray()
        self.closed = self.paused = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self.closed:
            self.sent += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
