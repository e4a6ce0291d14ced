"""Readers: a few threads, each with a connection, that run the reads that gathered in one snapshot."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from freehold.kit.ids import Ids
from freehold.store.base import Contended, ReadTx, StoreError
from freehold.store.overlay import View
from freehold.store.postgres import table
from freehold.store.postgres.group import Outcome
from freehold.store.postgres.session import Conflict, Failed, Lost, Session
from freehold.store.postgres.table import KvTable
from freehold.store.postgres.writer import LONGEST_PAUSE, RETRIES, Connector

TOGETHER = 16
"""Reads in one snapshot, at most."""


class Reading:
    """A body that reads, and who waits for it."""

    __slots__ = ("body", "future", "outcome")

    def __init__(self, body: Callable[[ReadTx], Any], future: asyncio.Future[Outcome]) -> None:
        self.body, self.future = body, future
        self.outcome: Outcome = (None, None)


class Readers:
    """Threads for short reads, and one more for long ones, so that a scan holds up nobody."""

    def __init__(self, connector: Connector, ids: Ids, threads: int) -> None:
        self._connector, self._ids = connector, ids
        self._short: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._long: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        lines = [self._short] * threads + [self._long]
        self._threads = [
            threading.Thread(target=self._run, args=(line,), name="freehold-reader", daemon=True) for line in lines
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, reading: Reading, *, long: bool) -> None:
        (self._long if long else self._short).put(reading)

    def stop(self) -> None:
        """End the threads when all that was submitted is done; blocks."""
        for _ in self._threads[:-1]:
            self._short.put(None)
        self._long.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, line: queue.SimpleQueue[Reading | None]) -> None:
        session: Session | None = None
        while (first := line.get()) is not None:
            readings = [first]
            while len(readings) < TOGETHER and not line.empty():
                try:
                    following = line.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    line.put(None)  # for this thread's next look, or for another
                    break
                readings.append(following)
            try:
                session = self._settle(session, readings)
            except Exception as error:  # noqa: BLE001 whatever it is, it is these callers' to hear, and the thread goes on
                _tell(readings, StoreError(f"the store cannot be read: {type(error).__name__}: {error}"))
                session = None
            try:
                first.future.get_loop().call_soon_threadsafe(_deliver, readings)
            except RuntimeError:
                pass  # the loop was closed: nobody is left to be told
        if session is not None:
            session.close()

    def _settle(self, session: Session | None, readings: list[Reading]) -> Session | None:
        """Run `readings` in one transaction, again while it cannot be serialized; returns the connection to go on with."""
        for tried in range(RETRIES):
            try:
                session = session or self._connector.reopen()
                _attempt(session, readings)
                return session
            except Conflict:
                self._connector.pause(self._ids.uniform(0, min(0.001 * tried, LONGEST_PAUSE)))
            except Lost as error:
                if session is None:
                    _tell(readings, StoreError(f"the connection to the store broke: {error}"))
                    return None
                session.close()
                session = None
            except Failed as error:
                _tell(readings, StoreError(f"the store cannot be read: {error}"))
                return session
        _tell(readings, Contended(f"other transactions won {RETRIES} times; try again"))
        return session


def _attempt(session: Session, readings: list[Reading]) -> None:
    reads = KvTable(session)
    view = View(reads)
    session.queue(table.BEGIN_READ)
    try:
        for reading in readings:
            try:
                reading.outcome = (None, reading.body(view))
            except BaseException as error:  # noqa: BLE001 handed to whoever asked, once what it has seen is valid
                reading.outcome = (error, None)
            if reads.problem is not None:
                raise reads.problem
        session.queue(table.COMMIT)  # only now is it certain that what was read is one state
        session.run()
    except Lost:
        raise
    except BaseException:
        session.queue(table.ROLLBACK)
        session.run()
        raise


def _tell(readings: list[Reading], error: StoreError) -> None:
    for reading in readings:
        reading.outcome = (error, None)


def _deliver(readings: list[Reading]) -> None:
    for reading in readings:
        if not reading.future.done():
            reading.future.set_result(reading.outcome)
