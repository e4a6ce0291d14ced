"""Rows kept in memory, in front of the table's point reads.

Every statement gives up the interpreter lock and waits for it again, beside the writer's thread: a row in a dictionary
costs a hundredth of that. Only this process writes the table, so a kept row is right until a body writes its key: it is
forgotten the moment the body's rows join a group, and kept again (when it has landed, or is read) only when no group on
its way holds the key. So what is kept is the same before and after any commit that is under way, and belongs to every
snapshot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Container, Iterable, Sequence

import apsw

from freehold.store.overlay import Base, Layer, Row
from freehold.store.sqlite.table import KvTable

MAX_BYTES = 12 << 20
"""Of memory; beyond it all are forgotten at once, which costs less than keeping an order of use."""
ROW_BYTES = 170
"""What a kept row takes beside the bytes of key and value: two objects, a place in the dictionary. Of small rows, most."""
MAX_ROW = 16 << 10
"""Larger values are not kept."""

PAGE_ROWS = 64
PAGE_BYTES = 16 << 10
"""Rows and bytes of a page that scans share."""

Pending = Collection[bytes]


class Page:
    """Rows of the table from `start` on, in order, without a gap, as they were in one epoch. `until`: there are no others
    below it (None: that is not known beyond the last row)."""

    __slots__ = ("epoch", "keys", "rows", "start", "until")

    def __init__(self, epoch: int, start: bytes, until: bytes | None, rows: list[Row]) -> None:
        self.epoch, self.start, self.until, self.rows = epoch, start, until, rows
        self.keys = [key for key, _ in rows]

    def within(self, start: bytes, end: bytes, limit: int) -> list[Row] | None:
        """The first rows of a range; None where the page does not know them all."""
        first = bisect_left(self.keys, start)
        last = bisect_left(self.keys, end, first)
        if last - first >= limit or last < len(self.keys) or (self.until is not None and end <= self.until):
            return self.rows[first : min(last, first + limit)]
        return None


class CachedTable:
    """The `Base` below the layers of bodies: whoever comes here found the key in no group on its way.

    Scans from the same place (receives from the head of a queue) share a page for as long as no commit lands: a statement
    after a commit reads its pages anew. `epoch` counts the commits, and is moved on before the layer of the group that
    was committed is taken away: until then that layer lies over the page and says what is newer.
    """

    __slots__ = ("_page", "_size", "_table", "epoch", "kept")

    def __init__(self, table: KvTable) -> None:
        self._table = table
        self._page: Page | None = None
        self.epoch = 0
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
        if reverse or limit > PAGE_ROWS:
            return self._table.rows(start, end, limit, max_bytes, reverse)
        page, epoch = self._page, self.epoch
        found = page.within(start, end, limit) if page and page.epoch == epoch and page.start <= start else None
        if found is None:
            read = self._table.rows(start, end, PAGE_ROWS, PAGE_BYTES, False)
            whole = len(read) < PAGE_ROWS and _size(read) < PAGE_BYTES
            page = self._page = Page(epoch, start, end if whole else None, read)
            found = page.within(start, end, limit)
            if found is None:  # larger rows than a page takes
                return self._table.rows(start, end, limit, max_bytes, False)
        return _cut(found, max_bytes)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        return self._table.keys(start, end, limit)

    def keep(self, key: bytes, value: bytes | None) -> None:
        """Keep a row that was just read and that no group on its way writes."""
        size = len(key) + (len(value) if value is not None else 0)
        if size > MAX_ROW:
            return
        self._size += size + ROW_BYTES
        if self._size > MAX_BYTES:
            self.kept.clear()
            self._size = size + ROW_BYTES
        self.kept[key] = value

    def landed(self, layer: Layer, later: Sequence[Layer]) -> None:
        """Keep what was just written, unless it is being written again: what is sent is soon received."""
        writing = [each.pending for each in later if each.pending]
        unsettled: Container[bytes] = writing[0] if len(writing) == 1 else set[bytes]().union(*writing)
        settled = {
            key: value
            for key, value in layer.pending.items()
            if value is not None and key not in unsettled and len(value) <= MAX_ROW
        }
        self._size += sum(map(len, settled)) + sum(map(len, settled.values())) + ROW_BYTES * len(settled)
        if self._size > MAX_BYTES:
            self.kept.clear()
            self._size = 0
        else:
            self.kept.update(settled)

    def forget(self, keys: Iterable[bytes]) -> None:
        """A body wrote these rows."""
        kept = self.kept
        for key in keys:
            if key in kept:
                value = kept.pop(key)
                self._size -= len(key) + (len(value) if value is not None else 0) + ROW_BYTES


class GroupLayer(Layer):
    """The layer of a group. What is kept is in no group on its way: it is found without going through them."""

    __slots__ = ("_kept",)

    def __init__(self, base: Base, cache: CachedTable) -> None:
        super().__init__(base)
        self._kept = cache.kept

    def get(self, key: bytes) -> bytes | None:
        kept = self._kept
        if key in kept:
            return kept[key]
        pending = self.pending
        return pending[key] if key in pending else self._base.get(key)


def _size(rows: list[Row]) -> int:
    return sum(len(key) + len(value) for key, value in rows)


def _cut(rows: list[Row], max_bytes: int) -> list[Row]:
    """As many as the table itself would give: up to the row that brings their size to `max_bytes`."""
    for place, (key, value) in enumerate(rows):
        max_bytes -= len(key) + len(value)
        if max_bytes <= 0:
            return rows[: place + 1]
    return rows


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
