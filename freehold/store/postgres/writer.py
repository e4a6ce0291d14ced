"""The writer: a thread with a connection that runs bodies, as many as have gathered, in one transaction.

Bodies read over the network, statement by statement, so they run here and not on the event loop. What they write stays in
overlays until the end of the group; one round trip then carries all rows, the stamps of what was appended, and the commit.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable

import psycopg

from freehold.kit.clock import SystemClock
from freehold.kit.ids import Ids
from freehold.store.base import CommitUnknown, Contended, StoreError
from freehold.store.overlay import Overlay
from freehold.store.postgres import table
from freehold.store.postgres.group import MAX_BODIES, MAX_LANES, Append, GroupLayer, Job
from freehold.store.postgres.session import (
    BYTEAS,
    SESSION,
    Conflict,
    Failed,
    Lost,
    Session,
    Statement,
    array,
)
from freehold.store.postgres.table import KvTable, int4s, lane_number, log_number

RETRIES = 60
"""Times that a transaction of its own is tried against others that win."""
LONGEST_PAUSE = 0.05
PATIENCE = 10.0
"""Seconds for which a lost server is looked for before callers are told."""
LOOK_AGAIN = 0.1


class LostAtCommit(Lost):
    """The connection broke while a commit was under way."""


class Connector:
    """Opens a thread's connection, and opens it again when it broke."""

    def __init__(self, url: str, schema: str, statements: tuple[Statement, ...]) -> None:
        self._url, self._schema, self._statements = url, schema, statements
        self._clock = SystemClock()
        self._closing = threading.Event()

    def open(self) -> Session:
        """A new connection. Raises Lost."""
        return Session(self._url, self._schema, self._statements)

    def reopen(self) -> Session:
        """A new connection as soon as there is one, within PATIENCE. Raises Lost."""
        until = self._clock.monotonic() + PATIENCE
        while True:
            try:
                return self.open()
            except Lost:
                if self._clock.monotonic() >= until or self._closing.wait(LOOK_AGAIN):
                    raise

    def plain(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection without pipelines, for what is asked rarely."""
        connection = psycopg.connect(self._url, autocommit=True)
        connection.execute(SESSION)
        connection.execute("SELECT set_config('search_path', %s, false)", (f'"{self._schema}"',))
        return connection

    def pause(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def close(self) -> None:
        """No more patience: what waits for a lost server is told."""
        self._closing.set()


class Writer:
    """Runs jobs in groups; `landed` is called on the event loop with those that have an outcome."""

    def __init__(self, connector: Connector, ids: Ids, epoch: int, replaced: Callable[[], None]) -> None:
        """`replaced` is called when another process has begun an epoch: nothing can be written from here any more."""
        self._connector, self._ids, self._epoch, self._replaced = connector, ids, epoch, replaced
        self._mark = ids.bytes(16)
        self._marks = itertools.count(1)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = False
        self._session: Session | None = None
        self._number = 0
        self._appends: list[Append] = []
        """Of the last attempt, for when its outcome has to be asked for."""
        self._born: object = None
        self.landed: Callable[[list[Job]], None] = lambda jobs: None
        self._connect(connector.open())
        self._thread = threading.Thread(target=self._run, name="freehold-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def stop(self) -> None:
        """End the thread when all that was submitted is done; blocks."""
        self._jobs.put(None)
        self._thread.join()
        if self._session is not None:
            self._session.close()

    # The thread

    def _run(self) -> None:
        waiting: deque[Job] = deque()
        while True:
            self._gather(waiting)
            if not waiting:
                return
            jobs = list(itertools.islice(waiting, MAX_BODIES))
            try:
                done = self._settle(jobs)
            except Exception as error:  # noqa: BLE001 whatever it is, it is these callers' to hear, and the thread goes on
                done = self._tell(jobs, StoreError(f"the store could not do it: {type(error).__name__}: {error}"))
                self._drop()
            for _ in range(done):
                waiting.popleft()

    def _gather(self, waiting: deque[Job]) -> None:
        """What was submitted since the last look; waits while there is nothing."""
        while not self._stopping:
            try:
                job = self._jobs.get(block=not waiting)
            except queue.Empty:
                return
            if job is None:
                self._stopping = True
            else:
                waiting.append(job)
                while len(waiting) < MAX_BODIES:
                    try:
                        job = self._jobs.get_nowait()
                    except queue.Empty:
                        return
                    if job is None:
                        self._stopping = True
                        return
                    waiting.append(job)
                return

    def _settle(self, jobs: list[Job]) -> int:
        """Bring the first of `jobs` to an outcome, as many as one transaction takes; says how many they were."""
        tries, share = 0, len(jobs)
        while True:
            try:
                done = self._attempt(jobs[:share])
            except Conflict:
                tries += 1
                if tries > 1:
                    share = 1  # the whole group met the same rival twice: let each meet its own
                if tries > RETRIES:
                    return self._tell(jobs[:1], Contended(f"other transactions won {RETRIES} times; try again"))
                self._connector.pause(self._ids.uniform(0, min(0.001 * tries, LONGEST_PAUSE)))
            except LostAtCommit as error:
                committed = self._committed(str(error))
                if committed is None:
                    unknown = CommitUnknown("the connection to the store broke at commit, and the outcome is not known")
                    return self._tell(jobs[: self._asked], unknown)
                if committed:
                    return self._land(jobs[: self._asked])
            except Lost as error:
                tries += 1
                if not self._restore() or tries > RETRIES:
                    return self._tell(jobs, StoreError(f"the connection to the store broke: {error}"))
            except Failed as error:
                if error.state == table.NOT_MARKED:
                    tries += 1
                    if (
                        not self._restore() or tries > 2
                    ):  # its row was swept away while it was idle: now it has one again
                        self._replaced()
                        return self._tell(jobs, StoreError("another Freehold has taken over the database"))
                    continue
                if share == 1:
                    return self._tell(jobs[:1], StoreError(f"the store could not do it: {error}"))
                share = 1
            else:
                return self._land(jobs[:done])

    def _attempt(self, jobs: list[Job]) -> int:
        """Run bodies and commit; says how many of `jobs` that were. Raises Conflict, Lost, LostAtCommit, Failed."""
        session = self._session
        if session is None:
            raise Lost("the server cannot be reached")
        lanes = set()
        for number, job in enumerate(jobs):
            if job.lane is not None:
                lanes.add(lane_number(job.lane))
                if len(lanes) > MAX_LANES:
                    jobs = jobs[:number]
                    lanes.discard(lane_number(job.lane))
                    break
        try:
            if lanes:
                # Before the snapshot, or whoever waited would see what was before the one it waited for.
                session.queue(table.LOCK_LANES, int4s(sorted(lanes)))
                session.mark()
            session.queue(table.BEGIN)
            reads = KvTable(session)
            group = GroupLayer(reads)
            done = self._run_bodies(jobs, group, reads)
            self._asked = done
            self._commit(session, group, unlock=bool(lanes))
        except Lost:
            raise
        except BaseException:
            session.queue(table.ROLLBACK)
            session.mark()
            if lanes:
                session.queue(table.UNLOCK)
            session.run()
            raise
        return done

    def _run_bodies(self, jobs: list[Job], group: GroupLayer, reads: KvTable) -> int:
        for number, job in enumerate(jobs):
            if group.full:
                return number
            overlay = Overlay(group)
            job.wakes = set()
            try:
                result = job.body(overlay)
            except BaseException as error:  # noqa: BLE001 handed to whoever asked, once what it may have seen is valid
                outcome: tuple[BaseException | None, object] = (error, None)
            else:
                outcome = (overlay.refused, None if overlay.refused else result)
            if reads.problem is not None:
                raise reads.problem
            if group.missed:
                return number
            job.outcome = outcome
            if outcome[0] is None:
                group.take(overlay)
                job.wakes = overlay.wakes
        return len(jobs)

    def _commit(self, session: Session, group: GroupLayer, *, unlock: bool) -> None:
        pending, appends = group.pending, group.appends
        if pending:
            deleted = sorted(key for key, value in pending.items() if value is None)
            written = sorted(pending.keys() - set(deleted))
            if written:
                values = [pending[key] or b"" for key in written]
                session.queue(table.PUT, array(BYTEAS, written), array(BYTEAS, values))
            if deleted:
                session.queue(table.DELETE, array(BYTEAS, deleted))
        self._appends = appends
        mark = (b"", b"", b"")
        if pending or appends:
            self._number = next(self._marks)
            mark = (self._mark, self._number.to_bytes(8, "big"), self._epoch.to_bytes(8, "big"))
        if pending and not appends:
            session.queue(table.MARK, *mark)
        if appends:
            # Last, so that whoever holds these locks waits for nobody; until after the commit, so that a log's stamps are
            # in the order in which its rows can be seen.
            session.queue(table.LOCK_LOGS, int4s(sorted({log_number(append.log) for append in appends})))
            session.queue(table.STAMP)
            session.queue(table.MARK_STAMPED, *mark)
            session.queue(
                table.APPEND,
                array(BYTEAS, [append.log for append in appends]),
                int4s(append.member for append in appends),
                array(BYTEAS, [append.place.to_bytes(2, "big") for append in appends]),
                array(BYTEAS, [append.value for append in appends]),
            )
        try:
            session.queue(table.COMMIT)
            if unlock:
                session.mark()
                session.queue(table.UNLOCK)
            results = session.run()
        except Lost as error:
            if pending or appends:
                raise LostAtCommit(str(error)) from error
            raise
        if appends:
            # counted from the end: STAMP, MARK_STAMPED, APPEND, COMMIT and perhaps UNLOCK
            self._assign(int.from_bytes(results[-5 if unlock else -4].get_value(0, 0) or b"", "big"))

    def _assign(self, first: int) -> None:
        for append in self._appends:
            append.stamp.assign(first + append.member, append.place)

    # Outcomes

    def _land(self, jobs: list[Job]) -> int:
        self._hand_over(jobs)
        return len(jobs)

    def _tell(self, jobs: list[Job], error: StoreError) -> int:
        for job in jobs:
            job.outcome, job.wakes = (error, None), set()
        self._hand_over(jobs)
        return len(jobs)

    def _hand_over(self, jobs: list[Job]) -> None:
        try:
            jobs[0].future.get_loop().call_soon_threadsafe(self.landed, jobs)
        except RuntimeError:
            pass  # the loop was closed: nobody is left to be told

    # The connection

    def _connect(self, session: Session) -> None:
        self._session = session
        self._backend = session.backend
        with self._connector.plain() as connection:
            connection.execute("INSERT INTO outcomes VALUES (%b, 0, NULL, now()) ON CONFLICT DO NOTHING", (self._mark,))
            born = connection.execute("SELECT backend_start FROM pg_stat_activity WHERE pid = %s", (self._backend,))
            self._born = (born.fetchone() or (None,))[0]

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._restore()

    def _restore(self) -> bool:
        """Connect again; says whether that came true."""
        if self._session is not None:
            self._session.close()
            self._session = None
        try:
            self._connect(self._connector.reopen())
        except (Lost, psycopg.Error):
            return False
        return True

    def _committed(self, why: str) -> bool | None:
        """Whether the transaction whose commit was interrupted took place; None when that cannot be learned."""
        backend, born = self._backend, self._born
        if not self._restore():
            return None
        try:
            with self._connector.plain() as connection:
                # The other side may not have noticed that its client is gone, and may still be at work.
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s",
                    (backend, born),
                )
                connection.execute("SET lock_timeout = '10s'")
                asked = connection.execute(
                    "SELECT last, stamp FROM outcomes WHERE session = %b FOR UPDATE", (self._mark,)
                )
                found = asked.fetchone()
        except psycopg.Error:
            return None
        if found is None:
            return None
        if found[0] != self._number:
            return False
        if isinstance(found[1], int):
            self._assign(found[1])
        return True
