"""Pending writes over something that can be read: the same few rules under every engine.

A `Layer` is a sorted merge of pending rows over a base. An `Overlay` is the layer of one body: it adds the verbs and
limits of `Tx`. An engine runs each body in an overlay of its own and absorbs it into the layer it is going to commit;
dropping the overlay is the rollback.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Protocol

from freehold.store.base import LimitExceeded, StoreError
from freehold.store.limits import MAX_KEY, MAX_SCAN, MAX_SCAN_BYTES, MAX_TX_BYTES, MAX_TX_ROWS, MAX_VALUE

Row = tuple[bytes, bytes]

STAMP_BYTES = 10


class Base(Protocol):
    """What an engine gives to read from: one snapshot, without checks of limits."""

    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        """At most `limit` rows, ending with the row that brings their size to `max_bytes`."""
        ...

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        """The first `limit` keys, in order; values are not read."""
        ...


class View:
    """A `ReadTx` over a base: the limits of a scan are checked here."""

    __slots__ = ("_base", "get")

    def __init__(self, base: Base) -> None:
        self._base = base
        self.get = base.get

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        check_many(keys)
        return self._base.get_many(keys)

    def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = MAX_SCAN,
        max_bytes: int = MAX_SCAN_BYTES,
        reverse: bool = False,
    ) -> list[Row]:
        check_scan(limit, max_bytes)
        return self._base.rows(start, end, limit, max_bytes, reverse)


class Layer:
    """Pending rows (None: deleted) over a base; a `Base` itself, so layers stack."""

    __slots__ = ("_base", "_order", "pending")

    def __init__(self, base: Base) -> None:
        self._base = base
        self.pending: dict[bytes, bytes | None] = {}
        self._order: list[bytes] | None = None  # pending keys in order, kept from the first scan on

    def get(self, key: bytes) -> bytes | None:
        pending = self.pending
        return pending[key] if key in pending else self._base.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        pending = self.pending
        missing = [key for key in keys if key not in pending]
        if len(missing) == len(keys):
            return self._base.get_many(keys)
        found = dict(zip(missing, self._base.get_many(missing), strict=True)) if missing else {}
        return [pending[key] if key in pending else found[key] for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        mine = self._within(start, end)
        if not mine:
            return self._base.rows(start, end, limit, max_bytes, reverse)
        if limit <= 0:
            return []
        pending = self.pending
        written = [key for key in mine if pending[key] is not None]
        # That many more cover the rows that are deleted here: one page where the head of a queue was just taken away.
        most = limit + len(mine) - len(written)
        mine = written
        if not reverse:
            mine.reverse()  # the next one is always popped from the end
        merged: list[Row] = []
        room = max_bytes
        while True:
            page = self._base.rows(start, end, most, max_bytes, reverse)
            for key, value in page:
                while mine and (mine[-1] > key if reverse else mine[-1] < key):
                    room = self._take(mine, merged, room)
                    if room <= 0 or len(merged) >= limit:
                        return merged
                if key in pending:
                    continue
                merged.append((key, value))
                room -= len(key) + len(value)
                if room <= 0 or len(merged) >= limit:
                    return merged
            if len(page) < most and sum(len(key) + len(value) for key, value in page) < max_bytes:
                break  # the base holds no more
            if reverse:
                end = page[-1][0]
            else:
                start = page[-1][0] + b"\0"
        while mine and room > 0 and len(merged) < limit:
            room = self._take(mine, merged, room)
        return merged

    def _take(self, mine: list[bytes], merged: list[Row], room: int) -> int:
        key = mine.pop()
        value = self.pending[key] or b""
        merged.append((key, value))
        return room - len(key) - len(value)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        mine = self._within(start, end)
        if not mine:
            return self._base.keys(start, end, limit)
        pending = self.pending
        written = [key for key in mine if pending[key] is not None]
        # That many more cover the rows that are deleted here, so that `limit` live ones remain if there are any.
        below = self._base.keys(start, end, limit + len(mine) - len(written))
        return sorted([key for key in below if key not in pending] + written)[:limit]

    def _within(self, start: bytes, end: bytes) -> list[bytes]:
        """Pending keys with start <= key < end, in order: a new list."""
        if not self.pending:
            return []
        order = self._order
        if order is None:
            order = self._order = sorted(self.pending)
        return order[bisect_left(order, start) : bisect_left(order, end)]

    def write(self, key: bytes, value: bytes | None) -> None:
        if self._order is not None and key not in self.pending:
            insort(self._order, key)
        self.pending[key] = value

    @property
    def below(self) -> Base:
        """What it lies over."""
        return self._base

    def rebase(self, base: Base) -> None:
        """Lie over `base`, which has come to hold the rows of the layer that was below."""
        self._base = base

    def absorb(self, overlay: Overlay, sequence: int) -> None:
        """Take over what a body wrote; its appends become rows under the commit sequence number `sequence`."""
        if self._order is None:
            self.pending.update(overlay.pending)
        else:
            for key, value in overlay.pending.items():
                self.write(key, value)
        if overlay.appends:
            for position, (log, row, stamp) in enumerate(overlay.appends):
                stamp.assign(sequence, position)
                self.write(log + stamp.value, row)


class CommitStamp:
    """The stamp of an append: 8 bytes of commit sequence number, 2 bytes of position in the transaction."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: bytes | None = None

    @property
    def value(self) -> bytes:
        if self._value is None:
            raise StoreError("a commit stamp can be read only after the commit")
        return self._value

    def assign(self, sequence: int, position: int) -> None:
        self._value = sequence.to_bytes(8, "big") + position.to_bytes(2, "big")


class Overlay(Layer):
    """The transaction of one body: `Tx`. `refused` holds the limit it ran into, even if the body went on after that."""

    __slots__ = ("_bytes", "appends", "refused", "wakes")

    def __init__(self, base: Base) -> None:
        self._base = base  # as the layer does, without a call: there is an overlay for every transaction
        self.pending = {}
        self._order = None
        self.appends: list[tuple[bytes, bytes, CommitStamp]] = []
        self.wakes: set[bytes] = set()
        self.refused: LimitExceeded | None = None
        self._bytes = 0

    @property
    def written(self) -> Iterable[bytes]:
        """The keys of all rows that it writes; of appends only once they are absorbed."""
        return self.pending if not self.appends else [*self.pending, *(log + s.value for log, _, s in self.appends)]

    @property
    def size(self) -> int:
        """Bytes of keys and values to write."""
        return self._bytes

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        check_many(keys)
        return super().get_many(keys)

    def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = MAX_SCAN,
        max_bytes: int = MAX_SCAN_BYTES,
        reverse: bool = False,
    ) -> list[Row]:
        check_scan(limit, max_bytes)
        return self.rows(start, end, limit, max_bytes, reverse)

    def put(self, key: bytes, value: bytes) -> None:
        if type(key) is not bytes or type(value) is not bytes:
            raise TypeError("keys and values are bytes")
        pending = self.pending
        size = self._bytes + len(key) + len(value)
        # Most transactions are small, and their rows new: where all of it fits into one value no other limit is near.
        if (
            size <= MAX_VALUE
            and len(key) <= MAX_KEY
            and len(pending) < MAX_TX_ROWS
            and key not in pending
            and self._order is None
            and not self.appends
        ):
            pending[key] = value
            self._bytes = size
            return
        if len(value) > MAX_VALUE:
            self._refuse(f"a value of {len(value)} bytes is longer than {MAX_VALUE}")
        self._change(key, value)

    def delete(self, key: bytes) -> None:
        if type(key) is not bytes:
            raise TypeError("keys are bytes")
        self._change(key, None)

    def clear(self, start: bytes, end: bytes) -> int:
        gone = self.keys(start, end, MAX_SCAN)
        for key in gone:
            self._change(key, None)
        return len(gone)

    def append(self, log: bytes, value: bytes) -> CommitStamp:
        if type(log) is not bytes or type(value) is not bytes:
            raise TypeError("keys and values are bytes")
        if len(log) + STAMP_BYTES > MAX_KEY:
            self._refuse(f"the name of a log of {len(log)} bytes is longer than {MAX_KEY - STAMP_BYTES}")
        if len(value) > MAX_VALUE:
            self._refuse(f"a value of {len(value)} bytes is longer than {MAX_VALUE}")
        stamp = CommitStamp()
        self.appends.append((log, value, stamp))
        self._grow(len(log) + STAMP_BYTES + len(value))
        return stamp

    def wake(self, key: bytes) -> None:
        self.wakes.add(key)

    def _change(self, key: bytes, value: bytes | None) -> None:
        if len(key) > MAX_KEY:
            self._refuse(f"a key of {len(key)} bytes is longer than {MAX_KEY}")
        grown = len(value) if value is not None else 0
        if key in self.pending:
            grown -= len(self.pending[key] or b"")
            self.pending[key] = value
        else:
            grown += len(key)
            self.write(key, value)
        self._grow(grown)

    def _grow(self, count: int) -> None:
        self._bytes += count
        if self._bytes > MAX_TX_BYTES:
            self._refuse(f"a transaction writes more than {MAX_TX_BYTES} bytes")
        if len(self.pending) + len(self.appends) > MAX_TX_ROWS:
            self._refuse(f"a transaction writes more than {MAX_TX_ROWS} rows")

    def _refuse(self, why: str) -> None:
        self.refused = LimitExceeded(why)
        raise self.refused


def check_scan(limit: int, max_bytes: int) -> None:
    if not 0 <= limit <= MAX_SCAN:
        raise LimitExceeded(f"a scan of {limit} rows is outside 0 to {MAX_SCAN}")
    if not 1 <= max_bytes <= MAX_SCAN_BYTES:
        raise LimitExceeded(f"a scan of {max_bytes} bytes is outside 1 to {MAX_SCAN_BYTES}")


def check_many(keys: Sequence[bytes]) -> None:
    if len(keys) > MAX_SCAN:
        raise LimitExceeded(f"a read of {len(keys)} keys at once is more than {MAX_SCAN}")
