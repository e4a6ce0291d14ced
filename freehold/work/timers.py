"""Timers: wake an owner when its next thing is due.

A service keeps its own index of what is due; here it keeps one row per (owner, key) with the earliest due time of that
key. One loop sleeps until the earliest of all. A handler does what is due and returns the next due time, or None. The
timers of one owner are a duty (work/duties): of several nodes, one fires them.

Rows: `("timer", "by", owner, key)` holds the due time, and while a handler runs its claim; `("timer", "due", due ms,
owner, key)` orders them. `set` clears the claim: if a handler finds it gone when it ends, somebody set the timer while
it ran, and the earlier of both due times holds. A crash leaves the due time in place, so the handler runs again.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work.duties import Duties, Held
from freehold.work.leases import LeaseLost
from freehold.work.tasks import Tasks
from freehold.work.waiting import Alarm

log = logging.getLogger("freehold.work")

CONCURRENCY = 64
PATIENCE_S = 3.0
"""How long handlers that run have to end when their timers go to another node."""
LOST_S = 0.2
FIRST_RETRY_MS = 1_000
MOST_RETRY_MS = 300_000
_WAKE = pack("timer", "wake")
_PAGE = 200

Handler = Callable[[bytes], Awaitable[int | None]]
Name = tuple[str, bytes]
"""(owner, key)"""


class TimerRow(msgspec.Struct, frozen=True, array_like=True):
    """The value of a row of `by`."""

    due_ms: int
    claim: int = 0


class Timers:
    """One next-due row per (owner, key), in service time."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks, duties: Duties | None = None) -> None:
        self._store, self._clock, self._tasks = store, clock, tasks
        self._duties = duties or Duties(store, clock, tasks)
        self._handlers: Mapping[str, Handler] = {}
        self._held: dict[str, Held] = {}
        self._running: dict[Name, asyncio.Task[None]] = {}
        self._failures: dict[Name, int] = {}
        self._claims = itertools.count(1)
        self._ended = 0
        self._alarm = Alarm(store, clock, _WAKE)

    async def start(self, handlers: Mapping[str, Handler]) -> None:
        """Begin to fire. What became due while nobody ran fires at once, in due order."""
        self._handlers = dict(handlers)
        self._tasks.loop("timers", self._run)
        for owner in handlers:
            self._duties.run(f"timers:{owner}", functools.partial(self._hold, owner), patience=PATIENCE_S)

    async def _hold(self, owner: str, lease: Held) -> None:
        """Fire the timers of `owner` until asked to end; then leave those that run time to end."""
        self._held[owner] = lease
        self._alarm.ring()
        try:
            await lease.wait_ending()
        finally:
            del self._held[owner]
            running = [task for name, task in self._running.items() if name[0] == owner]
            try:
                if running and not lease.lost:
                    await asyncio.wait(running)
            finally:
                for task in running:
                    task.cancel()

    def set(self, tx: Tx, owner: str, key: bytes, due_ms: int | None) -> None:
        """Set the one timer of (owner, key) to `due_ms` of service time, or remove it (None)."""
        by = pack("timer", "by", owner, key)
        value = tx.get(by)
        if value is not None:
            old = msgspec.msgpack.decode(value, type=TimerRow)
            if old.due_ms != due_ms:
                tx.delete(pack("timer", "due", old.due_ms, owner, key))
        if due_ms is None:
            tx.delete(by)
            return
        tx.put(by, msgspec.msgpack.encode(TimerRow(due_ms)))
        tx.put(pack("timer", "due", due_ms, owner, key), b"")
        tx.wake(_WAKE)

    def due(self, tx: ReadTx, owner: str, key: bytes) -> int | None:
        """When (owner, key) is due next."""
        value = tx.get(pack("timer", "by", owner, key))
        return None if value is None else msgspec.msgpack.decode(value, type=TimerRow).due_ms

    async def settle(self) -> bool:
        """Return when nothing is due and no handler runs; says whether there was anything."""
        worked = False
        while True:
            if self._running:
                worked = True
                await asyncio.wait(list(self._running.values()), return_when=asyncio.FIRST_COMPLETED)
                continue
            self._alarm.ring()
            await self._alarm.rung()
            if not self._running and not await self._due_now(1):
                return worked

    async def close(self) -> None:
        """Stop handlers that run; they run again at the next start."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _run(self) -> None:
        async with self._alarm as alarm:
            while True:
                names = await self._due_now(CONCURRENCY - len(self._running))
                if names:
                    await self._fire(names)
                else:
                    await alarm.wait(await self._next_due())

    async def _due_now(self, room: int) -> list[Name]:
        """Timers that are due, this node's to fire and not running, soonest first."""
        start, end = pack("timer", "due"), pack("timer", "due", self._clock.now_ms() + 1)
        names: list[Name] = []
        while room > 0 and self._held:
            ended = self._ended
            page = await self._store.read(lambda tx, start=start: tx.scan(start, end, limit=_PAGE))  # type: ignore[misc]
            if ended != self._ended:
                continue  # the page may show a timer whose handler ended while it was read
            for row, _ in page:
                name = _name(row)
                if name not in self._running and name[0] in self._held:
                    names.append(name)
                    room -= 1
                    if not room:
                        break
            if len(page) < _PAGE:
                break
            start = page[-1][0] + b"\x00"
        return names

    async def _next_due(self) -> int | None:
        """The next due time that is not past: what is past and not running is not this node's, or has no room."""
        if not self._held:
            return None
        start, end = pack("timer", "due", self._clock.now_ms() + 1), span("timer", "due")[1]
        rows = await self._store.read(lambda tx: tx.scan(start, end, limit=1))
        if not rows:
            return None
        due = unpack(rows[0][0])[2]
        assert isinstance(due, int)
        return due

    async def _fire(self, names: list[Name]) -> None:
        now = self._clock.now_ms()
        leases = {name[0]: lease for name in names if (lease := self._held.get(name[0])) is not None}
        claims = {name: next(self._claims) for name in names if name[0] in leases}

        def claim(tx: Tx) -> list[Name]:
            for lease in leases.values():
                lease.check(tx)
            return [name for name, number in claims.items() if _claim(tx, name, number, now)]

        try:
            claimed = await self._store.transact(claim)
        except LeaseLost:
            self._duties.nudge()
            await asyncio.sleep(LOST_S)
            return
        for name in claimed:
            work = self._handle(name, claims[name], leases[name[0]])
            self._running[name] = self._tasks.spawn(f"timer: {name[0]}", work)

    async def _handle(self, name: Name, claim: int, lease: Held) -> None:
        try:
            try:
                following = await self._handlers[name[0]](name[1])
                self._failures.pop(name, None)
            except Exception:
                failures = self._failures[name] = self._failures.get(name, 0) + 1
                pause = min(FIRST_RETRY_MS << min(failures - 1, 20), MOST_RETRY_MS)
                following = self._clock.now_ms() + pause
                log.exception("timer %s failed; again in %d ms", name[0], pause)
            await self._store.transact(lambda tx: self._conclude(tx, name, claim, lease, following))
        except LeaseLost:
            log.warning("timers of %s are another node's now", name[0])
        finally:
            self._running.pop(name, None)
            self._ended += 1
            self._alarm.ring()

    def _conclude(self, tx: Tx, name: Name, claim: int, lease: Held, following: int | None) -> None:
        lease.check(tx)
        value = tx.get(pack("timer", "by", *name))
        if value is not None:
            row = msgspec.msgpack.decode(value, type=TimerRow)
            if row.claim != claim:
                following = row.due_ms if following is None else min(following, row.due_ms)
        self.set(tx, *name, following)


def _name(row: bytes) -> Name:
    _, _, _, owner, key = unpack(row)
    assert isinstance(owner, str) and isinstance(key, bytes)
    return owner, key


def _claim(tx: Tx, name: Name, claim: int, now: int) -> bool:
    by = pack("timer", "by", *name)
    value = tx.get(by)
    if value is None:
        return False
    row = msgspec.msgpack.decode(value, type=TimerRow)
    if row.due_ms > now:
        return False
    tx.put(by, msgspec.msgpack.encode(TimerRow(row.due_ms, claim)))
    return True
