"""Groups of FIFO queues: one batch at a time, in order."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.services.lambda_.mappings.support import FIFO, Bench, run


def test_fifo_groups_run_one_batch_at_a_time_in_order() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        await bench.map(FIFO, BatchSize=2)
        for number in range(6):
            for group in ("g", "h"):
                await bench.queues.send(FIFO, f"{group}{number}", group=group)
        await bench.until(lambda: bench.running >= 1)
        for _ in range(100):
            await asyncio.sleep(0)
        active = [group for batch in bench.batches for group in {body[0] for body in batch}]
        assert sorted(active) == ["g", "h"], "each in one batch"
        bench.gate.set()
        await bench.settle()
        flat = bench.seen()
        assert [body for body in flat if body[0] == "g"] == [f"g{n}" for n in range(6)]
        assert [body for body in flat if body[0] == "h"] == [f"h{n}" for n in range(6)]
        assert bench.left(FIFO) == []

    run(body)


def test_a_failed_fifo_group_waits_and_others_go_on() -> None:
    async def body(bench: Bench) -> None:
        tries: list[str] = []

        def flaky(records: list[dict[str, Any]]) -> None:
            tries.extend(record["body"] for record in records)
            if records[0]["body"] == "g0" and len([each for each in tries if each == "g0"]) == 1:
                raise ValueError("once")

        bench.answer = flaky
        await bench.map(FIFO, BatchSize=1)
        await bench.queues.send(FIFO, "g0", "g1", group="g")
        await bench.queues.send(FIFO, "h0", "h1", group="h")
        await bench.settle()
        assert sorted(tries) == ["g0", "h0", "h1"]
        await bench.world.later(30)
        assert [each for each in tries if each[0] == "g"] == ["g0", "g0", "g1"]
        assert bench.left(FIFO) == []

    run(body)
