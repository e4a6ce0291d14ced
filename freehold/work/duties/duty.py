"""One duty, as the node that declares it sees it: what its work does here, and how that ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from freehold.kit.tuples import pack
from freehold.store.base import StoreError
from freehold.work.leases import Held, LeaseLost
from freehold.work.tasks import RESTART_FIRST_S, RESTART_MOST_S, Tasks

log = logging.getLogger("freehold.work")

Work = Callable[[Held], Awaitable[None]]


class Room(Protocol):
    """What a duty needs of the room that it was declared in."""

    tasks: Tasks
    declared: dict[str, Duty]

    def nudge(self) -> None: ...

    async def release(self, duty: Duty, lease: Held, remove: bool) -> None: ...


class Duty:
    """A declared duty: what `Duties.run` gives back."""

    def __init__(
        self, duties: Room, name: str, work: Work, *, patience: float, moves: bool, here: bool, once: bool
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
