"""Reading a queue and invoking: when a mapping looks, which version it invokes, what goes on with a message, metrics."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.kit.faults import Fault
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, run


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
