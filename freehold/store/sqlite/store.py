"""`SqliteStore`: bodies run on the event loop, commits on the writer's thread.

Bodies read through the layers that are not durable yet; reads see only what is. A body needs no snapshot of its own:
the only commit that can land while it runs is that of a group whose rows its layers hold anyway.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from freehold.store.base import ReadTx, StoreError, Tx
from freehold.store.overlay import Overlay, View
from freehold.store.sqlite import copies, schema
from freehold.store.sqlite.cache import CachedTable, DurableTable
from freehold.store.sqlite.checkpoint import Checkpoints
from freehold.store.sqlite.readers import Gate, Readers
from freehold.store.sqlite.table import KvTable
from freehold.store.sqlite.writer import Group, Outcome, Writer
from freehold.store.watches import KeyWatch, Watches

T = TypeVar("T")

EAGER = 24
"""Bodies that start a commit within a turn of the loop: the rest of the turn runs beside it. Every commit changes threads
two to four times, which costs some 50 µs of the loop's time: with 4, a SendMessage or PutItem of 32 at once costs 4 µs more.
"""


def exit_at_once(why: str) -> None:
    """Say why on stderr and end the process: a commit that failed must not be tried again."""
    print(why, file=sys.stderr, flush=True)
    os._exit(70)


class SqliteStore:
    """A `Store` in a directory. It belongs to one process, and to one event loop at a time."""

    def __init__(
        self, directory: Path, lock: int, writer: apsw.Connection, *, readers: int, die: Callable[[str], None]
    ):
        file = directory / "store.db"
        self._lock = lock
        self._directory = directory
        self._connection = schema.connect(file)
        self._writing = writer
        table = KvTable(self._connection)
        self._cache = CachedTable(table)
        self._durable = DurableTable(self._connection, table, self._cache)
        self._view = View(self._durable)
        gate = Gate()
        self._readers = Readers(file, readers, gate)
        self._checkpoints = Checkpoints(file, writer, gate)
        self._writer = Writer(writer, self._checkpoints, self._cache, self._landed, die)
        self._watches = Watches()
        self._waiting: deque[tuple[Callable[[Tx], Any], asyncio.Future[Outcome]]] = deque()
        self._starting: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @classmethod
    def open(cls, directory: Path, *, readers: int = 2, die: Callable[[str], None] = exit_at_once) -> SqliteStore:
        """Open the store in `directory`, making both if they are missing.

        `readers` is the number of threads for `read_many`; `die` is called when a commit fails. Raises StoreBusy,
        StoreTooNew or StoreUnusable with one line that says what to do.
        """
        lock = schema.lock(directory)
        try:
            return cls(directory, lock, schema.open_database(directory), readers=readers, die=die)
        except BaseException:
            os.close(lock)
            raise

    def at_hand(self, key: bytes) -> bytes | None:
        return self._cache.kept.get(key)

    async def read(self, body: Callable[[ReadTx], T]) -> T:
        self._check_open()
        writer, durable = self._writer, self._durable
        committing = not writer.idle  # only this thread ends that, so no commit can land between two statements
        durable.begin(writer.gathering.layer, committing=committing)
        try:
            return body(self._view)
        except apsw.Error as error:
            raise StoreError(f"the store cannot be read: {error}") from error
        finally:
            durable.end()

    async def read_many(self, body: Callable[[ReadTx], T]) -> T:
        self._check_open()
        try:
            return await self._readers.run(body)
        except apsw.Error as error:
            raise StoreError(f"the store cannot be read: {error}") from error

    async def transact(self, body: Callable[[Tx], T], *, lane: bytes | None = None, early: bool = False) -> T:
        self._check_open()
        submitted = self._submit(body, early=early)
        error, result = submitted if isinstance(submitted, tuple) else await submitted
        if error is not None:
            raise error
        return cast(T, result)

    def _submit(self, body: Callable[[Tx], Any], *, early: bool = False) -> asyncio.Future[Outcome] | Outcome:
        """Run a body, or queue it when the group is full. The outcome is there at once if nothing has to be durable, or if
        that is enough: a group either commits or ends the process."""
        writer = self._writer
        loop = asyncio.get_running_loop()
        if self._waiting or writer.gathering.full:
            future: asyncio.Future[Outcome] = loop.create_future()
            self._waiting.append((body, future))
            return future
        overlay, outcome = self._run(body)
        if overlay is None and writer.idle and not writer.gathering.outcomes:
            return outcome
        future = loop.create_future()
        self._join(overlay, future, outcome)
        return outcome if early and outcome[0] is None else future

    def _run(self, body: Callable[[Tx], Any]) -> tuple[Overlay | None, Outcome]:
        """What a body wrote, if anything, and what came of it."""
        overlay = Overlay(self._writer.gathering.layer)
        try:
            result = body(overlay)
        except apsw.Error as error:
            return None, (StoreError(f"the store cannot be read: {error}"), None)
        except Exception as error:  # noqa: BLE001 handed to whoever asked, once what it may have seen is durable
            return None, (error, None)
        if overlay.refused is not None:
            return None, (overlay.refused, None)
        written = overlay.pending or overlay.wakes or overlay.appends
        return (overlay if written else None), (None, result)

    def _join(self, overlay: Overlay | None, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        writer = self._writer
        writer.join_group(overlay, future, outcome)
        if overlay is not None:
            self._cache.forget(overlay.written)
        if not writer.idle:
            return
        if len(writer.gathering.outcomes) >= EAGER:
            writer.start()
        elif self._starting is not (loop := future.get_loop()):  # a loop that ended may have left it undone
            # At the end of this turn of the loop, so that whoever else is ready now shares the commit.
            self._starting = loop
            loop.call_soon(self._start)

    def _start(self) -> None:
        self._starting = None
        self._writer.start()

    def _landed(self, group: Group) -> None:
        later = self._writer.landed(group)
        if self._writer.broken is None:
            self._cache.landed(group.layer, later)
        group.deliver()
        self._watches.wake(group.wakes)
        while self._waiting and not self._writer.gathering.full:
            body, future = self._waiting.popleft()
            if self._writer.broken is not None:
                future.set_result((self._writer.broken, None))
            elif not future.done():
                overlay, outcome = self._run(body)
                self._join(overlay, future, outcome)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
        if self._writer.broken is not None:
            raise self._writer.broken

    def watch(self, key: bytes) -> KeyWatch:
        return self._watches.watch(key)

    def rouse(self) -> None:
        self._watches.wake_all()

    @contextmanager
    def view(self) -> Iterator[ReadTx]:
        """As `Views` says. The log grows while it lasts: about as much as is written meanwhile."""
        with copies.looking(self._directory) as (_, tx):
            yield tx

    def copy_to(self, directory: Path, stop: Callable[[], bool]) -> None:
        """As `Copies` says. The log grows while it lasts: about as much as is written meanwhile."""
        copies.copy(self._directory, directory, stop=stop)

    async def close(self) -> None:
        if self._closed:
            return
        last = self._submit(_nothing) if self._writer.broken is None else None
        self._closed = True
        if isinstance(last, asyncio.Future):
            await last  # everything before it is delivered before it is
        self._watches.wake_all()
        await asyncio.get_running_loop().run_in_executor(None, self._release)

    def _release(self) -> None:
        self._writer.stop()
        self._checkpoints.stop()
        self._readers.close()
        self._connection.close()
        try:
            self._writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error:  # the log is durable as it is: keep it for the next start
            self._writing.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._writing.close()
        os.close(self._lock)


def _nothing(tx: Tx) -> None:
    return None
