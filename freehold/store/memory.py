"""The memory engine: a sorted list of keys under the shared overlay. It keeps nothing; tests and trials use it."""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from freehold.kit.ids import Ids
from freehold.store.base import ReadTx, StoreError, Tx
from freehold.store.overlay import Layer, Overlay, Row, View
from freehold.store.watches import KeyWatch, Watches

T = TypeVar("T")


class Table:
    """A sorted map: keys in a list, values in a dictionary."""

    __slots__ = ("_order", "_values")

    def __init__(self) -> None:
        self._order: list[bytes] = []
        self._values: dict[bytes, bytes] = {}

    def copy(self) -> Table:
        copied = Table()
        copied._order, copied._values = self._order.copy(), self._values.copy()
        return copied

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._values.get(key) for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        low, high = bisect_left(self._order, start), bisect_left(self._order, end)
        found: list[Row] = []
        if high <= low or limit <= 0:
            return found
        places = range(high - 1, max(low, high - limit) - 1, -1) if reverse else range(low, min(high, low + limit))
        for place in places:
            key = self._order[place]
            value = self._values[key]
            found.append((key, value))
            max_bytes -= len(key) + len(value)
            if max_bytes <= 0:
                break
        return found

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        low, high = bisect_left(self._order, start), bisect_left(self._order, end)
        return self._order[low : min(high, low + limit)]

    def apply(self, pending: dict[bytes, bytes | None]) -> None:
        for key, value in pending.items():
            if value is not None:
                if key not in self._values:
                    insort(self._order, key)
                self._values[key] = value
            elif key in self._values:
                del self._values[key]
                del self._order[bisect_left(self._order, key)]


class MemoryStore:
    """A `Store` in memory. `repeat` is the share of bodies run twice, at random, keeping the second outcome:
    it finds bodies that are not pure. `shared`: several nodes of this process use it, as a cluster does."""

    def __init__(self, ids: Ids, repeat: float = 0.0, *, shared: bool = False) -> None:
        self.shared = shared
        self._ids = ids
        self._repeat = repeat
        self._table = Table()
        self._view = View(self._table)
        self._sequence = 0
        self._watches = Watches()
        self._closed = False

    def at_hand(self, key: bytes) -> bytes | None:
        return self._table.get(key)

    async def read(self, body: Callable[[ReadTx], T]) -> T:
        self._check_open()
        if self._again():
            with contextlib.suppress(Exception):
                body(self._view)
        return body(self._view)

    async def read_many(self, body: Callable[[ReadTx], T]) -> T:
        return await self.read(body)

    async def transact(self, body: Callable[[Tx], T], *, lane: bytes | None = None, early: bool = False) -> T:
        self._check_open()
        if self._again():
            with contextlib.suppress(Exception):
                body(Overlay(self._table))
        overlay = Overlay(self._table)
        try:
            result = body(overlay)
            if overlay.refused is not None:
                raise overlay.refused
            self._commit(overlay)
        finally:
            await asyncio.sleep(0)  # others may run between a commit and the news of it, as on every engine
        return result

    def _commit(self, overlay: Overlay) -> None:
        self._sequence += 1
        layer = Layer(self._table)
        layer.absorb(overlay, self._sequence)
        self._table.apply(layer.pending)
        self._watches.wake(overlay.wakes)

    def _again(self) -> bool:
        return self._repeat > 0 and self._ids.uniform() < self._repeat

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def view(self) -> AbstractContextManager[ReadTx]:
        """As `Views` says: a copy of the table, whose rows never change."""
        return contextlib.nullcontext(View(self._table.copy()))

    def watch(self, key: bytes) -> KeyWatch:
        return self._watches.watch(key)

    def rouse(self) -> None:
        self._watches.wake_all()

    async def close(self) -> None:
        self._closed = True
        self._watches.wake_all()
