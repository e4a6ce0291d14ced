"""Operations of event source mappings: what they accept, say, and move on to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.services.lambda_.helpers import refused
from tests.services.lambda_.mappings.support import FIFO, QUEUE, Bench, Queue, run
from tests.services.lambda_.support import ACCOUNT, ARN, REGION

INVALID = "InvalidParameterValueException"


def test_a_new_mapping_is_creating_then_enabled() -> None:
    async def body(bench: Bench) -> None:
        made = await bench.world("CreateEventSourceMapping", FunctionName="hello", EventSourceArn=QUEUE)
        uuid = made["UUID"]
        assert made == {
            "UUID": uuid,
            "BatchSize": 10,
            "MaximumBatchingWindowInSeconds": 0,
            "EventSourceArn": QUEUE,
            "FunctionArn": f"{ARN}:hello",
            "LastModified": bench.world.clock.now(),
            "State": "Creating",
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": [],
            "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}",
        }
        await bench.settle()
        assert await bench.state(uuid) == "Enabled"
        paused = await bench.map(FIFO, Enabled=False)
        await bench.settle()
        assert await bench.state(paused) == "Disabled"

    run(body)


def test_settings_are_shown_changed_and_cleared() -> None:
    async def body(bench: Bench) -> None:
        settings: dict[str, Any] = {
            "BatchSize": 500,
            "MaximumBatchingWindowInSeconds": 20,
            "FilterCriteria": {"Filters": [{"Pattern": '{"body": ["x"]}'}]},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 7},
            "MetricsConfig": {"Metrics": ["EventCount"]},
        }
        uuid = await bench.map(**settings)
        shown = await bench.world("GetEventSourceMapping", UUID=uuid)
        assert {key: shown[key] for key in settings} == settings
        bench.world.clock.advance(5)
        changed = await bench.world(
            "UpdateEventSourceMapping",
            UUID=uuid,
            BatchSize=5,
            MaximumBatchingWindowInSeconds=0,
            FilterCriteria={},
            FunctionResponseTypes=[],
            ScalingConfig={},
            MetricsConfig={},
        )
        assert changed["State"] == "Updating"
        assert changed["LastModified"] == bench.world.clock.now()
        assert changed["FunctionResponseTypes"] == []
        assert not changed.keys() & {"FilterCriteria", "ScalingConfig", "MetricsConfig"}
        await bench.settle()
        assert await bench.state(uuid) == "Enabled"

    run(body)


def test_pausing_and_going_on() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map()
        assert (await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=False))["State"] == "Disabling"
        await bench.settle()
        assert await bench.state(uuid) == "Disabled"
        assert (await bench.world("UpdateEventSourceMapping", UUID=uuid, BatchSize=3))["State"] == "Updating"
        await bench.settle()
        assert await bench.state(uuid) == "Disabled"
        assert (await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=True))["State"] == "Enabling"
        await bench.settle()
        assert await bench.state(uuid) == "Enabled"

    run(body)


def test_one_mapping_of_a_queue_and_a_function() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map()
        fault = await refused(bench.map(), "ResourceConflictException")
        assert fault.message == (
            f'An event source mapping with SQS arn (" {QUEUE} ") and function (" hello ") already exists. '
            f"Please update or delete the existing mapping with UUID {uuid}"
        )
        await bench.world.create("other")
        made = await bench.world("CreateEventSourceMapping", FunctionName="other", EventSourceArn=QUEUE)
        await refused(
            bench.world("UpdateEventSourceMapping", UUID=made["UUID"], FunctionName="hello"),
            "ResourceConflictException",
        )
        await bench.world("DeleteEventSourceMapping", UUID=uuid)
        await bench.world("UpdateEventSourceMapping", UUID=made["UUID"], FunctionName="hello")
        shown = await bench.world("GetEventSourceMapping", UUID=made["UUID"])
        assert shown["FunctionArn"] == f"{ARN}:hello"

    run(body)


def test_deleting() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map()
        assert (await bench.world("DeleteEventSourceMapping", UUID=uuid))["State"] == "Deleting"
        await bench.settle()
        text = "The resource you requested does not exist."
        for operation in ("Get", "Delete", "Update"):
            await refused(bench.world(f"{operation}EventSourceMapping", UUID=uuid), "ResourceNotFoundException", text)
        await bench.map()

    run(body)


def test_a_mapping_that_is_on_its_way_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.services.lambda_.mappings.control.ARRIVAL_S", 0.0)

    async def body(bench: Bench) -> None:
        bench.gate = asyncio.Event()
        uuid = await bench.map()
        await bench.settle()
        await bench.queues.send(QUEUE, "slow")
        await bench.until(lambda: bench.running == 1)
        await bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=False)
        fault = await refused(bench.world("DeleteEventSourceMapping", UUID=uuid), "ResourceInUseException")
        assert fault.message == "Cannot delete the event source mapping because it is in use."
        fault = await refused(
            bench.world("UpdateEventSourceMapping", UUID=uuid, Enabled=True), "ResourceInUseException"
        )
        assert fault.message == "Cannot update the event source mapping because it is in use."
        assert await bench.state(uuid) == "Disabling"
        bench.gate.set()
        await bench.settle()
        assert await bench.state(uuid) == "Disabled"

    run(body)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater"),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor is not supported"),
        ({"StartingPosition": "LATEST"}, "StartingPosition is not supported"),
        ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts is not supported"),
        ({"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}, "DestinationConfig is not supported"),
        ({"Topics": ["t"]}, "Topics is not supported"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition."),
        ({"MetricsConfig": {"Metrics": ["KafkaMetrics"]}}, "KafkaMetrics"),
    ],
)
def test_what_a_standard_queue_does_not_take(settings: dict[str, Any], text: str) -> None:
    async def body(bench: Bench) -> None:
        await refused(bench.map(**settings), INVALID, text)

    run(body)


def test_what_asks_for_nothing_passes() -> None:
    async def body(bench: Bench) -> None:
        await bench.map(
            BisectBatchOnFunctionError=False, DestinationConfig={"OnFailure": {}}, Topics=[], KMSKeyArn="", Tags={}
        )

    run(body)


def test_fifo_queues_take_ten_and_no_window() -> None:
    async def body(bench: Bench) -> None:
        window = {"MaximumBatchingWindowInSeconds": 1}
        await refused(bench.map(FIFO, **window), INVALID, "Batching window is not supported for FIFO queues")
        await refused(bench.map(FIFO, BatchSize=11), INVALID, "Batch size over 10 is not supported for FIFO queues")
        await bench.map(FIFO, BatchSize=10)

    run(body)


def test_queue_and_function_must_go_together() -> None:
    async def body(bench: Bench) -> None:
        bench.queues.queues[QUEUE] = Queue(visibility_s=2)
        text = "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds"
        assert (await refused(bench.map(), INVALID)).message == text
        del bench.queues.queues[QUEUE]
        await refused(bench.map(), INVALID, "AWS.SimpleQueueService.NonExistentQueue")
        gone = bench.world("CreateEventSourceMapping", FunctionName="nobody", EventSourceArn=FIFO)
        await refused(gone, INVALID, "Function does not exist")
        alias = bench.world("CreateEventSourceMapping", FunctionName="hello:live", EventSourceArn=FIFO)
        await refused(alias, INVALID, "Function does not exist")

    run(body)


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        (None, INVALID, "Event source ARN is required"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:topic", INVALID, "Unrecognized event source"),
        (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders", INVALID, "region"),
        (f"arn:aws:sqs:{REGION}:999900001111:orders", "NotImplemented", "queues of other accounts"),
        (f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", "NotImplemented", "Kinesis"),
        (f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t/stream/1", "NotImplemented", "DynamoDB"),
        (f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/c", "NotImplemented", "MSK"),
    ],
)
def test_sources_that_are_not_queues_of_the_account(source: str | None, code: str, text: str) -> None:
    async def body(bench: Bench) -> None:
        request = {"EventSourceArn": source} if source else {}
        await refused(bench.world("CreateEventSourceMapping", FunctionName="hello", **request), code, text)

    run(body)


def test_refused_by_name() -> None:
    async def body(bench: Bench) -> None:
        await refused(bench.map(KMSKeyArn="arn:aws:kms:us-east-1:1:key/x"), "NotImplemented", "KMSKeyArn")
        config = {"MinimumPollers": 2}
        await refused(bench.map(ProvisionedPollerConfig=config), "NotImplemented", "ProvisionedPollerConfig")
        kafka = bench.world("CreateEventSourceMapping", FunctionName="hello", SelfManagedEventSource={"Endpoints": {}})
        await refused(kafka, "NotImplemented", "Kafka")

    run(body)


def test_lists_by_source_and_function_in_pages() -> None:
    async def body(bench: Bench) -> None:
        await bench.world.create("other")
        await bench.world("PublishVersion", FunctionName="hello")
        made = set()
        for function in ("hello", "other", "hello:1"):
            for queue in (QUEUE, FIFO):
                request = {"FunctionName": function, "EventSourceArn": queue}
                made.add((await bench.world("CreateEventSourceMapping", **request))["UUID"])

        async def listed(**request: Any) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while True:
                page = await bench.world("ListEventSourceMappings", **request)
                found += page["EventSourceMappings"]
                if "NextMarker" not in page:
                    return found
                request["Marker"] = page["NextMarker"]

        assert {each["UUID"] for each in await listed()} == made
        assert {each["UUID"] for each in await listed(MaxItems=1)} == made
        assert len(await listed(EventSourceArn=QUEUE)) == 3
        assert [each["FunctionArn"] for each in await listed(FunctionName="hello", MaxItems=1)] == [f"{ARN}:hello"] * 2
        assert len(await listed(FunctionName="hello:1", EventSourceArn=FIFO)) == 1
        await refused(bench.world("ListEventSourceMappings", Marker="x"), INVALID, "Invalid marker")

    run(body)


def test_tags() -> None:
    async def body(bench: Bench) -> None:
        uuid = await bench.map(Tags={"a": "1", "b": "2"})
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"
        await bench.world("TagResource", Resource=arn, Tags={"c": "3", "a": "4"})
        await bench.world("UntagResource", Resource=arn, TagKeys=["b"])
        assert await bench.world("ListTags", Resource=arn) == {"Tags": {"a": "4", "c": "3"}}
        gone = arn.replace(uuid, "nobody")
        await refused(bench.world("ListTags", Resource=gone), "ResourceNotFoundException")
        await refused(bench.world("ListTags", account="999900001111", Resource=arn), "ResourceNotFoundException")

    run(body)
