"""Asynchronous events on the nodes of a cluster."""

from __future__ import annotations

import asyncio

from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_.asynchronous import events, lanes
from freehold.work.members import TTL_S
from tests.services.lambda_.nodes import Cluster, on, until
from tests.services.lambda_.support import ACCOUNT, REGION, World


class Runs:
    """What ran where."""

    def __init__(self, nodes: Cluster) -> None:
        self.seen: list[tuple[World, bytes]] = []
        self.ended: list[bytes] = []
        self.go = asyncio.Event()
        for world in nodes.worlds:
            self.watch(world)

    def watch(self, world: World) -> None:
        async def body(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            self.seen.append((world, invocation.payload))
            await self.go.wait()
            self.ended.append(invocation.payload)
            return Outcome(b"{}", billed_ms=1)

        world.runtime.body = body


def worker(nodes: Cluster, name: str) -> World:
    """The node that works a function's events."""
    duty = f"lambda:events:{events.shard_of(ACCOUNT, REGION, name)}"
    (found,) = [world for world in nodes.worlds if world not in nodes.dead and world.platform.duties.holds(duty)]
    return found


async def event(world: World, payload: bytes) -> None:
    await world("Invoke", FunctionName="hello", InvocationType="Event", Payload=payload)


async def none_left(nodes: Cluster) -> bool:
    """Each event goes a moment after its function has answered."""
    shard = events.shard_of(ACCOUNT, REGION, "hello")
    store = next(world for world in nodes.worlds if world not in nodes.dead).platform.store
    return not await store.read(lambda tx: tx.scan(*events.shard_span(shard)))


def test_an_event_runs_once_wherever_it_is_accepted() -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        runs = Runs(nodes)
        runs.go.set()
        for number, world in enumerate(nodes.worlds * 10):
            await event(world, b"%d" % number)
        await until(lambda: len(runs.ended) == 30)
        await nodes.beat()
        assert sorted(runs.ended) == sorted(b"%d" % number for number in range(30))
        assert {world for world, _ in runs.seen} == {worker(nodes, "hello")}
        await until(lambda: none_left(nodes))

    on(3, body)


def test_events_of_a_dead_node_run_on_another_and_its_late_end_counts_for_nothing() -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        runs = Runs(nodes)
        first = worker(nodes, "hello")
        await event(first, b"1")
        await until(lambda: len(runs.seen) == 1)
        nodes.cut_off(first)
        await nodes.beat(2 * TTL_S + 3)
        await until(lambda: len(runs.seen) == 2)
        second = worker(nodes, "hello")
        assert second is not first and runs.seen[1] == (second, b"1")
        nodes.join(first)
        runs.go.set()
        await until(lambda: len(runs.ended) >= 1)
        await nodes.beat()
        await until(lambda: none_left(nodes))
        assert len(runs.seen) == 2

    on(2, body)


def test_what_runs_when_a_shard_moves_runs_to_its_end_and_nowhere_else(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(lanes, "MOMENT_S", 0.02)

    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        runs = Runs(nodes)
        first = worker(nodes, "hello")
        await event(first, b"1")
        await until(lambda: len(runs.seen) == 1)
        duty = first.platform.duties.declared[f"lambda:events:{events.shard_of(ACCOUNT, REGION, 'hello')}"]
        moving = duty.hand_over()
        assert moving is not None
        await moving
        first.platform.duties.declared.pop(duty.name)
        await nodes.beat(TTL_S + 3)
        second = worker(nodes, "hello")
        await event(first, b"2")
        await until(lambda: len(runs.seen) == 2)
        await asyncio.sleep(0.02)
        assert second is not first and runs.seen == [(first, b"1"), (second, b"2")]
        runs.go.set()
        await until(lambda: len(runs.ended) == 2)
        await nodes.beat()
        await until(lambda: none_left(nodes))
        first.platform.duties.declared[duty.name] = duty

    on(2, body)


def test_what_was_left_running_by_a_node_that_died_runs_again(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(lanes, "MOMENT_S", 0.02)

    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        runs = Runs(nodes)
        first = worker(nodes, "hello")
        await event(first, b"1")
        await until(lambda: len(runs.seen) == 1)
        duty = first.platform.duties.declared[f"lambda:events:{events.shard_of(ACCOUNT, REGION, 'hello')}"]
        moving = duty.hand_over()
        assert moving is not None
        await moving
        nodes.cut_off(first)
        await nodes.beat(2 * TTL_S + 3)
        nodes.clock.advance(lanes.HELD_MS / 1000)
        await until(lambda: len(runs.seen) == 2)
        assert runs.seen[1] == (worker(nodes, "hello"), b"1")
        runs.go.set()
        await until(lambda: len(runs.ended) == 2)
        await until(lambda: none_left(nodes))

    on(2, body)


def test_more_concurrency_rouses_the_lane_on_whichever_node_it_is() -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        runs = Runs(nodes)
        for number in range(4):
            await event(nodes.worlds[0], b"%d" % number)
        await until(lambda: len(runs.seen) == 1)
        await asyncio.sleep(0.1)
        other = next(world for world in nodes.worlds if world is not worker(nodes, "hello"))
        await other("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=4)
        await until(lambda: len(runs.seen) == 4)
        runs.go.set()
        await until(lambda: len(runs.ended) == 4)

    on(2, body)
