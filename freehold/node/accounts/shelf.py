"""A shelf: rows on their way, in a small SQLite database that looks like a store. It is not synced and goes after use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import apsw

from freehold.store.base import ReadTx
from freehold.store.overlay import Row, View
from freehold.store.sqlite import schema
from freehold.store.sqlite.table import KvTable


class Shelf:
    """Rows in the order of keys, and in the order in which they were put. For one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._database = apsw.Connection(str(directory / "shelf.db"))
        self._database.execute("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF; PRAGMA cache_size=-16384")
        self._database.execute(schema.TABLES)
        self._database.execute("BEGIN")
        self.tx: ReadTx = View(KvTable(self._database))

    def put(self, rows: Iterable[Row]) -> None:
        """Put rows; what is there already stays where it stands, with its new value."""
        self._database.executemany("INSERT INTO kv VALUES (?,?) ON CONFLICT (k) DO UPDATE SET v=excluded.v", rows)

    def in_order(self) -> Iterator[Row]:
        """All rows in the order in which they were put first. Nothing is put meanwhile."""
        for key, value in self._database.execute("SELECT k, v FROM kv ORDER BY rowid"):
            yield bytes(key), bytes(value)

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM kv").fetchall()[0]
        assert isinstance(count, int)
        return count

    def close(self) -> None:
        self._database.close()
