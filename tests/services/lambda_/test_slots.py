"""Concurrency over the nodes of a cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import slots
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.names import FunctionName
from freehold.work.members import TTL_S
from tests.services.lambda_.nodes import Cluster, on, until
from tests.services.lambda_.support import ACCOUNT, REGION, Body, World

HELLO = FunctionName(ACCOUNT, REGION, "hello", "")


class Work:
    """What runs, on all nodes together."""

    def __init__(self, nodes: Cluster, seconds: float = 0.0) -> None:
        self.running = self.most = self.ran = 0
        self.begun: dict[World, int] = {}
        self._seconds = seconds
        self.go = asyncio.Event()
        if seconds:
            self.go.set()
        for world in nodes.worlds:
            world.runtime.body = self._body(world)

    def _body(self, world: World) -> Body:
        async def body(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            self.running += 1
            self.most = max(self.most, self.running)
            self.begun[world] = self.begun.get(world, 0) + 1
            try:
                await self.go.wait()
                await asyncio.sleep(self._seconds)
            finally:
                self.running -= 1
                self.ran += 1
            return Outcome(b"{}", billed_ms=1)

        return body


def reserved(count: int, body):  # type: ignore[no-untyped-def]
    """A test on three nodes with a function of so much reserved concurrency."""

    async def test(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=count)
        await body(nodes)

    on(3, test)


def begin(world: World) -> asyncio.Task[dict[str, object]]:
    return asyncio.ensure_future(world("Invoke", FunctionName="hello"))


async def succeeds(world: World) -> bool:
    try:
        await begin(world)
    except Fault as fault:
        assert fault.code == "TooManyRequestsException"
        assert fault.fields["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        return False
    return True


def visits(world: World) -> int:
    shared = engine_of(world.platform).slots
    assert isinstance(shared, slots.SharedSlots)
    return shared.visits


def test_a_reservation_is_never_exceeded_and_fully_used_by_all_nodes_together() -> None:
    async def body(nodes: Cluster) -> None:
        work = Work(nodes, 0.004)
        refused = 0

        async def client(world: World, number: int) -> None:
            nonlocal refused
            for _ in range(60):
                if not await succeeds(world):
                    refused += 1
                    await asyncio.sleep(0.002 + number / 5000)

        await asyncio.gather(*(client(world, number) for world in nodes.worlds for number in range(6)))
        assert work.most == 5, "all of it, and no more"
        assert refused and work.ran > 200
        assert len(work.begun) == 3 and min(work.begun.values()) > 20, f"nobody starves: {list(work.begun.values())}"

    reserved(5, body)


def test_one_call_after_the_other_succeeds_wherever_it_arrives() -> None:
    async def body(nodes: Cluster) -> None:
        Work(nodes, 0.001)
        for _ in range(6):
            for world in nodes.worlds:
                assert await succeeds(world), "nothing else runs"

    reserved(1, body)


def test_invocations_that_find_a_slot_write_nothing() -> None:
    async def body(nodes: Cluster) -> None:
        Work(nodes, 0.0001)
        world = nodes.worlds[1]
        await begin(world)
        await asyncio.sleep(2 * slots.PACE_S)
        before = visits(world)
        for _ in range(200):
            await begin(world)
        assert visits(world) == before

    reserved(5, body)


def test_refusals_do_not_write_one_by_one() -> None:
    async def body(nodes: Cluster) -> None:
        work = Work(nodes)
        holding = [begin(nodes.worlds[0]) for _ in range(5)]
        await until(lambda: work.running == 5)
        before = visits(nodes.worlds[1])
        answers = [await succeeds(nodes.worlds[1]) for _ in range(300)]
        assert not any(answers) and visits(nodes.worlds[1]) - before < 60
        work.go.set()
        await asyncio.gather(*holding)

    reserved(5, body)


def test_with_nothing_reserved_nothing_runs_anywhere() -> None:
    async def body(nodes: Cluster) -> None:
        work = Work(nodes, 0.001)
        assert [await succeeds(world) for world in nodes.worlds] == [False] * 3
        assert work.ran == 0

    reserved(0, body)


def test_less_is_in_force_on_every_node_when_the_call_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LOOK_S", 0.03)
    monkeypatch.setattr(slots, "HUNGER_S", 0.03)

    async def body(nodes: Cluster) -> None:
        first, second, third = nodes.worlds
        work = Work(nodes)
        holding = [begin(world) for world in (first, first, second, second, third)]
        await until(lambda: work.running == 5)
        await first("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=2)
        assert [await succeeds(world) for world in nodes.worlds] == [False] * 3
        work.go.set()
        await asyncio.gather(*holding)
        await asyncio.sleep(5 * slots.LOOK_S)
        work.go.clear()
        work.most = 0
        attempts = [asyncio.ensure_future(succeeds(world)) for world in nodes.worlds for _ in range(2)]
        await until(lambda: sum(task.done() for task in attempts) >= 4)
        work.go.set()
        assert sorted(await asyncio.gather(*attempts)) == [False] * 4 + [True] * 2 and work.most == 2

    reserved(5, body)


def test_slots_that_were_taken_in_advance_are_not_used_after_a_reduction() -> None:
    async def body(nodes: Cluster) -> None:
        work = Work(nodes)
        holding = []
        for number, world in enumerate(nodes.worlds, 1):
            holding.append(begin(world))
            await until(lambda number=number: work.running == number)  # type: ignore[misc]
        pools = [engine_of(world.platform).slots.pool(*HELLO[:3]) for world in nodes.worlds]
        assert all(pool.limit > 3 for pool in pools)
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=3)
        answers = await asyncio.gather(*(succeeds(world) for world in nodes.worlds for _ in range(3)))
        assert answers == [False] * 9 and work.most == 3
        work.go.set()
        await asyncio.gather(*holding)

    reserved(60, body)


def test_a_visit_that_was_under_way_when_less_was_reserved_lets_nobody_in() -> None:
    async def body(nodes: Cluster) -> None:
        first, second, _ = nodes.worlds
        work, gate = Work(nodes), asyncio.Event()
        work.go.set()
        assert await succeeds(first)
        work.go.clear()
        shared = engine_of(second.platform).slots
        assert isinstance(shared, slots.SharedSlots)
        book = shared._book

        async def slow(*arguments: Any, **options: Any) -> Any:
            granted = await book(*arguments, **options)
            await gate.wait()
            return granted

        shared._book = slow  # type: ignore[method-assign]
        attempts = [asyncio.ensure_future(succeeds(second))]
        pool = shared.pool(*HELLO[:3])
        visits_before = shared.visits
        await until(lambda: shared.visits > visits_before and bool(pool.waiting))
        await asyncio.sleep(0.01)
        work.most = 0
        await first("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        attempts += [asyncio.ensure_future(succeeds(second)) for _ in range(3)]
        await until(lambda: len(pool.waiting) == 4)
        gate.set()
        await until(lambda: sum(task.done() for task in attempts) == 3)
        assert work.running == work.most == 1
        work.go.set()
        await asyncio.gather(*attempts)

    reserved(60, body)


def test_more_is_in_force_on_every_node() -> None:
    async def body(nodes: Cluster) -> None:
        work = Work(nodes)
        holding = [begin(nodes.worlds[0])]
        await until(lambda: work.running == 1)
        assert not await succeeds(nodes.worlds[1])
        await nodes.worlds[2]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=3)
        holding += [begin(world) for world in nodes.worlds[1:]]
        await until(lambda: work.running == 3)
        work.go.set()
        await asyncio.gather(*holding)

    reserved(1, body)


def test_what_ran_before_it_was_reserved_counts_on_every_node() -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        work = Work(nodes)
        holding = [begin(world) for world in nodes.worlds for _ in range(2)]
        await until(lambda: work.running == 6)
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=7)
        holding.append(begin(nodes.worlds[1]))
        await until(lambda: work.running == 7)
        assert [await succeeds(world) for world in nodes.worlds] == [False] * 3
        work.go.set()
        await asyncio.gather(*holding)

    on(3, body)


def test_slots_of_a_dead_node_are_used_by_others_and_it_begins_nothing_any_more() -> None:
    async def body(nodes: Cluster) -> None:
        first, second, _ = nodes.worlds
        work = Work(nodes)
        holding = [begin(first) for _ in range(3)]
        await until(lambda: work.running == 3)
        nodes.cut_off(first)
        await nodes.beat(TTL_S / 2)
        assert not await succeeds(second), "it is not dead yet"
        await nodes.beat(2 * TTL_S)
        engine = engine_of(first.platform)
        pool = engine.slots.pool(*HELLO[:3])
        assert not engine.slots.enter(pool)
        with pytest.raises(slots.Full):
            await engine.slots.wait(pool)
        work.go.set()
        await asyncio.gather(*holding)
        work.go.clear()
        more = [begin(second) for _ in range(3)]
        await until(lambda: work.running == 3)
        nodes.join(first)
        await nodes.beat()
        assert not engine.slots.enter(pool), "what it held is another's"
        assert not await succeeds(first)
        work.go.set()
        await asyncio.gather(*more)
        await until(lambda: succeeds(first))

    reserved(3, body)


def test_slots_of_a_node_that_is_back_are_its_own_before_others_have_noticed() -> None:
    async def body(nodes: Cluster) -> None:
        first, second, _ = nodes.worlds
        work = Work(nodes)
        nodes.cut_off(first)
        await nodes.beat(2 * TTL_S)
        nodes.join(first)
        await first.platform.duties.turn()
        holding = begin(first)
        await until(lambda: work.running == 1)
        assert not second.platform.duties.members.is_live(first.platform.duties.members.id)
        assert not await succeeds(second) and work.most == 1
        work.go.set()
        await holding

    reserved(1, body)


def test_what_lies_idle_is_given_back() -> None:
    async def body(nodes: Cluster) -> None:
        world = nodes.worlds[0]
        await world.create()
        work = Work(nodes)
        holding = [begin(world) for _ in range(60)]
        await until(lambda: work.running == 60)
        shared = engine_of(world.platform).slots
        assert isinstance(shared, slots.SharedSlots)
        pool = shared.pool(ACCOUNT, REGION, "")
        assert 60 <= pool.granted < 300
        work.go.set()
        await asyncio.gather(*holding)
        await until(lambda: pool.task is None)
        await shared.give_back_idle(pool)
        assert pool.granted >= 60, "it was used a moment ago"
        await shared.give_back_idle(pool)
        assert pool.granted == pool.limit == 0

    on(3, body)


def test_the_accounts_concurrency_holds_over_all_nodes() -> None:
    async def body(nodes: Cluster) -> None:
        await nodes.worlds[0].create()
        await nodes.worlds[0].create("other")
        await nodes.worlds[0]("PutFunctionConcurrency", FunctionName="other", ReservedConcurrentExecutions=900)
        work = Work(nodes)
        tasks = [begin(world) for world in nodes.worlds for _ in range(50)]
        await until(lambda: work.running + sum(task.done() for task in tasks) == 150)
        assert work.running == work.most == 100
        work.go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        reasons = {answer.fields["Reason"] for answer in answers if isinstance(answer, Fault)}
        assert reasons == {"ConcurrentInvocationLimitExceeded"}

    on(3, body)


def test_alone_no_row_is_written() -> None:
    async def main() -> None:
        async with World() as world:
            await world.create()
            await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=2)
            await begin(world)
            found = await world.platform.store.read(lambda tx: tx.scan(b"", b"\xff"))
            assert not any(b"slots" in key for key, _ in found)
            assert isinstance(engine_of(world.platform).slots, slots.OwnSlots)

    asyncio.run(main())
