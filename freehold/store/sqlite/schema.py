"""The files of a store: `store.db` (with its `-wal` and `-shm`) and `store.lock` in one directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

from freehold.store.base import StoreBusy, StoreTooNew, StoreUnusable

VERSION = 1
APPLICATION_ID = 0x46484C44  # "FHLD"
PAGE_SIZE = 8192
STATEMENTS = 400
"""Prepared statements kept per connection: one for each number of rows in a multi-row statement, and the others."""

LOG_BYTES = 10 << 20
"""What the write-ahead log is given at once: a commit that makes its file longer takes twice as long to sync."""

# With rowids: the tree of keys stays small. WITHOUT ROWID, values lie among the keys, and every search that passes a value
# of more than a quarter page reads all of it first: a GetItem read 5 pages of other people's logs, and a commit of 100 rows
# took twice as long. A range of 100 rows costs a third more in exchange.
# Neither STRICT nor NOT NULL: a constraint that may fail makes SQLite keep a journal for every multi-row statement,
# which costs three times the insert. The overlay lets only bytes through.
TABLES = f"""
CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
INSERT INTO meta VALUES ('sequence', 1);
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version={VERSION};
"""


def lock(directory: Path) -> int:
    """Take the directory for this process and return the descriptor that holds it; creates the directory if missing."""
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            _sync_directory(directory.parent)
        descriptor = os.open(directory / "store.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(
            f"cannot use {directory} as the data directory: {error.strerror}; make it writable or choose another"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreBusy(
            f"{directory} is in use by another Freehold (process {holder}); stop it or choose another data directory"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def open_database(directory: Path) -> apsw.Connection:
    """The writer's connection; makes the tables of a new store and checks the version of an old one."""
    file = directory / "store.db"
    try:
        connection = connect(file)
        new = _is_new(connection, file)
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        if connection.execute("PRAGMA journal_mode=WAL").get != "wal":
            raise StoreUnusable(f"{file} cannot keep a write-ahead log; use a local disk for the data directory")
        if new:
            with connection:
                connection.execute(TABLES)
        else:
            connection.execute("SELECT count(*) FROM meta").fetchall()  # opens the log
        _lengthen(file.with_name("store.db-wal"))
    except apsw.ReadOnlyError as error:
        raise StoreUnusable(f"{file} is not writable; give its owner back the right to write") from error
    except apsw.NotADBError as error:
        raise StoreUnusable(f"{file} is not a Freehold store; move it away or choose another data directory") from error
    except (apsw.Error, OSError) as error:
        raise StoreUnusable(f"cannot open {file}: {error}; check the disk and the rights of the directory") from error
    return connection


def _is_new(connection: apsw.Connection, file: Path) -> bool:
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    if (application, version) == (0, 0) and not connection.execute("SELECT count(*) FROM sqlite_schema").get:
        return True
    if application != APPLICATION_ID:
        raise StoreUnusable(f"{file} is not a Freehold store; move it away or choose another data directory")
    if version > VERSION:
        raise StoreTooNew(
            f"{file} was written by a newer Freehold (store version {version}, this one knows {VERSION}); update Freehold"
        )
    return False


def connect(file: Path, *, cache_mib: int = 4) -> apsw.Connection:
    """A connection with the settings every connection to a store needs. A larger cache of pages buys nothing that can be
    measured (400,000 rows, written and read anywhere): rows in use are kept as rows, pages by the kernel."""
    connection = apsw.Connection(str(file), statementcachesize=STATEMENTS)
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # checkpoint.py decides
    connection.execute(f"PRAGMA journal_size_limit={16 << 20}")
    connection.execute(f"PRAGMA cache_size=-{cache_mib << 10}")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def _lengthen(log: Path) -> None:
    """Write zeros after the end of the log. They are no frames, so a recovery ends before them, as after any crash."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size < LOG_BYTES:
            os.pwrite(descriptor, bytes(LOG_BYTES - size), size)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
