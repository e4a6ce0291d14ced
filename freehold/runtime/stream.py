"""A response that leaves while it is produced."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

_HIGH_WATER = 1024 * 1024


class ResponseStream(AsyncIterator[bytes]):
    """Bytes of a streamed response; slow readers hold the function back, not memory."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._ended = False
        self._pause = pause
        self._resume = resume
        self._waiting: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > _HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        self._rouse()

    def end(self) -> None:
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._ended:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        piece = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        self._pieces.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._resume()
        return piece
