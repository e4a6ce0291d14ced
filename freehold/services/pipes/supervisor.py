"""Supervisor: keeps one runner for every pipe that is RUNNING, and brings pipes in transition to where they go.

Transitions are rows (state.py), so that a server that dies in one finishes it at its next start.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from freehold.services.pipes import state
from freehold.services.pipes.model import DELETING, FAILED, RUNNING, STOPPED, TRANSITIONS, UPDATING, Pipe
from freehold.services.pipes.plan import plan_of
from freehold.services.pipes.runner import Runner
from freehold.services.pipes.sources import QueueSource
from freehold.services.pipes.state import Place
from freehold.store.base import Tx
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.pipes")


class Supervisor:
    """All pipes of this server."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._runners: dict[Place, Runner] = {}
        self._working: dict[Place, asyncio.Task[None]] = {}
        self._alarm = Alarm(platform.store, platform.clock, state.WAKE)
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run what was running, and go on with transitions."""
        last: Place | None = None
        while page := await self._platform.store.read(lambda tx, last=last: state.everywhere(tx, last)):  # type: ignore[misc]
            for pipe in page:
                last = (pipe.account, pipe.region, pipe.name)
                if pipe.state == RUNNING:
                    self._begin(pipe)
        self._loop = self._platform.tasks.loop("pipes", self._run)

    async def settle(self) -> bool:
        """Wait until no pipe is in transition and none has anything to do; says whether there was anything."""
        worked = False
        while self._loop is not None and not self._loop.done():
            self._alarm.ring()
            await self._alarm.rung()
            if self._working:
                worked = True
                await asyncio.wait(self._working.values())
                continue
            if not await self._platform.store.read(state.work):
                break
        settled = [await runner.settle() for runner in list(self._runners.values())]
        return worked or any(settled)

    async def _run(self) -> None:
        async with self._alarm as alarm:
            while True:
                for place in await self._platform.store.read(state.work):
                    if place not in self._working:
                        task = self._platform.tasks.spawn(f"pipe transition: {place}", self._change(place))
                        self._working[place] = task
                        task.add_done_callback(lambda task, place=place: self._changed(place))  # type: ignore[misc]
                await alarm.wait(None)

    def _changed(self, place: Place) -> None:
        self._working.pop(place, None)
        self._alarm.ring()

    def _begin(self, pipe: Pipe) -> None:
        place = (pipe.account, pipe.region, pipe.name)
        self._runners[place] = Runner(self._platform, plan_of(pipe), QueueSource(self._platform, pipe.source))

    async def _change(self, place: Place) -> None:
        """One transition of one pipe."""
        pipe = await self._platform.store.read(lambda tx: state.find(tx, place))
        if pipe is None or pipe.state not in TRANSITIONS:
            return
        runner = self._runners.pop(place, None)
        if runner is not None:
            await runner.stop()
        wanted, reason = STOPPED, None
        if pipe.state != DELETING and pipe.desired == RUNNING:
            source = QueueSource(self._platform, pipe.source)
            if await self._platform.store.read(source.exists):
                wanted = RUNNING
            else:
                wanted = FAILED.get(pipe.state, FAILED[UPDATING])
                reason = f"The source {pipe.source} does not exist."
        concluded = await self._platform.store.transact(lambda tx: _conclude(tx, place, pipe, wanted, reason))
        if concluded and wanted == RUNNING and pipe.state != DELETING:
            self._begin(pipe)


def _conclude(tx: Tx, place: Place, begun: Pipe, wanted: str, reason: str | None) -> bool:
    """Write the end of a transition, unless the pipe changed meanwhile: then another transition waits."""
    current = state.find(tx, place)
    if current is None or (current.uid, current.revision) != (begun.uid, begun.revision):
        return False
    if begun.state == DELETING:
        state.drop(tx, current)
        return True
    current.state, current.reason = wanted, reason
    state.save(tx, current)
    return True


def of(platform: Platform) -> Supervisor:
    """The supervisor of this server."""
    found = platform.own.get("pipes")
    if found is None:
        found = platform.own["pipes"] = Supervisor(platform)
    assert isinstance(found, Supervisor)
    return found


async def start(platform: Platform) -> None:
    await of(platform).start()


async def settle(platform: Platform) -> bool:
    return await of(platform).settle()
