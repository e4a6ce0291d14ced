"""`PostgresStore`: bodies run in threads, in groups, in serializable transactions of a database that nodes share."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import psycopg

from freehold.kit.ids import Ids
from freehold.store.base import ReadTx, StoreError, StoreUnusable, Tx
from freehold.store.postgres import schema as tables
from freehold.store.postgres import table
from freehold.store.postgres.group import Job, Outcome
from freehold.store.postgres.looking import one_commit
from freehold.store.postgres.notices import Notices
from freehold.store.postgres.readers import Readers, Reading
from freehold.store.postgres.session import Lost, one_line
from freehold.store.postgres.writer import Connector, Writer
from freehold.store.watches import KeyWatch, Watches

T = TypeVar("T")

READERS = 2
SCHEMA = "freehold"


def exit_at_once(why: str) -> None:
    """Say why on stderr and end the process: another one does its work now."""
    print(why, file=sys.stderr, flush=True)
    os._exit(70)


class PostgresStore:
    """A `Store` in a schema of a PostgreSQL database. The object belongs to one event loop."""

    def __init__(self, url: str, schema: str, ids: Ids, *, alone: bool, die: Callable[[str], None]) -> None:
        """Blocks while it connects. Raises StoreBusy, Lost, psycopg.Error."""
        self._die, self.shared = die, not alone
        self._connector = Connector(url, schema, table.READING + table.WRITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watches = Watches()
        self._closed = False
        self._notices = Notices(self._connector, self._woken_elsewhere, alone=alone, replaced=self._replaced)
        try:
            self._writer = Writer(self._connector, ids, self._notices.ownership.epoch, self._replaced)
        except BaseException:
            self._notices.stop()
            raise
        self._writer.landed = self._landed
        self._readers = Readers(Connector(url, schema, table.READING), ids, READERS)

    @classmethod
    async def open(
        cls, url: str, schema: str = SCHEMA, *, alone: bool = False, die: Callable[[str], None] = exit_at_once
    ) -> PostgresStore:
        """Connect to the database at `url` (libpq's), making the tables in `schema` if they are missing.

        `alone`: be the only process that has it open, rather than one of several. `die` is called when another one has taken
        the store for itself all the same, since this one was cut off. Raises StoreBusy, StoreTooNew or StoreUnusable with
        one line that says what to do.
        """

        def connect() -> PostgresStore:
            completed = tables.prepare(url, schema)
            try:
                return cls(completed, schema, Ids(), alone=alone, die=die)
            except (Lost, psycopg.Error) as error:
                raise StoreUnusable(
                    f"PostgreSQL cannot be used ({one_line(error)}); it needs 6 connections for each node"
                ) from error

        loop = asyncio.get_running_loop()
        store = await loop.run_in_executor(None, connect)
        store._loop = loop
        return store

    def at_hand(self, key: bytes) -> bytes | None:
        return None  # another node may have written it

    async def read(self, body: Callable[[ReadTx], T]) -> T:
        return await self._read(body, long=False)

    async def read_many(self, body: Callable[[ReadTx], T]) -> T:
        return await self._read(body, long=True)

    async def _read(self, body: Callable[[ReadTx], T], *, long: bool) -> T:
        self._check_open()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._readers.submit(Reading(body, future), long=long)
        return cast(T, _result(await future))

    @contextmanager
    def view(self) -> Iterator[ReadTx]:
        """As `Views` says, on a connection of its own. PostgreSQL keeps what it replaces meanwhile."""
        with one_commit(self._connector.open()) as tx:
            yield tx

    async def transact(self, body: Callable[[Tx], T], *, lane: bytes | None = None, early: bool = False) -> T:
        self._check_open()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._writer.submit(Job(body, lane, future))
        return cast(T, _result(await future))

    def _landed(self, jobs: list[Job]) -> None:
        wakes: set[bytes] = set()
        for job in jobs:
            job.deliver()
            wakes |= job.wakes
        if wakes:
            self._watches.wake(wakes)
            if not self._closed:
                self._notices.send(wakes)

    def _woken_elsewhere(self, keys: list[bytes] | None) -> None:
        """Called by the thread of notices."""
        if self._loop is None:
            return
        try:
            if keys is None:
                self._loop.call_soon_threadsafe(self._watches.wake_all)
            else:
                self._loop.call_soon_threadsafe(self._watches.wake, keys)
        except RuntimeError:
            pass  # the loop was closed: nobody waits any more

    def _replaced(self) -> None:
        """Called by threads: another process owns the store."""
        if not self._closed:
            self._die(
                "freehold: another Freehold has taken over the database; stopping, since nothing more could be written"
            )

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def watch(self, key: bytes) -> KeyWatch:
        return self._watches.watch(key)

    def rouse(self) -> None:
        self._watches.wake_all()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._release)
        self._watches.wake_all()

    def _release(self) -> None:
        self._writer.stop()
        self._readers.stop()
        self._connector.close()
        self._notices.stop()


def _result(outcome: Outcome) -> object:
    error, result = outcome
    if error is not None:
        raise error
    return result
