"""How many batches run at a time: the limit and its growth, throttling, what is read in advance."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, bodies, run


def test_five_batches_at_a_time_and_no_more_than_maximum_concurrency() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        uuid = await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *bodies(40))
        await bench.until(lambda: bench.running == 5)
        for _ in range(200):
            await asyncio.sleep(0)
        assert bench.running == 5
        assert sum(1 for each in bench.queues.queues[QUEUE].messages if each.count) == 5  # nothing read in advance
        bench.gate.set()
        await bench.settle()
        assert bench.left() == []
        bench.gate = asyncio.Event()
        bench.peak = 0
        await bench.world("UpdateEventSourceMapping", UUID=uuid, ScalingConfig={"MaximumConcurrency": 2})
        await bench.settle()
        await bench.queues.send(QUEUE, *bodies(40))
        await bench.until(lambda: bench.running == 2)
        for _ in range(200):
            await asyncio.sleep(0)
        bench.gate.set()
        await bench.settle()
        assert bench.left() == []
        assert bench.peak == 2

    run(body)


def test_concurrency_grows_while_there_is_more_by_three_hundred_a_minute() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        bench.queues.queues[QUEUE].visibility_s = 600
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *bodies(8))
        await bench.until(lambda: bench.running == 5)

        async def seconds(count: float) -> int:
            for _ in range(int(count * 5)):
                bench.world.clock.advance(0.2)
                for _ in range(50):
                    await asyncio.sleep(0)
            return bench.running

        assert await seconds(0.4) in (6, 7)
        assert await seconds(2) == 8
        await bench.queues.send(QUEUE, *bodies(92))  # nobody had asked for them yet
        assert 16 <= await seconds(2) <= 20
        assert await seconds(60) == 100
        bench.gate.set()
        await bench.settle()
        assert bench.left() == []

    run(body)


def test_a_throttled_batch_keeps_trying_while_nobody_else_may_read_it() -> None:
    async def body(bench: Bench) -> None:
        await bench.world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=0)
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, "a", "b", "c")
        await bench.settle()
        # One is tried; when it is throttled nothing more is read.
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [1, 0, 0]
        await bench.world("DeleteFunctionConcurrency", FunctionName="hello")
        await bench.world.later(2)
        assert sorted(bench.batches) == [["a"], ["b"], ["c"]]
        assert bench.left() == []

    run(body)


def test_a_function_throttled_for_long_gives_its_messages_back_to_the_queue() -> None:
    async def body(bench: Bench) -> None:
        await bench.world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=0)
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, "a")
        await bench.world.later(29)
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [1]
        await bench.world.later(31)
        assert [each.count for each in bench.queues.queues[QUEUE].messages] in ([2], [3])
        assert bench.batches == []

    run(body)


def test_a_slow_function_does_not_delay_another_mapping() -> None:
    async def body(bench: Bench) -> None:
        slow = asyncio.Event()

        async def wait(records: list[dict[str, Any]]) -> None:
            if records[0]["eventSourceARN"] == QUEUE:
                await slow.wait()

        bench.answer = wait
        await bench.map(BatchSize=1)
        await bench.map(FIFO)
        await bench.queues.send(QUEUE, *bodies(50))
        await bench.until(lambda: bench.running == 5)
        await bench.queues.send(FIFO, "quick", group="g")
        await bench.until(lambda: bench.left(FIFO) == [])
        slow.set()

    run(body)


def test_large_messages_are_not_gathered_beyond_what_may_run() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        await bench.map(BatchSize=10_000, MaximumBatchingWindowInSeconds=5)
        large = "x" * 100_000
        await bench.queues.send(QUEUE, *[large] * 600)
        await bench.until(lambda: bench.running == 5)
        for _ in range(100):
            await asyncio.sleep(0)
        taken = sum(1 for each in bench.queues.queues[QUEUE].messages if each.count)
        assert 310 <= taken <= 420  # five events of 6 MB run; little more waits
        assert max(bench.queues.asked[1:]) <= 100
        assert all(60 <= len(batch) <= 63 for batch in bench.batches)
        bench.gate.set()
        await bench.world.later(5)
        assert bench.left() == []
        assert len(bench.seen()) == 600

    run(body)
