"""Several nodes of a cluster on one memory store, under a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from freehold.kit.clock import ManualClock
from freehold.kit.ids import Ids
from freehold.store.base import Store, StoreError
from freehold.store.memory import MemoryStore
from freehold.work.members import BEAT_S
from tests.services.lambda_.support import World


class Hands(ManualClock):
    """Real monotonic time, which can be moved on as well."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Cut:
    """A node's way to the store that all share; it can be cut."""

    shared = True

    def __init__(self, store: Store) -> None:
        self._store, self.cut = store, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def at_hand(self, key: bytes) -> None:
        """Nothing: another node may have written it."""

    async def transact(self, body: Any, *, lane: bytes | None = None, early: bool = False) -> Any:
        self._check()
        return await self._store.transact(body)

    async def read(self, body: Any) -> Any:
        self._check()
        return await self._store.read(body)

    async def read_many(self, body: Any) -> Any:
        return await self.read(body)

    def _check(self) -> None:
        if self.cut:
            raise StoreError("cut off")


class Cluster:
    """The nodes, and time for all of them."""

    def __init__(self, worlds: list[World], clock: Hands) -> None:
        self.worlds, self.clock = worlds, clock
        self.dead: list[World] = []

    async def beat(self, seconds: float = 0.0) -> None:
        """Let monotonic time pass, with the turns that nodes take meanwhile."""
        while True:
            for _ in range(3):
                for world in self.worlds:
                    world.platform.duties.stop_if_out_of_touch()
                    if world not in self.dead:
                        with contextlib.suppress(StoreError):
                            await world.platform.duties.turn()
                await asyncio.sleep(0.002)
            if seconds <= 0:
                return
            self.clock.ahead += BEAT_S
            seconds -= BEAT_S

    def cut_off(self, world: World) -> None:
        """Nothing that it does reaches the store any more."""
        world.platform.store.cut = True  # type: ignore[attr-defined]
        self.dead.append(world)

    def join(self, world: World) -> None:
        """It reaches the store again."""
        world.platform.store.cut = False  # type: ignore[attr-defined]
        self.dead.remove(world)


@contextlib.asynccontextmanager
async def cluster(count: int) -> AsyncIterator[Cluster]:
    """Nodes that have joined."""
    store, clock = MemoryStore(Ids(1), repeat=0.125, shared=True), Hands()
    async with contextlib.AsyncExitStack() as stack:
        blobs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worlds = [World(store=Cut(store), clock=clock, seed=seed, blobs=blobs) for seed in range(1, count + 1)]
        for world in worlds:
            await stack.enter_async_context(world)
        nodes = Cluster(worlds, clock)
        await nodes.beat(BEAT_S)
        yield nodes
        for world in list(nodes.dead):
            nodes.join(world)


def on(count: int, body: Callable[[Cluster], Awaitable[None]]) -> None:
    """Run a test on so many nodes."""

    async def main() -> None:
        async with cluster(count) as nodes:
            await asyncio.wait_for(body(nodes), 20)

    asyncio.run(main())


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 5.0) -> None:
    """Return when it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.002)
