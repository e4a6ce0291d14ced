"""Pool: what runs functions, from an invocation to the instance that takes it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.runtime import cgroups, sandbox
from freehold.runtime.admission import Admission
from freehold.runtime.base import Credentials, FunctionSpec, Invocation, Outcome, RuntimeUnavailable, Sink
from freehold.runtime.crew import Crew
from freehold.runtime.errors import Failure
from freehold.runtime.host import default_node_modules
from freehold.runtime.instance import Instance
from freehold.runtime.interpreters import Interpreters, node_path, sdk_packages
from freehold.runtime.launch import Launcher
from freehold.runtime.pool.group import Group
from freehold.runtime.pool.starts import Starts
from freehold.runtime.process import Process, State
from freehold.runtime.watch import Watch

_CLOSE_SECONDS = 5.0
_LOOK_AROUND_AFTER = 2.0
_CLOSED = "the server is stopping"


def _alone() -> int:
    return 1


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
        self.instances: set[Instance] = set()
        self._clock = clock
        self._ids = ids
        self._scratch = scratch
        self._guarded = guarded
        self._admission = Admission(clock, max_instances)
        self._code_roots = tuple(code_roots)
        self._node_modules = node_modules
        self._interpreters = Interpreters()
        self._groups: dict[str, Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch = Watch(self.instances, clock, idle_seconds)
        self._starts = Starts(self, clock, self._admission)
        self._closing = False
        self._crew: Crew | None = None
        self._limits = "not looked at yet"

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
        self._crew = Crew(self._clock, self._ids, self, hierarchy, launcher)
        self.spawn(self._settle(self._crew))
        self.spawn(self._watch.run())

    async def _settle(self, crew: Crew) -> None:
        """After start has returned: templates in the background, and what an earlier server left behind."""
        await crew.launcher.warm_up()
        await crew.sweep()
        await asyncio.sleep(_LOOK_AROUND_AFTER)
        await crew.on_thread(self._interpreters.look_around)

    def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Awaitable[Outcome]:
        group = self.group(spec)
        idle = group.idle
        while idle:
            instance = idle.pop()
            if instance.state is State.IDLE:
                return self._dispatch(instance, invocation)
        return self._invoke_cold(group, invocation)

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
            self.spawn(self._crew.launcher.warm_up(self._interpreters.resolve(runtime)))

    def retire(self, arn: str) -> None:
        for instance in list(self.instances):
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
            while (waiter := group.next_waiter()) is not None:
                waiter.set_exception(RuntimeUnavailable(_CLOSED))
        dying = list(self.instances)
        for instance in dying:
            instance.kill()
        if dying:
            await asyncio.wait([asyncio.ensure_future(one.gone()) for one in dying], timeout=_CLOSE_SECONDS)
        if self._crew is not None:
            self._crew.launcher.close()
            await self._crew.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # ------------------------------------------------------------ invoking

    def _dispatch(self, instance: Instance, invocation: Invocation) -> Awaitable[Outcome]:
        if self._watch.dozing:
            self._watch.rouse()
        return instance.dispatch(invocation)

    async def _invoke_cold(self, group: Group, invocation: Invocation) -> Outcome:
        """Start an instance and take it, or one that becomes free earlier."""
        while True:
            got = await self._starts.obtain(group)
            if isinstance(got, Failure):
                return await self._starts.run_initializing(group, invocation)
            if got.state is State.IDLE:
                return await self._dispatch(got, invocation)

    def group(self, spec: FunctionSpec) -> Group:
        """The instances of a configuration."""
        found = self._groups.get(spec.key)
        if found is None:
            found = self._groups[spec.key] = Group(spec)
        return found

    # ------------------------------------------------------------ what instances tell (Crew's ear)

    def available(self, instance: Instance) -> None:
        """An instance asks for its next event."""
        instance.reserved = False
        group = self.group(instance.spec)
        if self._closing:
            instance.kill()
        elif group.waiters and (waiter := group.next_waiter()) is not None:
            # Also of a retired one: who waits asked for this very configuration.
            instance.reserved = True
            waiter.set_result(instance)
        elif instance.retired:
            instance.kill()
        else:
            instance.idle_since = self._clock.monotonic()
            group.idle.append(instance)

    def leaving(self, instance: Process) -> None:
        """An instance is being killed: it gets no more events."""
        group = self._groups.get(instance.spec.key)
        if group is not None and instance in group.idle:
            group.idle.remove(instance)

    def gone(self, instance: Process) -> None:
        """An instance is dead."""
        self.instances.discard(instance)
        self.leaving(instance)
        group = self._groups.get(instance.spec.key)
        if (
            group is not None
            and not group.waiters
            and not group.starting
            and not any(one.spec.key == instance.spec.key for one in self.instances)
        ):
            del self._groups[instance.spec.key]

    # ------------------------------------------------------------ what those who start need (the Starts' house)

    def crew(self) -> Crew:
        """What instances share. Raises RuntimeUnavailable."""
        if self._closing:
            raise RuntimeUnavailable(_CLOSED)
        if self._crew is None or self.sink is None or self.credentials is None:
            raise RuntimeUnavailable("the function runtime has not been started")
        return self._crew

    def check_isolation(self) -> None:
        """Raises RuntimeUnavailable where instances may not start as they would here."""
        if not self._guarded:
            return
        crew = self.crew()
        if crew.launcher.shares_pids or crew.hierarchy is None:
            raise RuntimeUnavailable(
                "functions run only in full isolation with --guarded, which this host does not offer "
                f"({'; '.join(f'{name}: {how}' for name, how in self.isolation().items())}); see freehold doctor"
            )

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run it until it ends or the pool closes."""
        task = asyncio.get_running_loop().create_task(work, name="runtime")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
