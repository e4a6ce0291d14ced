"""Looking at the store of a directory that nobody serves, and copying the store of a running server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import apsw

from freehold.store.base import ReadTx, StoreTooNew, StoreUnusable
from freehold.store.overlay import View
from freehold.store.sqlite import schema
from freehold.store.sqlite.table import KvTable

FILE = "store.db"
_PAGES = 256
"""Pages copied at a time: between them, whoever wants the copy to stop is asked."""


@contextmanager
def looking(directory: Path, *, settled: bool = False) -> Iterator[tuple[apsw.Connection, ReadTx]]:
    """One snapshot of the store in a directory, which stays as it is. `settled`: it is a fresh copy, without a log.

    Raises StoreUnusable, StoreTooNew.
    """
    file = directory / FILE
    if not file.is_file():
        raise StoreUnusable(f"{directory} has no {FILE}: it is not a data directory of Freehold")
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    settled_name = f"file:{quote(str(file.absolute()))}?immutable=1"
    connection = apsw.Connection(settled_name, flags=flags) if settled else schema.connect(file)
    try:
        # The log is not moved into the database when this connection closes: what is looked at is not changed.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("BEGIN")
        try:
            version = connection.pragma("user_version")
            if connection.pragma("application_id") != schema.APPLICATION_ID:
                raise StoreUnusable(f"{file} is not a Freehold store")
        except apsw.NotADBError as error:
            raise StoreUnusable(f"{file} is not a Freehold store") from error
        if version > schema.VERSION:
            raise StoreTooNew(f"{file} was written by a newer Freehold (store version {version}); update Freehold")
        yield connection, View(KvTable(connection))
    finally:
        connection.close()


def integrity(connection: apsw.Connection) -> list[str]:
    """What SQLite itself finds wrong in its pages and trees; empty when all is well."""
    try:
        found = [str(line) for (line,) in connection.execute("PRAGMA integrity_check(100)").fetchall()]
    except apsw.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def copy(source: Path, target: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Copy the store in directory `source` into directory `target` by SQLite's online backup, and sync it.

    The server may go on: the copy is of one commit. Its log is not started anew as long as this takes.
    """
    reader = schema.connect(source / FILE, cache_mib=1)
    writer = apsw.Connection(str(target / FILE))
    try:
        # One read transaction for all of the copy: without it, every commit of the server would make it begin again.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM meta").fetchall()
        writer.execute("PRAGMA synchronous=OFF")  # synced once, below
        with writer.backup("main", reader, "main") as backup:
            while not backup.done:
                if stop():
                    raise InterruptedError("the copy was stopped")
                backup.step(_PAGES)
        reader.execute("COMMIT")
    finally:
        writer.close()
        reader.close()
    for name in (target / FILE, target):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
