"""Moving the write-ahead log into the database without stopping the writer.

A background checkpoint copies most of the log while commits go on, but can never finish while they do: the log would
grow without end. So when it is done the writer copies the little rest between two commits; then everything is copied,
and the next commit starts the log from its beginning.
"""

from __future__ import annotations

import threading
from pathlib import Path

import apsw

from freehold.store.sqlite.schema import connect

FRAMES = 1_000
"""Pages written to the log before a checkpoint begins."""


class Checkpoints:
    """A background thread, and `between_commits`, which the writer calls on its own connection."""

    def __init__(self, file: Path, writer: apsw.Connection) -> None:
        self._file = file
        self._writer = writer
        self._mark = 0
        self._due = threading.Event()
        self._copied = False
        self._running = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="freehold-checkpoint", daemon=True)
        self._thread.start()

    def between_commits(self) -> None:
        if self._copied:
            self._copied = False
            _copy(self._writer)
            self._mark = self._written()
            self._running = False
        elif not self._running and self._written() - self._mark >= FRAMES:
            self._running = True
            self._due.set()

    def _written(self) -> int:
        """Pages that the writer has written to the log since it was opened."""
        current, _ = self._writer.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)
        return current

    def _run(self) -> None:
        connection = connect(self._file, cache_mib=1)
        while True:
            self._due.wait()
            self._due.clear()
            if self._stopping:
                break
            _copy(connection)
            self._copied = True
        connection.close()

    def stop(self) -> None:
        self._stopping = True
        self._due.set()
        self._thread.join()


def _copy(connection: apsw.Connection) -> None:
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.BusyError:
        pass  # the other checkpoint is at it; the next one will do
