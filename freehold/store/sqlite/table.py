"""The key-value table on one connection: the reads of a `Base`, and how a group of rows is written.

Every statement gives up the interpreter lock and may wait for it afterwards, so statements are few and large. Cursors
are exhausted or closed: an open one would pin its snapshot and keep the log from restarting.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

import apsw

from freehold.store.overlay import Row

CHUNK = 100
"""Rows in one statement."""

GET = "SELECT v FROM kv WHERE k=?"
FORWARD = "SELECT k, v FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"
BACKWARD = "SELECT k, v FROM kv WHERE k>=? AND k<? ORDER BY k DESC LIMIT ?"
KEYS = "SELECT k FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"


class KvTable:
    """Reads on one connection. Statements see the latest commit, or the snapshot of a transaction that was begun."""

    __slots__ = ("_connection", "_execute")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute

    def get(self, key: bytes) -> bytes | None:
        return self._execute(GET, (key,)).get  # type: ignore[no-any-return]  # `get` exhausts the cursor

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if len(keys) <= 2:  # cheaper than one statement for both
            return [self.get(key) for key in keys]
        found: dict[bytes, bytes] = {}
        for place in range(0, len(keys), CHUNK):
            some = keys[place : place + CHUNK]
            found.update(cast(list[Row], self._execute(_get_many(len(some)), some).fetchall()))
        return [found.get(key) for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        cursor = self._connection.execute(BACKWARD if reverse else FORWARD, (start, end, limit))
        found: list[Row] = []
        for row in cursor:
            found.append(row)
            max_bytes -= len(row[0]) + len(row[1])
            if max_bytes <= 0:
                cursor.close()
                break
        return found

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        return [cast(bytes, key) for (key,) in self._execute(KEYS, (start, end, limit)).fetchall()]


def write(connection: apsw.Connection, pending: dict[bytes, bytes | None], sequence: int | None) -> None:
    """Make `pending` durable in one commit; `sequence` is the new mark of sequence numbers in use, if it moved."""
    deleted = sorted([key for key, value in pending.items() if value is None])
    keys = sorted(pending) if not deleted else sorted(pending.keys() - set(deleted))
    written: list[bytes | None] = [None] * (2 * len(keys))
    written[::2], written[1::2] = (
        keys,
        map(pending.__getitem__, keys),
    )  # no loop while the event loop waits for the lock
    execute = connection.execute
    if not deleted and sequence is None and len(written) <= 2 * CHUNK:
        if written:
            execute(_put(len(written) // 2), written)  # commits by itself: one statement instead of three
        return
    execute("BEGIN IMMEDIATE")
    for place in range(0, len(written), 2 * CHUNK):
        part = written[place : place + 2 * CHUNK]
        execute(_put(len(part) // 2), part)
    for place in range(0, len(deleted), CHUNK):
        keys = deleted[place : place + CHUNK]
        execute(_delete(len(keys)), keys)
    if sequence is not None:
        execute("UPDATE meta SET value=? WHERE name='sequence'", (sequence,))
    execute("COMMIT")


@cache
def _put(rows: int) -> str:
    # OR ROLLBACK: see schema.TABLES; with ABORT, the default, SQLite would keep a journal for the statement.
    return f"INSERT OR ROLLBACK INTO kv VALUES {_marks('(?,?)', rows)} ON CONFLICT(k) DO UPDATE SET v=excluded.v"


@cache
def _delete(rows: int) -> str:
    return f"DELETE FROM kv WHERE k IN ({_marks('?', rows)})"


@cache
def _get_many(rows: int) -> str:
    return f"SELECT k, v FROM kv WHERE k IN ({_marks('?', rows)})"


def _marks(mark: str, count: int) -> str:
    return ",".join([mark] * count)
