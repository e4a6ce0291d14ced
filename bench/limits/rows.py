"""Rows in SQLite, one commit for whatever is queued: the least that is durable."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import apsw

Waiting = tuple[bytes, bytes, "asyncio.Future[None]"]


def connect(file: Path) -> apsw.Connection:
    """WAL, every commit synced, pages of 8 KiB."""
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-65536")
    return connection


class Rows:
    """A table of keys and values; `put` returns when the row is durable."""

    def __init__(self, directory: Path) -> None:
        file = directory / "rows.db"
        self._writer = connect(file)
        self._writer.execute("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB)")
        self._reader = connect(file)
        self._queued: list[Waiting] = []
        self._guard = threading.Lock()
        self._work = threading.Semaphore(0)
        self._idle = True
        threading.Thread(target=self._run, daemon=True).start()

    def put(self, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Resolved when the row is durable. On the event loop."""
        future = asyncio.get_running_loop().create_future()
        with self._guard:
            self._queued.append((key, value, future))
            idle, self._idle = self._idle, False
        if idle:
            self._work.release()
        return future

    def get(self, key: bytes) -> bytes | None:
        """The value, as last committed."""
        found: bytes | None = self._reader.execute("SELECT v FROM kv WHERE k=?", (key,)).get
        return found

    def _run(self) -> None:
        while True:
            self._work.acquire()
            while True:
                with self._guard:
                    group, self._queued = self._queued, []
                    if not group:
                        self._idle = True
                        break
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", [each[:2] for each in group])
                self._writer.execute("COMMIT")
                group[0][2].get_loop().call_soon_threadsafe(_tell, group)


def _tell(group: list[Waiting]) -> None:
    for _, _, future in group:
        if not future.done():
            future.set_result(None)
