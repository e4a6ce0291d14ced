"""Rows kept in memory, in front of the table's point reads.

Every statement gives up the interpreter lock and waits for it again, beside the writer's thread: a row in a dictionary
costs a hundredth of that. Only this process writes the table, so a kept row is right until a body writes its key: it is
forgotten the moment the body's rows join a group, and kept again (when it has landed, or is read) only when no group on
its way holds the key. So what is kept is the same before and after any commit that is under way, and belongs to every
snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import apsw

from freehold.store.overlay import Layer, Row
from freehold.store.sqlite.table import KvTable

MAX_BYTES = 8 << 20
"""Of keys and values; beyond it all are forgotten at once, which costs less than keeping an order of use."""
MAX_ROW = 16 << 10
"""Larger values are not kept."""

Pending = Collection[bytes]


class CachedTable:
    """The `Base` below the layers of bodies: whoever comes here found the key in no group on its way."""

    __slots__ = ("_size", "_table", "kept")

    def __init__(self, table: KvTable) -> None:
        self._table = table
        self.kept: dict[bytes, bytes | None] = {}
        """None: there is no such row."""
        self._size = 0

    def get(self, key: bytes) -> bytes | None:
        kept = self.kept
        if key in kept:
            return kept[key]
        value = self._table.get(key)
        self.keep(key, value)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        kept = self.kept
        missing = [key for key in keys if key not in kept]
        if missing:
            found = dict(zip(missing, self._table.get_many(missing), strict=True))
            answer = [found[key] if key in found else kept[key] for key in keys]
            for key, value in found.items():
                self.keep(key, value)
            return answer
        return [kept[key] for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        return self._table.rows(start, end, limit, max_bytes, reverse)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        return self._table.keys(start, end, limit)

    def keep(self, key: bytes, value: bytes | None) -> None:
        """Keep a row that was just read and that no group on its way writes."""
        size = len(key) + (len(value) if value is not None else 0)
        if size > MAX_ROW:
            return
        self._size += size
        if self._size > MAX_BYTES:
            self.kept.clear()
            self._size = size
        self.kept[key] = value

    def landed(self, layer: Layer, later: Sequence[Layer]) -> None:
        """Keep what was just written, unless it is being written again: what is sent is soon received."""
        unsettled = [each.pending for each in later if each.pending]
        for key, value in layer.pending.items():
            if value is not None and not any(key in pending for pending in unsettled):
                self.keep(key, value)

    def forget(self, keys: Iterable[bytes]) -> None:
        """A body wrote these rows."""
        kept = self.kept
        for key in keys:
            if key in kept:
                value = kept.pop(key)
                self._size -= len(key) + (len(value) if value is not None else 0)


class DurableTable:
    """The `Base` of reads, one at a time: what is durable, from one snapshot, which is taken at the first row that is not
    kept. `begin` and `end` stand around each read."""

    __slots__ = ("_cache", "_connection", "_needs_snapshot", "_table", "_unsettled", "in_snapshot")

    def __init__(self, connection: apsw.Connection, table: KvTable, cache: CachedTable) -> None:
        self._connection = connection
        self._table = table
        self._cache = cache
        self._needs_snapshot = False
        self._unsettled: tuple[Pending, Pending] = ((), ())
        self.in_snapshot = False

    def begin(self, gathering: Layer, *, committing: bool) -> None:
        """Before a body reads: `gathering` is the layer of what is not durable, over that of what is being committed. They
        are looked at now, before the snapshot: a commit that lands while the body runs is of one of these."""
        below = gathering.below
        self._unsettled = (gathering.pending, below.pending if isinstance(below, Layer) else ())
        self._needs_snapshot = committing

    def end(self) -> None:
        if self.in_snapshot:
            self.in_snapshot = False
            self._connection.execute("COMMIT")

    def get(self, key: bytes) -> bytes | None:
        kept = self._cache.kept
        if key in kept:
            return kept[key]
        self._look()
        value = self._table.get(key)
        self._keep(key, value)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        kept = self._cache.kept
        missing = [key for key in keys if key not in kept]
        if not missing:
            return [kept[key] for key in keys]
        self._look()
        found = dict(zip(missing, self._table.get_many(missing), strict=True))
        answer = [found[key] if key in found else kept[key] for key in keys]
        for key, value in found.items():
            self._keep(key, value)
        return answer

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        self._look()
        return self._table.rows(start, end, limit, max_bytes, reverse)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        self._look()
        return self._table.keys(start, end, limit)

    def _look(self) -> None:
        """All rows that are not kept come from one commit."""
        if self._needs_snapshot and not self.in_snapshot:
            self._connection.execute("BEGIN")
            self.in_snapshot = True

    def _keep(self, key: bytes, value: bytes | None) -> None:
        gathering, committing = self._unsettled
        if key not in gathering and key not in committing:
            self._cache.keep(key, value)
