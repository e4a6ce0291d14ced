"""The pool of function instances: reuse, growth on demand, limits, freezing, expiry."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.runtime import cgroups, errors, sandbox
from freehold.runtime.admission import Admission
from freehold.runtime.base import (
    Credentials,
    FunctionSpec,
    Invocation,
    Outcome,
    RuntimeUnavailable,
    Sink,
    Throttled,
)
from freehold.runtime.crew import Crew
from freehold.runtime.errors import Failure
from freehold.runtime.host import default_node_modules
from freehold.runtime.instance import Instance
from freehold.runtime.interpreters import Interpreters, node_path, sdk_packages
from freehold.runtime.launch import Launcher
from freehold.runtime.process import Process, StartFailed, State
from freehold.runtime.spare import WINDOW_S, Spare
from freehold.runtime.watch import Watch
from freehold.runtime.zygote import ZygoteDied

INIT_SECONDS = 10.0
"""How long initialization may take outside an invocation."""
_START_TRIES = 2
_CLOSE_SECONDS = 5.0
_LOOK_AROUND_AFTER = 2.0
_LINGER = 0.25
_CLOSED = "the server is stopping"
_TOO_MANY = "ConcurrentInvocationLimitExceeded"


def _alone() -> int:
    return 1


class _Group:
    """The instances of one configuration key."""

    __slots__ = ("idle", "spec", "starting", "turns", "waiters")

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.idle: list[Instance] = []
        self.starting = 0
        """Never fewer than there are waiters, and no more are begun than that: who waits may get a freed instance."""
        self.waiters: deque[asyncio.Future[Instance | Failure]] = deque()
        self.turns = asyncio.Semaphore(2 * (os.cpu_count() or 1))
        """Of starts; while the machine has no time to spare, of loading too. Each function has its own: one that loads for
        long, or often, is in nobody else's way."""


class Pool:
    """Runs functions (FunctionRuntime).

    `scratch` is a directory of its own: it is emptied at start. `code_roots` are directories under which packages will
    lie; packages elsewhere work too, at the price of another template. `node_modules` holds AWS's SDK for JavaScript.
    `guarded` refuses to run without full isolation. `sink` and `credentials` may be set later, before the first invoke.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ids: Ids,
        sink: Sink | None = None,
        credentials: Credentials | None = None,
        scratch: Path,
        guarded: bool = False,
        idle_seconds: float = 300,
        max_instances: int = 1000,
        code_roots: Sequence[Path] = (),
        node_modules: Path | None = None,
    ) -> None:
        self.sink = sink
        self.credentials = credentials
        self.nodes: Callable[[], int] = _alone
        self._clock = clock
        self._ids = ids
        self._scratch = scratch
        self._guarded = guarded
        self._admission = Admission(clock, max_instances)
        self._code_roots = tuple(code_roots)
        self._node_modules = node_modules
        self._interpreters = Interpreters()
        self._groups: dict[str, _Group] = {}
        self._instances: set[Instance] = set()
        self._starting = 0
        """Starts under way, those that wait for their turn included."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch = Watch(self._instances, clock, idle_seconds)
        self._closing = False
        self._proven = False
        self._crew: Crew | None = None
        self._limits = "not looked at yet"
        self._starts = asyncio.Semaphore(4 * (os.cpu_count() or 1))
        self._spare = Spare(clock)

    # ------------------------------------------------------------ the contract

    async def start(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self._admission.fit_to_host()
        hierarchy, self._limits = cgroups.detect()
        host = sandbox.Host(
            bubblewrap=sandbox.Host.find_bubblewrap(),
            users=sandbox.instance_users(),
            packages=sdk_packages(),
            node=node_path(),
            node_modules=self._node_modules or default_node_modules(),
        )
        launcher = Launcher(
            host, self._interpreters, self._scratch, self._code_roots, has_memory_group=hierarchy is not None
        )
        assert self.sink is None or self._crew is None
        self._crew = Crew(self._clock, self._ids, self, hierarchy, launcher)
        self._spawn(self._settle(self._crew))
        self._spawn(self._watch.run())

    async def _settle(self, crew: Crew) -> None:
        """After start has returned: templates in the background, and what an earlier server left behind."""
        await crew.launcher.warm_up()
        await crew.sweep()
        await asyncio.sleep(_LOOK_AROUND_AFTER)
        await crew.on_thread(self._interpreters.look_around)

    async def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        group = self._group(spec)
        idle = group.idle
        while idle:
            instance = idle.pop()
            if instance.state is State.IDLE:
                return await self._dispatch(instance, invocation)
        return await self._invoke_cold(group, invocation)

    def rouse(self, spec: FunctionSpec) -> None:
        group = self._groups.get(spec.key)
        if group is None or not group.idle:
            return
        instance = group.idle[-1]
        if instance.frozen and instance.state is State.IDLE:
            instance.thaw()
            instance.idle_since = self._clock.monotonic()
            self._watch.rouse()  # it is frozen again if nothing comes

    def resolve(self, runtime: str) -> str:
        interpreter = self._interpreters.resolve(runtime)
        return runtime if interpreter is None else interpreter.name

    def expect(self, runtime: str) -> None:
        if self._crew is not None and runtime.startswith("python"):
            self._spawn(self._crew.launcher.warm_up(self._interpreters.resolve(runtime)))

    def retire(self, arn: str) -> None:
        for instance in list(self._instances):
            owner = instance.spec.arn
            if owner == arn or owner.startswith(arn + ":"):
                instance.retired = True
                if instance.state is State.IDLE and not instance.reserved:
                    instance.kill()

    def isolation(self) -> Mapping[str, str]:
        if self._crew is None:
            return {"limits": self._limits}
        return {**self._crew.launcher.isolation(), "limits": self._limits}

    def weakness(self) -> str:
        if self._crew is None:
            return ""
        launcher, found = self._crew.launcher, []
        if launcher.shares_pids:
            found.append(f"Functions run unsandboxed on this host ({launcher.reason}).")
        if self._crew.hierarchy is None:
            found.append("No control groups on this host: memory is watched, CPU share and freezing are missing.")
        return " ".join(found)

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        for group in list(self._groups.values()):
            while (waiter := self._next_waiter(group)) is not None:
                waiter.set_exception(RuntimeUnavailable(_CLOSED))
        dying = list(self._instances)
        for instance in dying:
            instance.kill()
        if dying:
            await asyncio.wait([asyncio.ensure_future(one.gone()) for one in dying], timeout=_CLOSE_SECONDS)
        if self._crew is not None:
            self._crew.launcher.close()
            await self._crew.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # ------------------------------------------------------------ invoking

    async def _dispatch(self, instance: Instance, invocation: Invocation) -> Outcome:
        if self._watch.dozing:
            self._watch.rouse()
        return await instance.dispatch(invocation)

    async def _invoke_cold(self, group: _Group, invocation: Invocation) -> Outcome:
        """Start an instance and take it, or one that becomes free earlier."""
        while True:
            got = await self._obtain(group)
            if isinstance(got, Failure):
                return await self._invoke_initializing(group.spec, invocation)
            if got.state is State.IDLE:
                return await self._dispatch(got, invocation)

    async def _obtain(self, group: _Group) -> Instance | Failure:
        self._check_isolation()
        crew = self._require_crew()
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
                self.available(got)
            raise

    def _lingering(self, group: _Group) -> int:
        key = group.spec.key
        return sum(1 for one in self._instances if one.lingers and one.spec.key == key)

    def _grow_late(self, crew: Crew, group: _Group) -> None:
        """Who hoped for an instance that was about to be free has waited long enough."""
        try:
            self._grow_enough(crew, group)
        except Throttled as problem:
            if (waiter := self._next_waiter(group)) is not None:
                waiter.set_exception(problem)

    def _grow_enough(self, crew: Crew, group: _Group) -> None:
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
            self._spawn(self._grow(crew, group))

    def _admit(self) -> None:
        """Raises Throttled beyond the burst or the number of instances this server may have."""
        if not self._admission.has_room(self._count()) and not self._evict():
            raise Throttled(_TOO_MANY)
        if not self._admission.take(self.nodes()):
            raise Throttled(_TOO_MANY)

    def _count(self) -> int:
        up = sum(1 for one in self._instances if one.state is not State.STARTING)
        return up + self._starting

    def _evict(self) -> bool:
        """Make room: the instance that has been idle longest goes."""
        idle = [one for one in self._instances if one.state is State.IDLE and not one.reserved]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since)
        oldest.kill()
        self._instances.discard(oldest)
        return True

    async def _grow(self, crew: Crew, group: _Group) -> None:
        """Bring up one instance; its failure is that of the first who waits."""
        self._starting += 1
        try:
            async with group.turns:
                async with self._starts:
                    instance = await self._start_instance(crew, group.spec)
                await self._in_turn(instance, INIT_SECONDS)
            failure = await self._initialized(instance)
        except (StartFailed, ZygoteDied, RuntimeUnavailable, OSError) as problem:
            refusal = problem if isinstance(problem, RuntimeUnavailable) else RuntimeUnavailable(str(problem))
            if (waiter := self._next_waiter(group)) is not None:
                waiter.set_exception(refusal)
            return
        finally:
            self._starting -= 1
            group.starting -= 1
        if failure is None:
            self._proven = True
            instance.ready()
            return
        crew.sink.init_failed(group.spec, instance.stream_name, instance.elapsed_ms(), failure.error_type)
        instance.kill()
        if (waiter := self._next_waiter(group)) is not None:
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

    async def _start_instance(self, crew: Crew, spec: FunctionSpec) -> Instance:
        """A process in which user code loads. Tried again where a template died, weaker where the host refuses."""
        tries = 0
        while True:
            self._check_isolation()
            instance = Instance(crew, spec)
            self._instances.add(instance)
            mode = crew.launcher.mode
            try:
                await instance.start()
                return instance
            except BaseException as problem:
                instance.kill()
                self._instances.discard(instance)
                if not isinstance(problem, StartFailed | ZygoteDied | OSError):
                    raise
                tries += 1
                if tries < _START_TRIES or crew.launcher.mode != mode:
                    continue
                if self._proven or not crew.launcher.weaken(str(problem)):
                    raise StartFailed(str(problem)) from problem
                tries = 0

    async def _invoke_initializing(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        """Initialization failed: as on Lambda it is repeated inside the invocation, under the function's timeout."""
        crew = self._require_crew()
        self._admit()
        async with self._group(spec).turns:
            async with self._starts:
                instance = await self._start_instance(crew, spec)
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

    # ------------------------------------------------------------ what instances tell (Crew's ear)

    def available(self, instance: Instance) -> None:
        """An instance asks for its next event."""
        instance.reserved = False
        group = self._group(instance.spec)
        if self._closing:
            instance.kill()
        elif (waiter := self._next_waiter(group)) is not None:
            # Also of a retired one: who waits asked for this very configuration.
            instance.reserved = True
            waiter.set_result(instance)
        elif instance.retired:
            instance.kill()
        else:
            instance.idle_since = self._clock.monotonic()
            group.idle.append(instance)

    def _next_waiter(self, group: _Group) -> asyncio.Future[Instance | Failure] | None:
        while group.waiters:
            waiter = group.waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def leaving(self, instance: Process) -> None:
        """An instance is being killed: it gets no more events."""
        group = self._groups.get(instance.spec.key)
        if group is not None and instance in group.idle:
            group.idle.remove(instance)

    def gone(self, instance: Process) -> None:
        """An instance is dead."""
        self._instances.discard(instance)
        self.leaving(instance)
        group = self._groups.get(instance.spec.key)
        if (
            group is not None
            and not group.waiters
            and not group.starting
            and not any(one.spec.key == instance.spec.key for one in self._instances)
        ):
            del self._groups[instance.spec.key]

    # ------------------------------------------------------------ small things

    def _group(self, spec: FunctionSpec) -> _Group:
        found = self._groups.get(spec.key)
        if found is None:
            found = self._groups[spec.key] = _Group(spec)
        return found

    def _check_isolation(self) -> None:
        if not self._guarded:
            return
        crew = self._require_crew()
        if crew.launcher.shares_pids or crew.hierarchy is None:
            raise RuntimeUnavailable(
                "functions run only in full isolation with --guarded, which this host does not offer "
                f"({'; '.join(f'{name}: {how}' for name, how in self.isolation().items())}); see freehold doctor"
            )

    def _require_crew(self) -> Crew:
        if self._closing:
            raise RuntimeUnavailable(_CLOSED)
        if self._crew is None or self.sink is None or self.credentials is None:
            raise RuntimeUnavailable("the function runtime has not been started")
        return self._crew

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="runtime")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
