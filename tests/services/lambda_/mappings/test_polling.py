"""Mappings at work, on service time that only moves when a test moves it."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.lambda_.mappings import supervision
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, Queue, run


def _bodies(count: int, prefix: str = "m") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_messages_are_processed_and_deleted() -> None:
    async def body(bench: Bench) -> None:
        await bench.queues.send(QUEUE, *_bodies(25))
        await bench.map()
        assert await bench.settle()
        assert sorted(bench.seen()) == sorted(_bodies(25))
        assert max(map(len, bench.batches)) == 10
        assert bench.left() == []
        assert not await bench.settle()

    run(body)


def test_a_send_wakes_and_an_idle_mapping_reads_nothing() -> None:
    async def body(bench: Bench) -> None:
        await bench.map()
        await bench.settle()
        reads = bench.queues.reads
        for _ in range(200):
            await asyncio.sleep(0)
        assert bench.queues.reads == reads
        await bench.queues.send(QUEUE, "now")
        await bench.until(lambda: bench.left() == [])
        assert bench.batches == [["now"]]

    run(body)


def test_delayed_messages_come_when_they_are_due() -> None:
    async def body(bench: Bench) -> None:
        await bench.map()
        await bench.queues.send(QUEUE, "later", delay_s=60)
        await bench.world.later(59)
        assert bench.batches == []
        await bench.world.later(1)
        assert bench.batches == [["later"]]

    run(body)


def test_a_failed_batch_is_visible_again_after_the_visibility_timeout() -> None:
    async def body(bench: Bench) -> None:
        def fail(records: list[dict[str, Any]]) -> None:
            raise ValueError("no luck")

        bench.answer = fail
        await bench.map()
        await bench.queues.send(QUEUE, "a", "b")
        await bench.settle()
        assert len(bench.batches) == 1
        assert bench.left() == ["a", "b"]
        await bench.world.later(29)
        assert len(bench.batches) == 1
        bench.answer = lambda records: [record["attributes"]["ApproximateReceiveCount"] for record in records]
        await bench.world.later(1)
        assert bench.batches[1:] == [["a", "b"]]
        assert bench.left() == []

    run(body)


def test_reported_items_stay_the_others_are_deleted() -> None:
    async def body(bench: Bench) -> None:
        def bad(records: list[dict[str, Any]]) -> dict[str, Any]:
            failed = [record["messageId"] for record in records if "bad" in record["body"]]
            return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

        bench.answer = bad
        uuid = await bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
        await bench.queues.send(QUEUE, "a", "bad", "c")
        await bench.settle()
        assert bench.left() == ["bad"]
        await bench.world.later(30)
        assert bench.batches == [["a", "bad", "c"], ["bad"]]
        # Without the setting, what a function returns means nothing.
        await bench.world("UpdateEventSourceMapping", UUID=uuid, FunctionResponseTypes=[])
        await bench.world.later(30)
        assert bench.left() == []

    run(body)


def test_a_response_that_makes_no_sense_fails_the_whole_batch() -> None:
    async def body(bench: Bench) -> None:
        bench.answer = lambda records: {"batchItemFailures": [{"itemIdentifier": ""}]}
        await bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
        await bench.queues.send(QUEUE, "a", "b")
        await bench.settle()
        assert bench.left() == ["a", "b"]
        bench.answer = lambda records: b"null"
        await bench.world.later(30)
        assert bench.left() == []

    run(body)


def test_filters_delete_what_does_not_match() -> None:
    async def body(bench: Bench) -> None:
        filters = [{"Pattern": '{"body": {"kind": ["big"]}}'}, {"Pattern": '{"body": ["yes"]}'}]
        await bench.map(FilterCriteria={"Filters": filters})
        await bench.queues.send(QUEUE, '{"kind": "big"}', '{"kind": "small"}', "yes", "no")
        await bench.settle()
        assert bench.batches == [['{"kind": "big"}', "yes"]]
        assert bench.left() == []

    run(body)


def test_a_window_gathers_a_batch() -> None:
    async def body(bench: Bench) -> None:
        await bench.map(BatchSize=100, MaximumBatchingWindowInSeconds=10)
        await bench.queues.send(QUEUE, "a")
        await bench.world.later(4)
        await bench.queues.send(QUEUE, "b")
        await bench.world.later(5)
        assert bench.batches == []
        await bench.world.later(1)
        assert bench.batches == [["a", "b"]]
        await bench.queues.send(QUEUE, *_bodies(130))
        await bench.settle()
        assert [len(batch) for batch in bench.batches] == [2, 100]
        await bench.world.later(10)
        assert [len(batch) for batch in bench.batches] == [2, 100, 30]
        assert bench.left() == []

    run(body)


def test_five_batches_at_a_time_and_no_more_than_maximum_concurrency() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        uuid = await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *_bodies(40))
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
        await bench.queues.send(QUEUE, *_bodies(40))
        await bench.until(lambda: bench.running == 2)
        for _ in range(200):
            await asyncio.sleep(0)
        bench.gate.set()
        await bench.settle()
        assert bench.left() == []

    run(body)


def test_concurrency_grows_while_there_is_more_by_three_hundred_a_minute() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        bench.queues.queues[QUEUE].visibility_s = 600
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *_bodies(8))
        await bench.until(lambda: bench.running == 5)

        async def seconds(count: float) -> int:
            for _ in range(int(count * 5)):
                bench.world.clock.advance(0.2)
                for _ in range(50):
                    await asyncio.sleep(0)
            return bench.running

        assert await seconds(0.4) in (6, 7)
        assert await seconds(2) == 8
        await bench.queues.send(QUEUE, *_bodies(92))  # nobody had asked for them yet
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
        active: list[str] = [body[0] for batch in bench.batches for body in batch]
        assert sorted(set(active)) in (["g"], ["h"], ["g", "h"])
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


def test_disabling_lets_what_runs_end_and_reads_nothing_more() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        uuid = await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *_bodies(8))
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
        assert sorted(bench.seen()) == _bodies(8)

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
        assert all(each.due_ms <= now for each in bench.queues.queues[QUEUE].messages)
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
        await bench.queues.send(QUEUE, *_bodies(50))
        await bench.until(lambda: bench.running == 5)
        await bench.queues.send(FIFO, "quick", group="g")
        await bench.until(lambda: bench.left(FIFO) == [])
        slow.set()

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


def test_a_mapping_of_a_version_invokes_that_version() -> None:
    async def body(bench: Bench) -> None:
        await bench.world("PublishVersion", FunctionName="hello")
        await bench.world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1")
        made = await bench.world("CreateEventSourceMapping", FunctionName="hello:live", EventSourceArn=QUEUE)
        assert made["FunctionArn"].endswith(":function:hello:live")
        await bench.queues.send(QUEUE, "a")
        await bench.settle()
        spec, invocation = bench.world.runtime.seen[-1]
        assert spec.version == "1"
        assert invocation.arn.endswith(":hello:live")

    run(body)


def test_the_trace_header_of_messages_goes_on_and_loops_are_stopped() -> None:
    async def body(bench: Bench) -> None:
        await bench.map(BatchSize=1)
        root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
        await bench.queues.send(QUEUE, "a", trace=root)
        await bench.settle()
        header = bench.world.runtime.seen[-1][1].trace_header
        assert header is not None
        assert header.startswith("Root=1-5759e988-bd862e3fe1be46a994272793")
        for _ in range(20):
            await bench.queues.send(QUEUE, "again", trace=header)
            await bench.settle()
            header = bench.world.runtime.seen[-1][1].trace_header
        assert len(bench.batches) == 16
        assert bench.left() == ["again"] * 5

    run(body)


def test_metrics_are_counted_where_they_are_asked_for() -> None:
    async def body(bench: Bench) -> None:
        counted: list[tuple[str, float, str]] = []
        add = bench.world.platform.meters.add

        def note(account: str, region: str, meter: str, value: float, **dimensions: str) -> None:
            if "EventSourceMappingUUID" in dimensions:
                counted.append((meter, value, dimensions["EventSourceMappingUUID"]))
            add(account, region, meter, value, **dimensions)

        bench.world.platform.meters.add = note  # type: ignore[method-assign]
        await bench.map(FIFO)
        uuid = await bench.map(
            MetricsConfig={"Metrics": ["EventCount"]}, FilterCriteria={"Filters": [{"Pattern": '{"body": ["a"]}'}]}
        )
        await bench.queues.send(QUEUE, "a", "b")
        await bench.queues.send(FIFO, "a", group="g")
        await bench.settle()
        assert {(meter.removeprefix("AWS/Lambda:"), value) for meter, value, _ in counted} == {
            ("PolledEventCount", 2.0),
            ("FilteredOutEventCount", 1.0),
            ("InvokedEventCount", 1.0),
            ("DeletedEventCount", 1.0),
        }
        assert {owner for _, _, owner in counted} == {uuid}

    run(body)


def test_a_queue_with_too_much_in_flight_is_asked_again() -> None:
    async def body(bench: Bench) -> None:
        receive, full = bench.queues.receive, [Fault("OverLimit")]

        async def flaky(queue_arn: str, **options: Any) -> Any:
            if full:
                raise full[0]
            return await receive(queue_arn, **options)

        bench.queues.receive = flaky  # type: ignore[method-assign]
        await bench.queues.send(QUEUE, "a")
        await bench.map()
        await bench.settle()
        assert bench.batches == []
        full.clear()
        await bench.world.later(1)
        assert bench.batches == [["a"]]

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


def test_a_server_that_stops_lets_what_runs_end_and_gives_the_rest_back() -> None:
    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        await bench.map(BatchSize=1)
        await bench.queues.send(QUEUE, *_bodies(7))
        await bench.until(lambda: bench.running == 5)
        stopping = asyncio.ensure_future(supervision.stop(bench.world.platform))
        await asyncio.sleep(0)
        bench.gate.set()
        await stopping
        assert len(bench.batches) == 5
        assert [each.count for each in bench.queues.queues[QUEUE].messages] == [0, 0]

    run(body)
