"""Slots: what this node may run of each pool of concurrency.

Alone on its store a node has all there is: a pool is two numbers in memory. In a cluster the numbers are this node's share
of a row (ledger.py), which is visited when the node runs short, when others do, and when it has held more than it used for
a while; an invocation that finds a free slot touches nothing. A node that others may take for dead begins nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from freehold.services.lambda_ import ledger, ledgers
from freehold.services.lambda_.ledger import Granted, Offer
from freehold.services.lambda_.ledgers import Name
from freehold.store.base import ReadTx, StoreError, Tx
from freehold.work.attempt import attempt
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

PATIENCE_S = 1.0
"""Real seconds that an invocation waits at most for slots that others may give back."""
PACE_S = 0.03
"""A pool's row is visited at most this often (real seconds), however many invocations are refused."""
HUNGER_S = 1.0
"""So long after a refusal this node still lacks what it lacked."""
LOOK_S = 1.0
IDLE_LOOKS = 10
"""What was not used in so many looks is given back."""


class Full(Exception):
    """There is no slot."""


class Pool:
    """One pool of concurrency, as far as it is this node's."""

    __slots__ = ("limit", "name", "running")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.limit = 0
        """So many may run."""
        self.running = 0


P = TypeVar("P", bound=Pool)


class Slots(ABC, Generic[P]):
    """The pools of a node."""

    def __init__(self, kind: type[P]) -> None:
        self._kind = kind
        self._pools: dict[Name, P] = {}

    def pool(self, account: str, region: str, function: str) -> P:
        """The pool of a function, or of what an account has not reserved ("")."""
        name = (account, region, function)
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = self._kind(name)
        return pool

    def forget(self, account: str, region: str, function: str) -> None:
        """The function is gone."""
        pool = self._pools.get((account, region, function))
        if pool is not None and not pool.running:
            del self._pools[pool.name]

    @abstractmethod
    def set_capacity(self, pool: P, capacity: int, since: bytes) -> None:
        """There is so much in the pool; `since` tells one setting from another like it."""

    @abstractmethod
    def enter(self, pool: P) -> bool:
        """Take a slot if there is one at hand."""

    @abstractmethod
    async def wait(self, pool: P) -> None:
        """Take a slot that is not at hand. Raises Full."""

    @abstractmethod
    def leave(self, pool: P) -> None:
        """Give a slot back."""


class OwnSlots(Slots[Pool]):
    """The pools of a node that is alone: what is reserved is its."""

    def __init__(self) -> None:
        super().__init__(Pool)

    def set_capacity(self, pool: Pool, capacity: int, since: bytes) -> None:
        pool.limit = capacity

    def enter(self, pool: Pool) -> bool:
        if pool.running < pool.limit:
            pool.running += 1
            return True
        return False

    async def wait(self, pool: Pool) -> None:
        raise Full

    def leave(self, pool: Pool) -> None:
        pool.running -= 1


class SharedPool(Pool):
    """A pool of which this node has a share."""

    __slots__ = (
        "ask",
        "capacity",
        "dirty",
        "granted",
        "hunger",
        "hungry_until",
        "lapses",
        "peak",
        "pressed",
        "refused_until",
        "since",
        "stirred",
        "task",
        "waiting",
    )

    def __init__(self, name: Name) -> None:
        super().__init__(name)
        self.granted = 0
        """Slots of the row that are this node's."""
        self.capacity, self.since = 0, b""
        self.lapses = -1
        """How often this node had been out of touch when it last visited the row."""
        self.peak = 0
        """So many ran at a time lately."""
        self.pressed = False
        """Others lack slots: the row is visited when one becomes free."""
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.ask = 0
        self.hunger = 0
        self.hungry_until = self.refused_until = 0.0
        self.dirty = False
        self.stirred = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class SharedSlots(Slots[SharedPool]):
    """The pools of a node of a cluster."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(SharedPool)
        self._store, self._tasks, self._members = platform.store, platform.tasks, platform.duties.members
        self._me = self._members.id
        self._monotonic = platform.clock.monotonic
        self._alarm = Alarm(platform.store, platform.clock, ledgers.WAKE)
        self._looks = 0
        self.visits = 0
        """Transactions so far."""

    # As Slots

    def set_capacity(self, pool: SharedPool, capacity: int, since: bytes) -> None:
        """What was granted under another setting is not used before the row has been visited."""
        if (pool.capacity, pool.since) != (capacity, since):
            pool.capacity, pool.since = capacity, since
            pool.limit, pool.refused_until = 0, 0.0

    def enter(self, pool: SharedPool) -> bool:
        members = self._members
        if pool.running < pool.limit and members.in_touch and pool.lapses == members.lapses:
            pool.running += 1
            return True
        return False

    async def wait(self, pool: SharedPool) -> None:
        if not pool.capacity or not self._members.in_touch:
            raise Full
        if self._monotonic() < pool.refused_until:
            pool.hunger += 1
            raise Full
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pool.waiting.append(future)
        self._rouse(pool)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await future
        except (TimeoutError, asyncio.CancelledError) as end:
            if future.done() and not future.cancelled() and future.exception() is None:
                if isinstance(end, TimeoutError):
                    return  # it came at the last moment
                self.leave(pool)
            if isinstance(end, TimeoutError):
                raise Full from None
            raise

    def leave(self, pool: SharedPool) -> None:
        pool.peak = max(pool.peak, pool.running)
        pool.running -= 1
        if pool.waiting:
            self._admit(pool)
        elif pool.pressed:
            self._rouse(pool, at_once=False)

    # One pool

    def _rouse(self, pool: SharedPool, *, at_once: bool = True) -> None:
        """Visit its row, `at_once` or at the pace of visits."""
        pool.dirty = True
        if at_once:
            pool.stirred.set()
        if pool.task is None and not self._tasks.closed:
            pool.task = self._tasks.spawn("lambda: slots", self._work(pool))

    async def _work(self, pool: SharedPool) -> None:
        """Visits, one after the other, as long as there is a reason."""
        try:
            while pool.dirty or pool.waiting:
                pool.dirty = False
                pool.stirred.clear()
                hopeless = await attempt(self._visit(pool))
                if isinstance(hopeless, Exception):
                    self._refuse(pool, list(pool.waiting), hopeless if isinstance(hopeless, StoreError) else Full())
                    raise hopeless
                self._admit(pool)
                self._refuse(pool, hopeless, Full())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S if pool.waiting else PACE_S):
                        await pool.stirred.wait()
        finally:
            pool.task = None

    def _admit(self, pool: SharedPool) -> None:
        while pool.waiting and (pool.waiting[0].done() or self.enter(pool)):
            future = pool.waiting.popleft()
            if not future.done():
                future.set_result(None)

    def _refuse(self, pool: SharedPool, whom: list[asyncio.Future[None]], why: Exception) -> None:
        refused = [future for future in whom if not future.done()]
        if not refused:
            return
        now = self._monotonic()
        pool.hunger, pool.hungry_until, pool.refused_until = len(refused), now + HUNGER_S, now + PACE_S
        pool.ask = 0
        for future in refused:
            pool.waiting.remove(future)
            future.set_exception(why)

    async def _visit(self, pool: SharedPool) -> list[asyncio.Future[None]]:
        """Bring this node's share in line with what it needs and what others lack. Those who waited and can hope for no
        more than came."""
        lapses, setting = self._members.lapses, (pool.capacity, pool.since)
        found, _, capacity = await self._store.read(lambda tx: ledgers.look(tx, pool.name))
        if capacity is None:
            pool.limit = pool.granted = 0
            pool.pressed = False
            return list(pool.waiting)
        given, waiting = ledger.offer(found, self._me, pool.running, capacity), list(pool.waiting)
        need = self._lacks(pool, given.keep)
        # What is about to be given back is not used from here on, whatever becomes of the transaction.
        pool.limit = min(pool.limit, given.most) if found.total() <= capacity else 0
        granted = await self._book(pool, given, need, asking=bool(waiting))
        pool.granted, pool.lapses, pool.ask, pool.pressed = granted.slots, lapses, granted.ask, granted.pressed
        if (pool.capacity, pool.since) != setting:  # set anew meanwhile: this says nothing of what is allowed now
            pool.limit = 0
            self._rouse(pool)
            return []
        pool.limit = granted.most
        return waiting if granted.settled else []

    def _lacks(self, pool: SharedPool, held: int) -> int:
        """Slots that this node needs more than it holds."""
        waiting = sum(not future.done() for future in pool.waiting)
        if not waiting and self._monotonic() < pool.hungry_until:
            waiting = pool.hunger
        return max(0, pool.running + waiting - held)

    async def _book(self, pool: SharedPool, given: Offer, need: int, *, asking: bool) -> Granted:
        """Visit the row; only read it where nothing would change."""
        ask = pool.ask if asking else None

        def trial(tx: ReadTx) -> tuple[Granted, bool]:
            found, is_listed, capacity = ledgers.look(tx, pool.name)
            before = ledgers.encode(found)
            granted = ledger.visit(found, self._me, given, need, ask, capacity or 0, self._members.present(tx))
            same = before == ledgers.encode(found) and is_listed == ledger.is_open(found, capacity or 0)
            return granted, same

        def body(tx: Tx) -> Granted:
            found, _, capacity = ledgers.look(tx, pool.name)
            granted = ledger.visit(found, self._me, given, need, ask, capacity or 0, self._members.present(tx))
            ledgers.write(tx, pool.name, found, capacity)
            if granted.news:
                tx.wake(ledgers.WAKE)
            return granted

        if not need:
            granted, same = await self._store.read(trial)
            if same:
                return granted
        self.visits += 1
        return await self._store.transact(body)

    # All pools

    async def run(self) -> None:
        """Answer others for ever."""
        async with self._alarm as alarm:
            while True:
                await self._look()
                await alarm.wait(None)
                await asyncio.sleep(PACE_S / 3)

    async def _look(self) -> None:
        """Visit the rows that call for it, and those from which something was hoped for."""
        listed = set(await self._store.read(ledgers.listed))
        for name in listed:
            self._rouse(self.pool(*name))
        for pool in list(self._pools.values()):
            if pool.name not in listed and (pool.waiting or pool.pressed):
                self._rouse(pool)

    async def mind_idle(self) -> None:
        """Give back what lies idle, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._looks += 1
            for pool in list(self._pools.values()):
                if pool.hunger and self._monotonic() >= pool.hungry_until:
                    pool.hunger = 0
                    self._rouse(pool)
                elif pool.pressed or (pool.granted and pool.lapses != self._members.lapses):
                    self._rouse(pool)
                elif self._looks % IDLE_LOOKS == 0 and pool.task is None:
                    await self.give_back_idle(pool)

    async def give_back_idle(self, pool: SharedPool) -> None:
        """Keep twice of what ran at a time lately."""
        keep, pool.peak = 2 * max(pool.peak, pool.running), pool.running
        if keep >= pool.granted or pool.lapses != self._members.lapses:
            return
        pool.limit = min(pool.limit, keep)
        granted = await self._book(pool, Offer(keep, keep), 0, asking=False)
        pool.granted, pool.pressed = granted.slots, granted.pressed
        pool.limit = min(pool.limit, granted.most)
