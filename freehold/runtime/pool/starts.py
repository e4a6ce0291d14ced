"""Starts: instances that come up because somebody waits. How many at a time, what follows when one fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Protocol

from freehold.kit.clock import Clock
from freehold.runtime import errors
from freehold.runtime.admission import Admission
from freehold.runtime.base import FunctionSpec, Invocation, Outcome, RuntimeUnavailable, Throttled
from freehold.runtime.crew import Crew
from freehold.runtime.errors import Failure
from freehold.runtime.instance import Instance
from freehold.runtime.pool.group import Group
from freehold.runtime.process import StartFailed, State
from freehold.runtime.spare import WINDOW_S, Spare
from freehold.runtime.zygote import ZygoteDied

INIT_SECONDS = 10.0
"""How long initialization may take outside an invocation."""
_START_TRIES = 2
_LINGER = 0.25
_TOO_MANY = "ConcurrentInvocationLimitExceeded"


class House(Protocol):
    """The pool, as those who start instances see it."""

    nodes: Callable[[], int]
    """How many nodes share the burst of starts."""
    instances: set[Instance]

    def crew(self) -> Crew:
        """What instances share. Raises RuntimeUnavailable where nothing starts any more, or yet."""
        ...

    def check_isolation(self) -> None:
        """Raises RuntimeUnavailable where instances may not start as they would here."""
        ...

    def available(self, instance: Instance) -> None: ...

    def spawn(self, work: Coroutine[None, None, None]) -> None: ...


class Starts:
    """Brings up instances for the pool."""

    def __init__(self, house: House, clock: Clock, admission: Admission) -> None:
        self._house = house
        self._admission = admission
        self._under_way = 0
        """Those that wait for their turn included."""
        self._proven = False
        self._turns = asyncio.Semaphore(4 * (os.cpu_count() or 1))
        self._spare = Spare(clock)

    async def obtain(self, group: Group) -> Instance | Failure:
        """An instance that became free, of those under way or of those that ran; or why one that was started for this
        could not be initialized. Raises Throttled, RuntimeUnavailable."""
        self._house.check_isolation()
        crew = self._house.crew()
        if not crew.launcher.prepared(group.spec):
            await crew.on_thread(lambda: crew.launcher.prepare(group.spec))
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Instance | Failure] = loop.create_future()
        if self._lingering(group) > len(group.waiters):
            group.waiters.append(waiter)
            loop.call_later(_LINGER, self._grow_late, crew, group)
        else:
            group.waiters.append(waiter)
            self._grow_enough(crew, group)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and isinstance(got := waiter.result(), Instance):
                self._house.available(got)
            raise

    def _lingering(self, group: Group) -> int:
        key = group.spec.key
        return sum(1 for one in self._house.instances if one.lingers and one.spec.key == key)

    def _grow_late(self, crew: Crew, group: Group) -> None:
        """Who hoped for an instance that was about to be free has waited long enough."""
        try:
            self._grow_enough(crew, group)
        except Throttled as problem:
            group.refuse_next(problem)

    def _grow_enough(self, crew: Crew, group: Group) -> None:
        """As many starts under way as there are waiters. Raises Throttled."""
        while group.waiters and group.waiters[0].done():
            group.waiters.popleft()
        if group.starting < len(group.waiters):
            try:
                self._admit()
            except Throttled:
                group.waiters[-1].cancel()
                raise
            group.starting += 1
            self._house.spawn(self._grow(crew, group))

    def _admit(self) -> None:
        """Raises Throttled beyond the burst or the number of instances this server may have."""
        if not self._admission.has_room(self._count()) and not self._evict():
            raise Throttled(_TOO_MANY)
        if not self._admission.take(self._house.nodes()):
            raise Throttled(_TOO_MANY)

    def _count(self) -> int:
        up = sum(1 for one in self._house.instances if one.state is not State.STARTING)
        return up + self._under_way

    def _evict(self) -> bool:
        """Make room: the instance that has been idle longest goes."""
        idle = [one for one in self._house.instances if one.state is State.IDLE and not one.reserved]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since)
        oldest.kill()
        self._house.instances.discard(oldest)
        return True

    async def _grow(self, crew: Crew, group: Group) -> None:
        """Bring up one instance; its failure is that of the first who waits."""
        self._under_way += 1
        try:
            async with group.turns:
                async with self._turns:
                    instance = await self._start(group.spec)
                await self._in_turn(instance, INIT_SECONDS)
            failure = await self._initialized(instance)
        except (StartFailed, ZygoteDied, RuntimeUnavailable, OSError) as problem:
            group.refuse_next(problem if isinstance(problem, RuntimeUnavailable) else RuntimeUnavailable(str(problem)))
            return
        finally:
            self._under_way -= 1
            group.starting -= 1
        if failure is None:
            self._proven = True
            instance.ready()
            return
        crew.sink.init_failed(group.spec, instance.stream_name, instance.elapsed_ms(), failure.error_type)
        instance.kill()
        if (waiter := group.next_waiter()) is not None:
            waiter.set_result(failure)

    async def _in_turn(self, instance: Instance, seconds: float) -> None:
        """While the machine has no time to spare, whoever loads keeps the turn: others begin when it is initialized."""
        while self._spare.none() and instance.elapsed_ms() < 1000 * seconds and not await instance.loaded(WINDOW_S):
            pass

    async def _initialized(self, instance: Instance) -> Failure | None:
        try:
            return await instance.initialized(INIT_SECONDS)
        except TimeoutError:
            return errors.timed_out(INIT_SECONDS)

    async def _start(self, spec: FunctionSpec) -> Instance:
        """A process in which user code loads. Tried again where a template died, weaker where the host refuses."""
        tries = 0
        crew = self._house.crew()
        while True:
            self._house.check_isolation()
            instance = Instance(crew, spec)
            self._house.instances.add(instance)
            mode = crew.launcher.mode
            try:
                await instance.start()
                return instance
            except BaseException as problem:
                instance.kill()
                self._house.instances.discard(instance)
                if not isinstance(problem, StartFailed | ZygoteDied | OSError):
                    raise
                tries += 1
                if tries < _START_TRIES or crew.launcher.mode != mode:
                    continue
                if self._proven or not crew.launcher.weaken(str(problem)):
                    raise StartFailed(str(problem)) from problem
                tries = 0

    async def run_initializing(self, group: Group, invocation: Invocation) -> Outcome:
        """Initialization failed: as on Lambda it is repeated inside the invocation, under the function's timeout."""
        self._admit()
        spec = group.spec
        async with group.turns:
            async with self._turns:
                instance = await self._start(spec)
            instance.reserved = True
            outcome = instance.announce(invocation)
            await self._in_turn(instance, spec.timeout_s)
        try:
            failure = await instance.initialized(spec.timeout_s)
        except TimeoutError:
            instance.log_timeout(invocation)
            failure = errors.timed_out(spec.timeout_s)
        if failure is None:
            instance.state = State.IDLE
            instance.init_ms = None
            instance.continue_announced()
        else:
            instance.fail_announced(failure)
            instance.kill()
        return await outcome
