"""The body of a request while it arrives: whole within a limit, or piece by piece. What is beyond a limit is never kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

HIGH_WATER = 64 << 10
"""Bytes that may wait for their reader; beyond them the client is not read from."""


class TooLarge(Exception):
    """The body is larger than the operation accepts."""


class Disconnected(Exception):
    """The client went away before it had sent its body."""


class Valve(Protocol):
    """What a body asks of its connection."""

    def go_on(self) -> None:
        """Send 100 Continue, if the client waits for that."""
        ...

    def pause(self) -> None:
        """Read no more from the client until `resume`."""
        ...

    def resume(self) -> None: ...


class Body:
    """The bytes of one request's body. One reader: `read`, `stream` or `gone` after either."""

    __slots__ = ("_dropped", "_lost", "_pieces", "_size", "_valve", "_waiter", "announced", "complete")

    def __init__(self, valve: Valve, announced: int | None) -> None:
        self._valve = valve
        self.announced = announced
        """Its length as the head says; None when that says nothing (chunked, or no body)."""
        self.complete = False
        """All of it has arrived."""
        self._dropped = False
        self._lost = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    # what the connection says

    def feed(self, piece: bytes) -> None:
        if self._dropped:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH_WATER:
            self._valve.pause()
        if self._waiter is not None:
            self._rouse()

    def end(self) -> None:
        self.complete = True
        if self._waiter is not None:
            self._rouse()

    def lose(self) -> None:
        """The client went away."""
        self._lost = True
        self._rouse()

    def drop(self) -> None:
        """It was answered without being read to its end: what still comes is not kept."""
        self._dropped = True
        self._pieces.clear()

    def _rouse(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # what its reader asks

    def at_hand(self, limit: int) -> bytes | None:
        """The whole body where it is here in one piece, as small ones are, and no larger than `limit`."""
        if not self.complete or len(self._pieces) > 1 or self._size > limit:
            return None
        return self._pieces.pop() if self._pieces else b""

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge before anything beyond `limit` is kept, Disconnected when it never ends."""
        if self.announced is not None and self.announced > limit:
            raise TooLarge
        found = self.at_hand(limit)
        if found is not None:
            return found
        pieces, size = [], 0
        async for piece in self.stream():
            size += len(piece)
            if size > limit:
                raise TooLarge
            pieces.append(piece)
        return b"".join(pieces)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece. Raises Disconnected when the client goes away before its end."""
        while True:
            if self._pieces:
                piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces.clear()
                if self._size > HIGH_WATER:
                    self._valve.resume()
                self._size = 0
                yield piece
            elif self.complete:
                return
            elif self._lost:
                raise Disconnected
            else:
                self._valve.go_on()
                await self._change()

    async def gone(self) -> None:
        """Return when the client has gone away."""
        while not self._lost:
            await self._change()

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
