"""The duties of a node: declared, taken, asked for, handed over."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.store.base import Store, StoreError
from freehold.work.duties.duty import Duty, Work
from freehold.work.duties.preference import Preferences
from freehold.work.duties.rows import PAGE, WAKE, Rows
from freehold.work.leases import DutyRow, Held
from freehold.work.members import BEAT_S, TTL_S, Members
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

CLOSE_S = 5.0
"""How long a node that stops waits for works that do not end; then they are cancelled."""
GATHER_S = 0.005
"""What is declared or roused within it is looked at together."""
_SWEEP_S = 600.0


class Duties:
    """The duties of this node."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks, members: Members | None = None) -> None:
        self.members = members or Members(store, clock)
        self.tasks = tasks
        self.declared: dict[str, Duty] = {}
        self._store, self._clock = store, clock
        self._rows = Rows(store, self.members)
        self._preferences = Preferences()
        self._jitter = Ids()
        self._nudge = asyncio.Event()
        self._turning = asyncio.Lock()
        self._epochs = 0
        self._looked = clock.monotonic()
        self._swept = clock.monotonic()
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
                    await self.members.leave(WAKE)
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
        if now - members.beaten >= BEAT_S * 0.7 or not self._preferences.live:
            await members.beat()
        duties = list(self.declared.values())
        found, rows = await self._rows.look([duty.key for duty in duties])
        members.observe(found)
        self._preferences.among(members.live())
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
        for start in range(0, len(takes), PAGE):
            await self._take(takes[start : start + PAGE])
        for start in range(0, len(asks), PAGE):
            await self._rows.ask([(duty.key, row) for duty, row in asks[start : start + PAGE]])
        await members.forget()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            await self._rows.sweep([duty.key for duty in self.declared.values()])

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
        return duty.here or self._preferences.of(duty.name) == members.id

    def _asks(self, duty: Duty, row: DutyRow) -> bool:
        return (
            duty.moves
            and bool(row.owner)
            and self._preferences.of(duty.name) == self.members.id
            and row.next != self.members.id
            and self.members.is_live(row.owner)
        )

    async def _take(self, wanted: list[tuple[Duty, DutyRow | None]]) -> None:
        me = self.members.id
        epochs = await self._rows.take([(duty.key, row) for duty, row in wanted], self._epochs + 1)
        for (duty, _), epoch in zip(wanted, epochs, strict=True):
            if epoch is None:
                self.nudge()
                continue
            # Together with the owner it is never the same twice, even where the row was removed meanwhile.
            self._epochs = max(self._epochs, epoch)
            if self.declared.get(duty.name) is duty and not self._closed:
                duty.begin(Held(duty.key, me, epoch, alone=False))
            else:
                await self.release(duty, Held(duty.key, me, epoch, alone=False), False)

    async def release(self, duty: Duty, lease: Held, remove: bool) -> None:
        """Give a duty back; silent if it was lost."""
        if not self.members.alone:
            await self._rows.release(lease, remove=remove)

    async def describe(self) -> dict[str, str]:
        """Who holds what: member id by name of the duty, for people. Nothing where there is a single owner."""
        return await self._rows.owners()
