"""Moving the write-ahead log into the database without stopping the writer.

A background checkpoint copies most of the log while commits go on, but can never finish while they do: the log would
grow without end. So when it is done the writer copies the little rest between two commits; then everything is copied,
and the next commit starts the log from its beginning. Unless somebody still reads an older part of it: when readers
follow one another without a pause, the log grows until the writer holds new ones back for a moment.
"""

from __future__ import annotations

import threading
from pathlib import Path

import apsw

from freehold.store.sqlite.readers import Gate
from freehold.store.sqlite.schema import connect

FRAMES = 1_000
"""Pages (8 KiB) written to the log before a checkpoint begins."""

LONG, VERY_LONG = 1_500, 3_000
"""Pages in the log from which readers are held back for a short, and for a longer while."""


class Checkpoints:
    """A background thread, and `between_commits`, which the writer calls on its own connection."""

    def __init__(self, file: Path, writer: apsw.Connection, gate: Gate) -> None:
        self._file = file
        self._writer = writer
        self._gate = gate
        self._mark = 0
        self._due = threading.Event()
        self._copied = False
        self._error: Exception | None = None
        self._running = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="freehold-checkpoint", daemon=True)
        self._thread.start()

    def between_commits(self) -> None:
        """Raises when a checkpoint failed: what a failed sync left behind can only be told from the log, at a restart."""
        if self._error is not None:
            raise self._error
        if self._copied:
            self._copied = self._running = False
            length, _ = _copy(self._writer, apsw.SQLITE_CHECKPOINT_PASSIVE)
            if length >= LONG:
                self._hold_readers(0.02 if length < VERY_LONG else 0.25)
            self._mark = self._written()
        elif not self._running and self._written() - self._mark >= FRAMES:
            self._running = True
            self._due.set()

    def _hold_readers(self, patience: float) -> None:
        if self._gate.close(patience):
            self._writer.set_busy_timeout(20)  # for point reads, which do not pass the gate
            _copy(self._writer, apsw.SQLITE_CHECKPOINT_RESTART)
            self._writer.set_busy_timeout(5_000)
        self._gate.open()

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
            try:
                _copy(connection, apsw.SQLITE_CHECKPOINT_PASSIVE)
            except Exception as error:  # noqa: BLE001 the writer raises it
                self._error = error
                break
            self._copied = True
        connection.close()

    def stop(self) -> None:
        self._stopping = True
        self._due.set()
        self._thread.join()


def _copy(connection: apsw.Connection, mode: int) -> tuple[int, int]:
    """Pages in the log, and how many of them have been copied."""
    try:
        return connection.wal_checkpoint(mode=mode)
    except apsw.BusyError:
        return 0, 0  # somebody is in the way; the next one will do
