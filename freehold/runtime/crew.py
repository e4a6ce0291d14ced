"""What all instances share: clocks, ids, sink, credentials, control groups, users, and the pool's ear."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.runtime.base import Credentials, FunctionSpec, Sink
from freehold.runtime.cgroups import Group, Hierarchy

if TYPE_CHECKING:
    from freehold.runtime.instance import Instance
    from freehold.runtime.launch import Launcher
    from freehold.runtime.process import Process

_USERS_APART = 1201
_REMOVE_PAUSE = 0.05
_REMOVE_TRIES = 100


class Ear(Protocol):
    """The pool, as its instances see it."""

    sink: Sink | None
    credentials: Credentials | None

    def available(self, instance: Instance) -> None: ...

    def leaving(self, instance: Process) -> None: ...

    def gone(self, instance: Process) -> None: ...


class Crew:
    """Shared facilities of the instances of one pool."""

    def __init__(self, clock: Clock, ids: Ids, ear: Ear, hierarchy: Hierarchy | None, launcher: Launcher) -> None:
        self.clock = clock
        self.ids = ids
        self.hierarchy = hierarchy
        self.launcher = launcher
        self.available = ear.available
        self.leaving = ear.leaving
        self._ear = ear
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="runtime")
        # Servers on one host begin far from each other: limits of a user count what others run under the same number.
        self._uids = itertools.count(os.getpid() * _USERS_APART)
        self._groups = itertools.count()
        self._removals: set[asyncio.Task[None]] = set()

    @property
    def sink(self) -> Sink:
        """Where output goes: set before the first invocation."""
        assert self._ear.sink is not None
        return self._ear.sink

    def credentials(self, spec: FunctionSpec) -> Mapping[str, str]:
        assert self._ear.credentials is not None
        return self._ear.credentials(spec)

    def next_uid(self) -> int:
        """The host user of the next instance; of no meaning where instances have none."""
        users = self.launcher.users
        return users[next(self._uids) % len(users)] if users is not None else 0

    async def on_thread(self, work: Callable[[], None]) -> None:
        """Blocking file work, off the loop."""
        await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def sweep(self) -> None:
        """Remove what a killed server left behind; its processes may still be dying."""
        hierarchy = self.hierarchy
        if hierarchy is None:
            return
        for _ in range(_REMOVE_TRIES):
            if await asyncio.get_running_loop().run_in_executor(self._executor, hierarchy.sweep):
                return
            await asyncio.sleep(_REMOVE_PAUSE)

    async def create_group(self, spec: FunctionSpec) -> Group | None:
        """The control group of an instance: MemorySize + EphemeralStorage, since a tmpfs is charged to it."""
        hierarchy = self.hierarchy
        if hierarchy is None:
            return None
        size = (spec.memory_mb + spec.ephemeral_mb) * 1024 * 1024
        name = str(next(self._groups))
        return await asyncio.get_running_loop().run_in_executor(self._executor, hierarchy.create, name, size)

    async def enter_group(self, group: Group, pid: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, group.enter, pid)

    def gone(self, instance: Process) -> None:
        """An instance is dead."""
        self._ear.gone(instance)
        self.bury(instance.group)

    def bury(self, group: Group | None) -> None:
        """Remove a group as soon as the kernel has buried the last process."""
        if group is not None:
            task = asyncio.ensure_future(self._remove(group))
            self._removals.add(task)
            task.add_done_callback(self._removals.discard)

    async def _remove(self, group: Group) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_REMOVE_TRIES):
            with contextlib.suppress(OSError):
                if await loop.run_in_executor(self._executor, group.remove):
                    return
            await asyncio.sleep(_REMOVE_PAUSE)

    async def close(self) -> None:
        """After the instances are gone: wait for removals, drop what this server made."""
        while self._removals:
            _done, pending = await asyncio.wait(self._removals, timeout=10)
            if pending:
                break
        if self.hierarchy is not None:
            await self.on_thread(self.hierarchy.close)
        self._executor.shutdown(wait=False)
