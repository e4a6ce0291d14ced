"""Event source mappings on the nodes of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from freehold.services.lambda_.mappings import supervision
from freehold.work.members import BEAT_S, TTL_S
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, FakeQueues
from tests.services.lambda_.nodes import Cluster, on, until


class Benches:
    """A bench for each node; the queues are those of all."""

    def __init__(self, nodes: Cluster) -> None:
        self.nodes = nodes
        self.all = [Bench(world) for world in nodes.worlds]
        queues = FakeQueues(nodes.worlds[0].platform.store._store, nodes.clock)  # type: ignore[attr-defined]
        queues.queues = self.all[0].queues.queues
        for bench in self.all:
            bench.queues = queues
            bench.world.platform.queues = queues  # type: ignore[assignment]
        self.queues = queues

    async def worker(self, uuid: str) -> Bench:
        """The node that has the mapping."""

        def those() -> list[Bench]:
            return [
                bench
                for bench in self.all
                if bench.world not in self.nodes.dead and bench.world.platform.duties.holds(f"lambda:mapping:{uuid}")
            ]

        for _ in range(10):
            await self.nodes.beat(BEAT_S)
            if those():
                break
        (found,) = those()
        return found

    def other(self, bench: Bench) -> Bench:
        return next(each for each in self.all if each is not bench and each.world not in self.nodes.dead)

    async def arrives(self, uuid: str, state: str) -> None:
        for _ in range(200):
            await self.nodes.beat()
            if await self.all[0].state(uuid) == state:
                return
        raise AssertionError(f"never {state}: {await self.all[0].state(uuid)}")

    def seen(self) -> list[str]:
        return [body for bench in self.all for body in bench.seen()]


def run(body: Callable[[Benches], Awaitable[None]], count: int = 2) -> None:
    async def test(nodes: Cluster) -> None:
        benches = Benches(nodes)
        await nodes.worlds[0].create()
        await body(benches)
        for bench in benches.all:
            if bench.gate is not None:
                bench.gate.set()

    on(count, test)


def test_one_node_works_a_mapping_wherever_it_was_made() -> None:
    async def body(benches: Benches) -> None:
        uuid = await benches.all[0].map()
        await benches.arrives(uuid, "Enabled")
        worker = await benches.worker(uuid)
        await benches.queues.send(QUEUE, "a", "b")
        await until(lambda: sorted(benches.seen()) == ["a", "b"])
        assert sorted(worker.seen()) == ["a", "b"]
        await until(lambda: benches.all[0].left() == [])  # deleted when the function has answered

    run(body, 3)


def test_changes_by_any_node_arrive() -> None:
    async def body(benches: Benches) -> None:
        uuid = await benches.all[0].map(BatchSize=10)
        await benches.arrives(uuid, "Enabled")
        other = benches.other(await benches.worker(uuid))
        await other.world("UpdateEventSourceMapping", UUID=uuid, BatchSize=1)
        await benches.arrives(uuid, "Enabled")
        await benches.queues.send(QUEUE, "a", "b")
        await until(lambda: len(benches.seen()) == 2)
        assert sorted(batch for bench in benches.all for batch in bench.batches) == [["a"], ["b"]]
        await other.world("UpdateEventSourceMapping", UUID=uuid, Enabled=False)
        await benches.arrives(uuid, "Disabled")
        await benches.nodes.beat(BEAT_S)
        assert not any(bench.world.platform.duties.declared.get(f"lambda:mapping:{uuid}") for bench in benches.all)
        await benches.queues.send(QUEUE, "c")
        await asyncio.sleep(0.02)
        assert len(benches.seen()) == 2
        await benches.all[0].world("UpdateEventSourceMapping", UUID=uuid, Enabled=True)
        await benches.arrives(uuid, "Enabled")
        await until(lambda: len(benches.seen()) == 3)
        await benches.all[1].world("DeleteEventSourceMapping", UUID=uuid)
        await benches.nodes.beat(BEAT_S)
        for bench in benches.all:
            found = await bench.world("ListEventSourceMappings")
            assert found["EventSourceMappings"] == []
        store = benches.all[0].world.platform.store
        rows = await store.read(lambda tx: tx.scan(b"", b"\xff"))
        assert not any(uuid.encode() in key for key, _ in rows), "nothing is left of it"

    run(body)


@pytest.mark.parametrize("queue", [QUEUE, FIFO])
def test_another_node_goes_on_with_the_mapping_of_a_dead_one(queue: str) -> None:
    async def body(benches: Benches) -> None:
        uuid = await benches.all[0].map(queue, BatchSize=1)
        await benches.arrives(uuid, "Enabled")
        first = await benches.worker(uuid)
        first.gate = asyncio.Event()
        group = "g" if queue == FIFO else None
        await benches.queues.send(queue, "1", "2", "3", group=group)
        await until(lambda: bool(first.batches))
        begun = first.seen()
        benches.nodes.cut_off(first.world)
        await benches.nodes.beat(TTL_S + 3 * BEAT_S)
        second = await benches.worker(uuid)
        assert second is not first
        await until(lambda: first.running == 0)  # what it cannot settle does not go on
        if queue == FIFO:
            assert second.seen() == [], "the group is locked"
        benches.nodes.clock.advance(31)
        await until(lambda: sorted(second.seen()) == ["1", "2", "3"])
        if queue == FIFO:
            assert second.seen() == ["1", "2", "3"]
        assert first.seen() == begun, "it was cut off"
        await until(lambda: second.left(queue) == [])

    run(body)


def test_a_mapping_that_moves_loses_nothing_and_what_runs_ends_where_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "PATIENCE_S", 0.05)

    async def body(benches: Benches) -> None:
        uuid = await benches.all[0].map(BatchSize=1)
        await benches.arrives(uuid, "Enabled")
        first = await benches.worker(uuid)
        first.gate = asyncio.Event()
        await benches.queues.send(QUEUE, *map(str, range(8)))
        await until(lambda: first.running == 5)
        duty = first.world.platform.duties.declared[f"lambda:mapping:{uuid}"]
        moving = duty.hand_over()
        assert moving is not None
        await moving
        del first.world.platform.duties.declared[duty.name]
        second = await benches.worker(uuid)
        assert second is not first
        await until(lambda: len(second.seen()) == 3)
        first.gate.set()
        await until(lambda: first.left() == [])
        assert sorted(benches.seen()) == [str(number) for number in range(8)], "each once"

    run(body)


def test_batches_have_a_moment_to_end_before_their_mapping_moves() -> None:
    async def body(benches: Benches) -> None:
        uuid = await benches.all[0].map(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
        await benches.arrives(uuid, "Enabled")
        first = await benches.worker(uuid)
        first.gate = asyncio.Event()
        await benches.queues.send(QUEUE, *map(str, range(4)))
        await until(lambda: first.running == 2)
        moving = first.world.platform.duties.declared[f"lambda:mapping:{uuid}"].hand_over()
        assert moving is not None
        await asyncio.sleep(0.05)
        assert not moving.done() and first.running == 2
        first.gate.set()
        await moving
        assert first.running == 0 and len(first.left()) == 2

    run(body)
