"""A group: the bodies that share a transaction, and what they are going to write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from freehold.store.base import Tx
from freehold.store.overlay import Base, CommitStamp, Layer, Overlay, Row

MAX_BODIES = 256
"""As many as one value of the sequence of stamps has numbers (schema.BLOCK)."""
MAX_BYTES = 4 << 20
MAX_LANES = 32

Outcome = tuple[BaseException | None, object]


class Job:
    """A body that waits for its turn, and who waits for it."""

    __slots__ = ("body", "future", "lane", "outcome", "wakes")

    def __init__(self, body: Callable[[Tx], Any], lane: bytes | None, future: asyncio.Future[Outcome]) -> None:
        self.body, self.lane, self.future = body, lane, future
        self.outcome: Outcome = (None, None)
        self.wakes: set[bytes] = set()

    def deliver(self) -> None:
        if not self.future.done():  # its task may have been cancelled
            self.future.set_result(self.outcome)


class Append:
    """A row that gets its key at the commit: stamps are drawn there, under the lock of its log."""

    __slots__ = ("log", "member", "place", "stamp", "value")

    def __init__(self, log: bytes, member: int, place: int, value: bytes, stamp: CommitStamp) -> None:
        self.log, self.member, self.place, self.value, self.stamp = log, member, place, value, stamp


class GroupLayer(Layer):
    """What the bodies of a group wrote, over the rows that their transaction sees.

    Appended rows have no key until the commit, so a later body cannot see them here: when one looks where they will be,
    `missed` turns true, and that body belongs into the next transaction.
    """

    __slots__ = ("appends", "members", "missed", "size")

    def __init__(self, base: Base) -> None:
        super().__init__(base)
        self.appends: list[Append] = []
        self.members = 0
        self.missed = False
        self.size = 0

    @property
    def full(self) -> bool:
        return self.members >= MAX_BODIES or self.size >= MAX_BYTES

    def take(self, overlay: Overlay) -> None:
        """Take over what a body wrote."""
        for key, value in overlay.pending.items():
            self.write(key, value)
        for place, (log, value, stamp) in enumerate(overlay.appends):
            self.appends.append(Append(log, self.members, place, value, stamp))
        self.members += 1
        self.size += overlay.size

    def get(self, key: bytes) -> bytes | None:
        if self.appends:
            self._look(key, key + b"\0")
        return super().get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if self.appends:
            for key in keys:
                self._look(key, key + b"\0")
        return super().get_many(keys)

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        if self.appends:
            self._look(start, end)
        return super().rows(start, end, limit, max_bytes, reverse)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        if self.appends:
            self._look(start, end)
        return super().keys(start, end, limit)

    def _look(self, start: bytes, end: bytes) -> None:
        for append in self.appends:
            if append.log < end and start <= append.log + b"\xff" * 10:
                self.missed = True
                return
