"""Random lives of a reservation: nodes begin and end invocations, are cut off and come back, and the reservation changes.
Nothing begins beyond it."""

from __future__ import annotations

import asyncio
import random

import pytest

from freehold.kit.faults import Fault
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.store.base import StoreError
from freehold.work.members import BEAT_S, TTL_S
from tests.services.lambda_.nodes import Cluster, on
from tests.services.lambda_.support import Body, World


class Life:
    """What runs on nodes that are in touch, and what may."""

    def __init__(self, nodes: Cluster, seed: int) -> None:
        self.nodes, self.chance = nodes, random.Random(seed)
        self.running: dict[World, int] = dict.fromkeys(nodes.worlds, 0)
        self.era: dict[World, int] = dict.fromkeys(nodes.worlds, 0)
        self.allowed = 4
        self.begun = self.refused = 0
        self.broken: list[str] = []
        for world in nodes.worlds:
            world.runtime.body = self.body(world)

    def body(self, world: World) -> Body:
        async def run(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            era = self.era[world]
            self.running[world] += 1
            self.begun += 1
            if (total := sum(self.running.values())) > self.allowed:
                self.broken.append(f"{total} run where {self.allowed} may")
            await asyncio.sleep(self.chance.choice((0.0, 0.002, 0.01, 0.03)))
            if era == self.era[world]:
                self.running[world] -= 1
            return Outcome(b"{}", billed_ms=1)

        return run

    async def client(self, world: World) -> None:
        while True:
            try:
                await world("Invoke", FunctionName="hello")
            except Fault:
                self.refused += 1
            except StoreError:
                pass  # it is cut off
            await asyncio.sleep(self.chance.choice((0.0, 0.001, 0.02)))

    async def happen(self) -> None:
        """Something."""
        world = self.chance.choice(self.nodes.worlds)
        match self.chance.randrange(4):
            case 0 if not self.nodes.dead:
                self.nodes.cut_off(world)
                await self.nodes.beat(self.chance.choice((BEAT_S, TTL_S + 3 * BEAT_S)))
                self.running[world] = 0  # what it began so far counts no more once it is taken for dead
                self.era[world] += 1
            case 1 if self.nodes.dead:
                await self.nodes.beat(2 * TTL_S)
                self.nodes.join(self.nodes.dead[0])
                await self.nodes.beat(BEAT_S)
            case 2 if not self.nodes.dead:
                wanted = self.chance.choice((1, 2, 4, 30))
                self.allowed = max(self.allowed, wanted)
                await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=wanted)
                await asyncio.sleep(0.02)  # those that were let in before begin
                self.allowed = wanted
            case _:
                await self.nodes.beat(BEAT_S)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_begins_beyond_the_reservation_whatever_happens(seed: int) -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=4)
        life = Life(nodes, seed)
        clients = [asyncio.ensure_future(life.client(world)) for world in nodes.worlds for _ in range(3)]
        for _ in range(14):
            await asyncio.sleep(life.chance.choice((0.01, 0.05, 0.1)))
            await life.happen()
            assert not any(client.done() for client in clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        assert not life.broken, life.broken[:3]
        assert life.begun > 50 and life.refused, (life.begun, life.refused)

    on(3, body)
