"""Duties: named work that exactly one node does, wherever there are several.

A node declares a duty (`duties.run(name, work)`); all nodes that see the same rows declare the same duties. On a store with
a single owner the work begins at once and nothing is written. On a shared store a duty has a row {owner, epoch, next}:

- Each duty prefers one of the living members (rendezvous hashing over name and member), so that duties spread evenly and
  few of them move when a member comes or goes.
- A duty that is free, or whose owner is dead, is taken by the member that it prefers; if that one does not want it (it
  runs another version, say), by whoever wants it a little later.
- A member that is preferred for a duty which another living one holds asks for it (`next`). The owner asks its work to end
  (`lease.ending`), waits for it as long as `patience` says, and releases the duty to the one that asked.
- Every transaction that acts calls `lease.check(tx)`: an owner that was paused or cut off, and replaced, cannot write,
  whatever its clocks say. One that cannot show that it lives stops by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2b

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, StoreError, Tx
from freehold.work.leases import DutyRow, LeaseLost, decoded
from freehold.work.leases import Held as Held
from freehold.work.members import BEAT_S, TTL_S, MemberRow, Members, read_members
from freehold.work.tasks import RESTART_FIRST_S, RESTART_MOST_S, Tasks

log = logging.getLogger("freehold.work")

WAKE = pack("node", "duties")
CLOSE_S = 5.0
"""How long a node that stops waits for works that do not end; then they are cancelled."""
GATHER_S = 0.005
"""What is declared or roused within it is looked at together."""
_PAGE = 200
_SWEEP_S = 600.0


Work = Callable[[Held], Awaitable[None]]


class Duty:
    """A declared duty: what `Duties.run` gives back."""

    def __init__(
        self, duties: Duties, name: str, work: Work, *, patience: float, moves: bool, here: bool, once: bool
    ) -> None:
        self.name = name
        self._duties, self._work = duties, work
        self._patience, self._once, self.moves, self.here = patience, once, moves, here
        self.key = pack("node", "duty", name)
        self.lease: Held | None = None
        """While this node holds it."""
        self.waiting = 0.0
        """For how long it has been there for the taking."""
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Does its work run here, or end?"""
        return self.lease is not None or self._ending is not None

    def begin(self, lease: Held) -> None:
        """The duty is this node's: begin the work."""
        self.lease, self.waiting, self.here = lease, 0.0, False
        self._task = self._duties.tasks.spawn(f"duty: {self.name}", self._keep(lease))

    async def _keep(self, lease: Held) -> None:
        """Do the work; begin again when it fails."""
        pause = RESTART_FIRST_S
        loop = asyncio.get_running_loop()
        while not lease.ending:
            begun = loop.time()
            try:
                await self._work(lease)
                if self._once and not lease.ending:
                    self._duties.declared.pop(self.name, None)
                    self.hand_over(remove=True)
                return
            except LeaseLost:
                log.warning("duty %s is another node's now", self.name)
                lease.lost = True
                if self.lease is lease:
                    self.lease = None
                self._duties.nudge()
                return
            except StoreError as problem:
                log.warning("duty %s begins again: %s", self.name, problem)
            except Exception:
                log.exception("duty %s failed; it begins again", self.name)
            pause = RESTART_FIRST_S if loop.time() - begun > RESTART_MOST_S else pause
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lease.wait_ending(), pause)
            pause = min(pause * 2, RESTART_MOST_S)

    async def withdraw(self) -> None:
        """This node does not want the duty any more, since what it is about is gone or rests: the work is asked to end, then
        cancelled, and the row is removed. Returns when that is done."""
        if self._duties.declared.get(self.name) is self:
            del self._duties.declared[self.name]
        self.hand_over(remove=True)
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def lose(self) -> None:
        """Somebody else holds it, or may soon: stop at once."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.lost = True
            lease.end()
        if self._task is not None:
            self._task.cancel()
            if self._ending is None:
                self._ending = self._duties.tasks.spawn(f"duty: end of {self.name}", self._gone(self._task))

    async def _gone(self, task: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait([task])
        finally:
            self._ending = None
            self._duties.nudge()

    def hand_over(self, *, remove: bool = False) -> asyncio.Task[None] | None:
        """Ask the work to end, and then release the duty. The task that does it, or None: it is not held."""
        if self._ending is None and self.lease is not None:
            self._ending = self._duties.tasks.spawn(f"duty: end of {self.name}", self._end(self.lease, remove))
        return self._ending

    async def _end(self, lease: Held, remove: bool) -> None:
        try:
            lease.end()
            task = self._task
            if task is not None and task is not asyncio.current_task() and not task.done():
                if self._patience > 0:
                    await asyncio.wait([task], timeout=self._patience)
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
            if self.lease is lease:
                await self._duties.release(self, lease, remove)
                self.lease = None
        finally:
            self._ending = None
            self._duties.nudge()


class Duties:
    """The duties of this node."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks, members: Members | None = None) -> None:
        self.members = members or Members(store, clock)
        self.tasks = tasks
        self.declared: dict[str, Duty] = {}
        self._store, self._clock = store, clock
        self._jitter = Ids()
        self._nudge = asyncio.Event()
        self._turning = asyncio.Lock()
        self._epochs = 0
        self._looked = clock.monotonic()
        self._swept = clock.monotonic()
        self._preferred: dict[str, str] = {}
        self._live: list[str] = []
        self._started = self._closed = False

    async def start(self, *, background: bool = True) -> None:
        """Join the others. Duties may be declared before; their work begins once this node has them. Without `background`
        nothing happens but by `turn` (tests). Raises NotOneOfThem."""
        if self.members.alone:
            return
        await self.members.meet()
        self._started = True
        await self.turn()
        if background:
            self.tasks.loop("duties: watch", self._watch)
            self.tasks.loop("duties: turns", self._turns)
            self.tasks.loop("duties: in touch", self._guard)

    def run(
        self,
        name: str,
        work: Work,
        *,
        patience: float = 0.0,
        moves: bool = True,
        here: bool = False,
        once: bool = False,
    ) -> Duty:
        """Have `work(lease)` done by one node at a time: by this one once it has the duty.

        The work normally runs for ever. When it returns, it is over, but this node keeps the duty until the duty is
        withdrawn (with `once` that happens by itself); when it raises, it begins again after a pause. When the duty goes to
        another node (or this one stops, or the duty is withdrawn), `lease.ending` turns true, and the work is cancelled
        after `patience` seconds; when it is lost, at once. With `moves=False` the duty stays with a living owner whatever
        it prefers. `here`: this node takes it, once, if it is free, whomever it prefers. A name is declared once, and has
        at most 1,900 bytes.
        """
        if name in self.declared:
            raise ValueError(f"the duty {name!r} is declared already")
        duty = self.declared[name] = Duty(self, name, work, patience=patience, moves=moves, here=here, once=once)
        if self.members.alone and not self._closed:
            duty.begin(Held(duty.key, self.members.id, 0, alone=True))
        else:
            self.nudge()
        return duty

    def holds(self, name: str) -> bool:
        """Does this node hold the duty, as far as it knows?"""
        duty = self.declared.get(name)
        return duty is not None and duty.lease is not None and not duty.lease.ending

    def nudge(self) -> None:
        """Look soon."""
        self._nudge.set()

    async def close(self) -> None:
        """Give everything back and leave, so that others need not wait. Works are asked to end, then cancelled."""
        self._closed = True
        ending = [task for duty in self.declared.values() if (task := duty.hand_over()) is not None]
        if ending:
            _, late = await asyncio.wait(ending, timeout=CLOSE_S)
            for task in late:
                task.cancel()
        if self._started and not self.members.alone:
            try:
                async with self._turning:  # a beat after it would bring the row back
                    await self.members.leave()
            except StoreError as problem:
                log.warning("this node could not say that it leaves: %s", problem)

    # What happens in the background

    async def _watch(self) -> None:
        async with self._store.watch(WAKE) as watch:
            while True:
                if await watch.wait(60.0):
                    self.nudge()

    async def _turns(self) -> None:
        while not self._closed:
            pause = BEAT_S * self._jitter.uniform(0.8, 1.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), pause)
                await asyncio.sleep(GATHER_S)
            try:
                await self.turn()
            except StoreError as problem:
                log.warning("this node could not show that it lives: %s", problem)
                await asyncio.sleep(self._jitter.uniform(0.2, 0.5))

    async def _guard(self) -> None:
        """A node that is out of touch stops acting."""
        while not self._closed:
            await asyncio.sleep(0.5)
            self.stop_if_out_of_touch()

    def stop_if_out_of_touch(self) -> None:
        """Stop every work if others may take this node for dead by now."""
        if not self.members.in_touch:
            held = [duty for duty in self.declared.values() if duty.lease is not None]
            if held:
                log.warning("this node is out of touch with the others: it stops its %d duties", len(held))
            for duty in held:
                duty.lose()

    async def turn(self) -> None:
        """Show that this node lives, look at members and duties, and take, ask for or hand over what the rows say."""
        async with self._turning:
            if not self._closed:
                await self._turn()

    async def _turn(self) -> None:
        self._nudge.clear()
        members, now = self.members, self._clock.monotonic()
        if now - members.beaten >= BEAT_S * 0.7 or not self._live:
            await members.beat()
        duties = list(self.declared.values())
        found, rows = await self._look(duties)
        members.observe(found)
        if (live := members.live()) != self._live:
            self._live = live
            self._preferred.clear()
        now = self._clock.monotonic()
        passed, self._looked = min(now - self._looked, 2 * BEAT_S), now
        if self._closed or not members.in_touch:
            return
        takes: list[tuple[Duty, DutyRow | None]] = []
        asks: list[tuple[Duty, DutyRow]] = []
        for duty, row in zip(duties, rows, strict=True):
            if duty.lease is not None:
                self._keep_or_hand_over(duty, row)
            elif not duty.busy:
                if self._takes(duty, row, passed):
                    takes.append((duty, row))
                elif row is not None and self._asks(duty, row):
                    asks.append((duty, row))
        for start in range(0, len(takes), _PAGE):
            await self._take(takes[start : start + _PAGE])
        for start in range(0, len(asks), _PAGE):
            await self._ask(asks[start : start + _PAGE])
        await members.forget()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            await self._sweep()

    async def _look(self, duties: list[Duty]) -> tuple[dict[str, MemberRow], list[DutyRow | None]]:
        def body(tx: ReadTx) -> tuple[dict[str, MemberRow], list[DutyRow | None]]:
            rows = tx.get_many([duty.key for duty in duties]) if duties else []
            return read_members(tx), [decoded(value) for value in rows]

        return await self._store.read_many(body)

    def _prefers(self, name: str) -> str:
        """The member that a duty prefers."""
        found = self._preferred.get(name)
        if found is None:
            found = self._preferred[name] = preferred(name, self._live)
        return found

    def _keep_or_hand_over(self, duty: Duty, row: DutyRow | None) -> None:
        lease = duty.lease
        assert lease is not None
        if row is None or (row.owner, row.epoch) != (lease.owner, lease.epoch):
            if row is None or row.epoch >= lease.epoch:  # not what was read before this node took it
                log.warning("duty %s was taken over by another node", duty.name)
                duty.lose()
        elif row.next and row.next != self.members.id and self.members.is_live(row.next):
            duty.hand_over()

    def _takes(self, duty: Duty, row: DutyRow | None, passed: float) -> bool:
        """Is the duty there to be taken, by this node?"""
        members = self.members
        if row is not None and row.owner not in ("", members.id) and members.is_live(row.owner):
            duty.waiting, duty.here = 0.0, False
            return False
        if duty.waiting >= TTL_S or (row is not None and row.owner == members.id):
            return True
        duty.waiting += passed
        if row is not None and row.next and not row.owner and members.is_live(row.next):
            return row.next == members.id
        return duty.here or self._prefers(duty.name) == members.id

    def _asks(self, duty: Duty, row: DutyRow) -> bool:
        return (
            duty.moves
            and bool(row.owner)
            and self._prefers(duty.name) == self.members.id
            and row.next != self.members.id
            and self.members.is_live(row.owner)
        )

    async def _take(self, wanted: list[tuple[Duty, DutyRow | None]]) -> None:
        me, least = self.members.id, self._epochs + 1

        def body(tx: Tx) -> list[int | None]:
            epochs: list[int | None] = []
            for (duty, row), value in zip(wanted, tx.get_many([duty.key for duty, _ in wanted]), strict=True):
                current = decoded(value)
                if current != row:
                    epochs.append(None)
                    continue
                epoch = max(least, current.epoch + 1 if current is not None else 0)
                tx.put(duty.key, msgspec.msgpack.encode(DutyRow(me, epoch)))
                epochs.append(epoch)
            return epochs

        for (duty, _), epoch in zip(wanted, await self._store.transact(body), strict=True):
            if epoch is None:
                self.nudge()
                continue
            # Together with the owner it is never the same twice, even where the row was removed meanwhile.
            self._epochs = max(self._epochs, epoch)
            if self.declared.get(duty.name) is duty and not self._closed:
                duty.begin(Held(duty.key, me, epoch, alone=False))
            else:
                await self.release(duty, Held(duty.key, me, epoch, alone=False), False)

    async def _ask(self, wanted: list[tuple[Duty, DutyRow]]) -> None:
        me = self.members.id

        def body(tx: Tx) -> None:
            for (duty, row), value in zip(wanted, tx.get_many([duty.key for duty, _ in wanted]), strict=True):
                if decoded(value) == row:
                    tx.put(duty.key, msgspec.msgpack.encode(DutyRow(row.owner, row.epoch, me)))
            tx.wake(WAKE)

        await self._store.transact(body)

    async def release(self, duty: Duty, lease: Held, remove: bool) -> None:
        """Give a duty back; silent if it was lost."""
        if self.members.alone:
            return

        def body(tx: Tx) -> None:
            row = decoded(tx.get(duty.key))
            if row is None or (row.owner, row.epoch) != (lease.owner, lease.epoch):
                return
            if remove:
                tx.delete(duty.key)
            else:
                tx.put(duty.key, msgspec.msgpack.encode(DutyRow("", row.epoch, row.next)))
            tx.wake(WAKE)

        await self._store.transact(body)

    async def _sweep(self) -> None:
        """Remove rows that nobody living holds and that this node does not declare: what they were about is gone."""
        start, end = span("node", "duty")
        while page := await self._store.read_many(lambda tx, start=start: tx.scan(start, end, limit=_PAGE)):  # type: ignore[misc]
            await self._store.transact(self._sweeper([key for key, _ in page]))
            start = page[-1][0] + b"\x00"

    def _sweeper(self, keys: Iterable[bytes]) -> Callable[[Tx], None]:
        ours = {duty.key for duty in self.declared.values()}
        wanted = [key for key in keys if key not in ours]

        def body(tx: Tx) -> None:
            for key in wanted:
                row = decoded(tx.get(key))
                if row is not None and not self.members.is_live(row.owner):
                    tx.delete(key)

        return body

    async def describe(self) -> dict[str, str]:
        """Who holds what: member id by name of the duty, for people. Nothing where there is a single owner."""
        rows = await self._store.read_many(lambda tx: tx.scan(*span("node", "duty")))
        return {str(unpack(key)[2]): msgspec.msgpack.decode(value, type=DutyRow).owner for key, value in rows}


def preferred(name: str, members: Iterable[str]) -> str:
    """The member that a duty prefers: the same on every node that sees the same members; when one comes or goes, only the
    duties that it gains or had move."""
    return max(members, key=lambda member: blake2b(f"{name}\0{member}".encode(), digest_size=8).digest())
