"""Random lives of a mapping: whatever is changed on the way, nothing is lost, and what succeeded is not done again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, run

SETTINGS: list[dict[str, Any]] = [
    {"Enabled": True},
    {"Enabled": False},
    {"BatchSize": 3},
    {"BatchSize": 10},
    {"ScalingConfig": {"MaximumConcurrency": 2}},
    {"ScalingConfig": {}},
]


@pytest.mark.parametrize("seed", range(24))
def test_nothing_is_lost_and_nothing_that_succeeded_comes_again(seed: int) -> None:
    chance = random.Random(seed)
    queue = FIFO if seed % 2 else QUEUE

    async def body(bench: Bench) -> None:
        bench.queues.queues[queue].visibility_s = 600
        succeeded: Counter[str] = Counter()
        order: list[str] = []
        running: set[str] = set()
        sent = 0

        async def work(records: list[dict[str, Any]]) -> dict[str, Any]:
            ids = [record["body"] for record in records]
            assert not running.intersection(ids)
            running.update(ids)
            for _ in range(chance.randrange(5)):
                await asyncio.sleep(0)
            running.difference_update(ids)
            if chance.random() < 0.15:
                raise ValueError("at random")
            at = chance.randrange(len(records)) if chance.random() < 0.2 else len(records)
            succeeded.update(ids[:at])
            order.extend(ids[:at])
            return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records[at:]]}

        bench.answer = work
        uuid = await bench.map(queue, FunctionResponseTypes=["ReportBatchItemFailures"])
        for _ in range(40):
            what = chance.randrange(6)
            if what < 3:
                for _ in range(chance.randrange(1, 30)):
                    group = chance.choice("gh") if queue == FIFO else None
                    await bench.queues.send(queue, f"{group}{sent:04}", group=group)
                    sent += 1
            elif what == 3:
                try:
                    await bench.world("UpdateEventSourceMapping", UUID=uuid, **chance.choice(SETTINGS))
                except Fault as fault:
                    assert fault.code == "ResourceInUseException"
            elif what == 4:
                amount = chance.randrange(4)
                await bench.world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=amount)
            else:
                bench.world.clock.advance(chance.choice([0.1, 1, 30]))
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
        await bench.settle()
        await bench.world("DeleteFunctionConcurrency", FunctionName="hello")
        await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=True)
        for _ in range(60):
            await bench.world.later(600)
            if not bench.left(queue):
                break
        assert bench.left(queue) == []
        assert len(succeeded) == sent
        assert set(succeeded.values()) == {1}
        if queue == FIFO:
            for group in "gh":
                of_group = [each for each in order if each[0] == group]
                assert of_group == sorted(of_group)

    run(body)
