"""Supervisor: has every pipe that is RUNNING worked for, and brings pipes in transition to where they go.

A pipe that runs or is in transition is a duty: of several nodes, one has its `Post`, which does what the pipe's row says.
Transitions are rows (state.py), so that when a node dies in one, the next to have the duty finishes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from freehold.services.pipes import state
from freehold.services.pipes.model import DELETING, FAILED, RUNNING, STOPPED, TRANSITIONS, UPDATING, Pipe
from freehold.services.pipes.plan import plan_of
from freehold.services.pipes.runner import Runner
from freehold.services.pipes.sources import QueueSource
from freehold.services.pipes.state import Place
from freehold.store.base import Tx
from freehold.work.duties import Held
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.pipes")

PATIENCE_S = 3.0
"""How long executions have to end when their pipe goes to another node."""


class Post:
    """One pipe, at the node that has the duty."""

    def __init__(self, platform: Platform, place: Place, uid: str) -> None:
        self._platform, self._place = platform, place
        self._changed, self._steady = asyncio.Event(), asyncio.Event()
        self._runner: Runner | None = None
        self.duty = platform.duties.run(f"pipe:{'/'.join(place)}/{uid}", self._work, patience=PATIENCE_S)

    def look(self) -> None:
        """The row may have changed."""
        self._steady.clear()
        self._changed.set()

    async def steady(self) -> None:
        """Wait until the pipe is where it goes."""
        if self.duty.lease is not None:
            await self._steady.wait()

    async def settle(self) -> bool:
        """Wait until nothing can be received and nothing is under way; says whether there was anything."""
        return self._runner is not None and await self._runner.settle()

    async def _work(self, lease: Held) -> None:
        lease.when_ending(self._changed.set)
        self._changed.set()
        try:
            while not lease.ending:
                await self._changed.wait()
                self._changed.clear()
                if not lease.ending:
                    await self._follow(lease)
                if not self._changed.is_set():
                    self._steady.set()
            await self._stop()
        finally:
            self._steady.set()
            if self._runner is not None:
                self._runner.cancel()
                self._runner = None

    async def _follow(self, lease: Held) -> None:
        pipe = await self._platform.store.read(lambda tx: state.find(tx, self._place))
        if pipe is not None and pipe.state in TRANSITIONS:
            await self._change(pipe, lease)
        elif pipe is None or pipe.state != RUNNING:
            await self._stop()
        elif self._runner is None:
            self._begin(pipe)

    def _begin(self, pipe: Pipe) -> None:
        self._runner = Runner(self._platform, plan_of(pipe), QueueSource(self._platform, pipe.source))

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.stop()
            self._runner = None

    async def _change(self, pipe: Pipe, lease: Held) -> None:
        """One transition of the pipe."""
        await self._stop()
        wanted, reason = STOPPED, None
        if pipe.state != DELETING and pipe.desired == RUNNING:
            source = QueueSource(self._platform, pipe.source)
            if await self._platform.store.read(source.exists):
                wanted = RUNNING
            else:
                wanted = FAILED.get(pipe.state, FAILED[UPDATING])
                reason = f"The source {pipe.source} does not exist."
        place = self._place

        def conclude(tx: Tx) -> bool:
            lease.check(tx)
            return _conclude(tx, place, pipe, wanted, reason)

        if not await self._platform.store.transact(conclude):
            self.look()
        elif wanted == RUNNING and pipe.state != DELETING:
            self._begin(pipe)


class Supervisor:
    """The pipes that this node knows of: those that run or are in transition."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._posts: dict[tuple[Place, str], Post] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._alarm = Alarm(platform.store, platform.clock, state.WAKE)
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run what was running, and go on with transitions."""
        await self._look()
        self._loop = self._platform.tasks.loop("pipes", self._run)

    async def settle(self) -> bool:
        """Wait until no pipe is in transition and none has anything to do; says whether there was anything."""
        worked = False
        while self._loop is not None and not self._loop.done():
            self._alarm.ring()
            await self._alarm.rung()
            for post in list(self._posts.values()):
                await post.steady()
            if not await self._platform.store.read(state.work):
                break
            worked = True
        while self._ending:
            await asyncio.wait(self._ending)
        settled = [await post.settle() for post in list(self._posts.values())]
        return worked or any(settled)

    async def _run(self) -> None:
        async with self._alarm as alarm:
            while True:
                await self._look()
                await alarm.wait(None)

    async def _look(self) -> None:
        """Have a post for every pipe that runs or is in transition."""
        wanted: set[tuple[Place, str]] = set()
        last: Place | None = None
        while page := await self._platform.store.read_many(lambda tx, last=last: state.everywhere(tx, last)):  # type: ignore[misc]
            for pipe in page:
                last = (pipe.account, pipe.region, pipe.name)
                if pipe.state == RUNNING or pipe.state in TRANSITIONS:
                    wanted.add((last, pipe.uid))
                    self._want((last, pipe.uid), pipe)
        for which in self._posts.keys() - wanted:
            task = self._platform.tasks.spawn(f"pipe: end of {which[0]}", self._posts.pop(which).duty.withdraw())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _want(self, which: tuple[Place, str], pipe: Pipe) -> None:
        post = self._posts.get(which)
        if post is None:
            with contextlib.suppress(ValueError):  # the post before it still ends: the next look finds it gone
                self._posts[which] = Post(self._platform, *which)
        elif pipe.state in TRANSITIONS:
            post.look()


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
