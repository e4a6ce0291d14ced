"""Mappings that stop and go on: disabled, deleted, without their queue or function, with their server."""

from __future__ import annotations

import asyncio

from freehold.services.lambda_.mappings import supervision
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, Queue, bodies, run


def test_disabling_lets_what_runs_end_and_reads_nothing_more() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        uuid = await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *bodies(8))
        await bench.until(lambda: bench.running == 5)
        await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=False)
        assert await bench.state(uuid) == "Disabling"
        bench.gate.set()
        await bench.settle()
        assert await bench.state(uuid) == "Disabled"
        assert len(bench.batches) == 5
        assert len(bench.left()) == 3
        await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=True)
        await bench.settle()
        assert bench.left() == []
        assert sorted(bench.seen()) == bodies(8)

    run(body)


def test_what_gathers_in_a_window_goes_back_to_the_queue_when_the_mapping_stops() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map(BatchSize=100, MaximumBatchingWindowInSeconds=10)
        await bench.queues.send(QUEUE, "a", "b")
        await bench.settle()
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [1, 1]
        await bench.world("DeleteEventSourceMapping", UUID=uuid)
        await bench.settle()
        now = bench.world.clock.now_ms()
        assert bench.left() == ["a", "b"]
        assert all(each.due_ms <= now for each in bench.queues.queues[QUEUE].messages)
        assert bench.batches == []

    run(body)


def test_a_mapping_without_its_queue_or_function_says_so_and_goes_on_when_they_are_back() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map()
        await bench.settle()

        async def result() -> str | None:
            await bench.settle()
            found = await bench.world("GetEventSourceMapping", UUID=uuid)
            assert found["State"] == "Enabled"
            shown: str | None = found.get("LastProcessingResult")
            return shown

        del bench.queues.queues[QUEUE]
        assert await result() == "PROBLEM: The source queue does not exist."
        bench.queues.queues[QUEUE] = Queue()
        assert await result() is None
        await bench.world("DeleteFunction", FunctionName="hello")
        await bench.queues.send(QUEUE, "kept")
        assert await result() == "PROBLEM: The function does not exist."
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [0]
        await bench.world.create()
        assert await result() is None
        assert bench.batches == [["kept"]]

    run(body)


def test_a_restarted_server_goes_on() -> None:
    async def body(bench: Bench) -> None:
        platform = bench.world.platform
        uuid, paused = await bench.map(), await bench.map(FIFO, Enabled=False)
        await bench.settle()
        await supervision.stop(platform)
        platform.own[supervision.OWN] = supervision.Mappings(platform)
        await supervision.start(platform)
        await bench.queues.send(QUEUE, "after")
        await bench.queues.send(FIFO, "never", group="g")
        await bench.settle()
        assert bench.batches == [["after"]]
        assert (await bench.state(uuid), await bench.state(paused)) == ("Enabled", "Disabled")

    run(body)


def test_a_server_that_stops_lets_what_runs_end_and_gives_the_rest_back() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *bodies(7))
        await bench.until(lambda: bench.running == 5)
        stopping = asyncio.ensure_future(supervision.stop(bench.world.platform))
        await asyncio.sleep(0)
        bench.gate.set()
        await stopping
        assert len(bench.batches) == 5
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [0, 0]

    run(body)
