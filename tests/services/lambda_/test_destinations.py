"""Where events end: destinations and dead-letter queues."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import limits
from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.messages import sent
from tests.services.lambda_.support import ACCOUNT, ARN, REGION, ROLE, World
from tests.services.lambda_.test_events import fail, invoke, later, meter, waiting

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:done"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"


async def configure(world: World, success: str | None = None, failure: str | None = None, **more: Any) -> None:
    sides = {"OnSuccess": success, "OnFailure": failure}
    config = {side: {"Destination": target} for side, target in sides.items() if target}
    await world("PutFunctionEventInvokeConfig", **{"FunctionName": "hello", "DestinationConfig": config} | more)


async def records(world: World, target: str) -> list[dict[str, Any]]:
    return [orjson.loads(message["body"]) for message in await sent(world.platform.store, target)]


def test_the_record_of_a_success() -> None:
    async def body(world: World) -> None:
        await world.create()
        await configure(world, QUEUE, DEAD)
        await invoke(world, payload=b'{"n": 12345678901234567890, "x": 1.50}')
        await world.settle()
        (record,) = await records(world, QUEUE)
        ((_, invocation),) = world.runtime.seen
        assert record == {
            "version": "1.0",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "requestContext": {
                "requestId": invocation.request_id,
                "functionArn": f"{ARN}:hello:$LATEST",
                "condition": "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": {"n": 12345678901234567890, "x": 1.5},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"n": 12345678901234567890, "x": 1.5},
        }
        (message,) = await sent(world.platform.store, QUEUE)
        assert b'"x": 1.50' in message["body"].encode(), "payloads are not rewritten"
        assert message["trace"] == invocation.trace_header
        assert {(source.service, source.role) for source in world.messages.sources} == {("lambda.amazonaws.com", ROLE)}
        assert await records(world, DEAD) == [] and await waiting(world) == 0
        assert await meter(world, "AsyncEventsDropped") == 0

    run(body)


def test_the_record_of_a_failure_and_the_dead_letter() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create(DeadLetterConfig={"TargetArn": DEAD})
        await configure(world, failure=QUEUE)
        await invoke(world)
        await later(world, 179)
        assert await records(world, QUEUE) == []
        await later(world, 1)
        (record,) = await records(world, QUEUE)
        request_id = world.runtime.seen[0][1].request_id
        assert record["requestContext"] == {
            "requestId": request_id,
            "functionArn": f"{ARN}:hello:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        }
        assert record["timestamp"] == "2026-01-01T00:03:00.000Z"
        assert record["responseContext"] == {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
        assert record["responsePayload"] == {"errorMessage": "no", "errorType": "E"}
        (dead,) = await sent(world.platform.store, DEAD)
        assert dead["body"] == '{"a": 1}'
        assert dead["attributes"] == {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "no"},
        }
        assert await waiting(world) == 0

    run(body)


def test_topics_functions_and_buses() -> None:
    async def body(world: World) -> None:
        await world.create()
        await world.create("next")
        for target in (TOPIC, f"{ARN}:next", BUS):
            await configure(world, target)
            await invoke(world)
            await world.settle()
        (note,) = await sent(world.platform.store, TOPIC)
        assert orjson.loads(note["message"])["requestContext"]["condition"] == "Success"
        (given,) = [invocation for spec, invocation in world.runtime.seen if spec.name == "next"]
        assert orjson.loads(given.payload)["requestPayload"] == {"a": 1}
        (event,) = await sent(world.platform.store, BUS)
        assert (event["source"], event["detail_type"]) == ("lambda", "Lambda Function Invocation Result - Success")
        assert event["resources"] == [f"{ARN}:hello:$LATEST", BUS]
        assert event["detail"]["responsePayload"] == {"a": 1}
        assert event["trace"].startswith("Root=") and "Lineage" not in event["trace"]

    run(body)


def test_failures_go_to_a_bucket_under_their_documented_key() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        await configure(world, failure="arn:aws:s3:::records", MaximumRetryAttempts=0)
        await invoke(world)
        await world.settle()
        (((bucket, key), text),) = world.objects.items()
        assert bucket == "records"
        assert key.startswith("aws/lambda/async/hello/2026/01/01/2026-01-01T00.00.00-") and len(key) == 54 + 36
        assert orjson.loads(text)["requestContext"]["condition"] == "RetriesExhausted"

    run(body)


def test_a_function_reserved_to_zero_sends_its_events_on_at_once() -> None:
    async def body(world: World) -> None:
        await world.create(DeadLetterConfig={"TargetArn": TOPIC})
        await configure(world, failure=QUEUE)
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=0)
        await invoke(world)
        await world.settle()
        assert world.runtime.seen == []
        (record,) = await records(world, QUEUE)
        assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert "responseContext" not in record and "responsePayload" not in record
        (note,) = await sent(world.platform.store, TOPIC)
        assert note["attributes"]["ErrorCode"] == {"DataType": "Number", "StringValue": "429"}

    run(body)


def test_an_event_that_outlived_its_age_says_so() -> None:
    async def body(world: World) -> None:
        gate = asyncio.Event()

        async def wait(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            await gate.wait()
            return Outcome(b"null")

        world.runtime.body = wait
        await world.create()
        await configure(world, failure=QUEUE, MaximumEventAgeInSeconds=60)
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        holding = asyncio.ensure_future(world("Invoke", FunctionName="hello"))
        await asyncio.sleep(0)
        await invoke(world)
        await later(world, 300)
        (record,) = await records(world, QUEUE)
        assert record["requestContext"]["condition"] == "EventAgeExceeded"
        gate.set()
        await holding
        assert len(world.runtime.seen) == 1

    run(body)


def test_qualifiers_have_settings_of_their_own() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1")
        await configure(world, QUEUE, Qualifier="live")
        await invoke(world)
        await invoke(world, Qualifier="1")
        await world.settle()
        assert await records(world, QUEUE) == []
        await invoke(world, Qualifier="live")
        await world.settle()
        (record,) = await records(world, QUEUE)
        assert record["requestContext"]["functionArn"] == f"{ARN}:hello:live"
        assert record["responseContext"]["executedVersion"] == "1"

    run(body)


def test_what_cannot_be_delivered_is_counted_and_the_event_ends() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create(DeadLetterConfig={"TargetArn": f"{DEAD}-gone"})
        await configure(world, failure=f"{QUEUE}-full", MaximumRetryAttempts=0)
        await invoke(world)
        await world.settle()
        assert await meter(world, "DestinationDeliveryFailures") == 1
        assert await meter(world, "DeadLetterErrors") == 1
        assert await waiting(world) == 0

    run(body)


def test_an_event_whose_sending_breaks_ends_without_it() -> None:
    async def body(world: World) -> None:
        await world.create()
        await configure(world, f"{QUEUE}-broken")
        await invoke(world)
        await world.settle()
        assert len(world.runtime.seen) == 1 and await waiting(world) == 0
        assert await meter(world, "DestinationDeliveryFailures") == 1

    run(body)


def test_records_too_large_for_a_topic_lose_their_payloads_if_they_tell_of_a_failure() -> None:
    async def body(world: World) -> None:
        large = b'"' + b"x" * limits.SNS_RECORD + b'"'
        await world.create()
        await configure(world, TOPIC, TOPIC, MaximumRetryAttempts=0)
        await invoke(world, payload=large)
        await world.settle()
        assert await sent(world.platform.store, TOPIC) == []
        assert await meter(world, "DestinationDeliveryFailures") == 1
        world.runtime.body = fail
        await invoke(world, payload=large)
        await world.settle()
        (note,) = await sent(world.platform.store, TOPIC)
        record = orjson.loads(note["message"])
        assert record["responseContext"]["functionError"] == "Unhandled"
        assert "requestPayload" not in record and "responsePayload" not in record

    run(body)


def test_an_answer_that_is_no_json_is_shown_as_text() -> None:
    async def body(world: World) -> None:
        async def text(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            return Outcome(b"plain \xff text")

        world.runtime.body = text
        await world.create()
        await configure(world, QUEUE)
        await invoke(world)
        await world.settle()
        (record,) = await records(world, QUEUE)
        assert record["responsePayload"] == "plain � text"

    run(body)


def test_settings_as_they_are_described() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        put = await world(
            "PutFunctionEventInvokeConfig",
            FunctionName="hello",
            MaximumRetryAttempts=1,
            DestinationConfig={"OnSuccess": {"Destination": QUEUE}},
        )
        assert put == {
            "LastModified": 1_767_225_600.0,
            "FunctionArn": f"{ARN}:hello:$LATEST",
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {}},
        }
        assert await world("GetFunctionEventInvokeConfig", FunctionName="hello", Qualifier="$LATEST") == put
        updated = await world(
            "UpdateFunctionEventInvokeConfig",
            FunctionName="hello",
            MaximumEventAgeInSeconds=100,
            DestinationConfig={"OnFailure": {"Destination": TOPIC}},
        )
        assert updated["MaximumRetryAttempts"] == 1 and updated["MaximumEventAgeInSeconds"] == 100
        assert updated["DestinationConfig"] == {
            "OnSuccess": {"Destination": QUEUE},
            "OnFailure": {"Destination": TOPIC},
        }
        cleared = await world(
            "UpdateFunctionEventInvokeConfig",
            FunctionName="hello",
            DestinationConfig={"OnSuccess": {"Destination": ""}},
        )
        assert cleared["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": TOPIC}}
        await configure(world, QUEUE, Qualifier="1")
        listed = await world("ListFunctionEventInvokeConfigs", FunctionName="hello", MaxItems=1)
        assert [each["FunctionArn"] for each in listed["FunctionEventInvokeConfigs"]] == [f"{ARN}:hello:$LATEST"]
        rest = await world("ListFunctionEventInvokeConfigs", FunctionName="hello", Marker=listed["NextMarker"])
        assert [each["FunctionArn"] for each in rest["FunctionEventInvokeConfigs"]] == [f"{ARN}:hello:1"]
        again = await world("PutFunctionEventInvokeConfig", FunctionName="hello", MaximumRetryAttempts=0)
        assert "MaximumEventAgeInSeconds" not in again and again["DestinationConfig"] == {
            "OnSuccess": {},
            "OnFailure": {},
        }
        await world("DeleteFunctionEventInvokeConfig", FunctionName="hello")
        await refused(world("GetFunctionEventInvokeConfig", FunctionName="hello"), "ResourceNotFoundException")
        await refused(world("DeleteFunctionEventInvokeConfig", FunctionName="hello"), "ResourceNotFoundException")
        await refused(
            world("UpdateFunctionEventInvokeConfig", FunctionName="hello", MaximumRetryAttempts=0),
            "ResourceNotFoundException",
            "doesn't have an EventInvokeConfig",
        )

    run(body)


def test_settings_that_are_refused() -> None:
    async def body(world: World) -> None:
        await world.create()
        put = "PutFunctionEventInvokeConfig"
        await refused(world(put, FunctionName="hello"), "InvalidParameterValueException", "at least one")
        await refused(configure(world, QUEUE, FunctionName="gone"), "ResourceNotFoundException")
        await refused(configure(world, QUEUE, Qualifier="7"), "ResourceNotFoundException")
        for success in (
            f"{QUEUE}-gone",
            f"{QUEUE}.fifo",
            "arn:aws:s3:::records",
            "arn:aws:kinesis:us-east-1:1:stream/x",
            f"{ARN}:gone",
        ):
            await refused(configure(world, success), "InvalidParameterValueException", f"{success} is invalid")
        await refused(configure(world, failure="arn:aws:s3:::other"), "InvalidParameterValueException", "is invalid")
        for own in (f"{ARN}:hello", f"{ARN}:hello:live"):
            await refused(configure(world, own), "InvalidParameterValueException", "itself")
        await refused(
            world.create("other", DeadLetterConfig={"TargetArn": BUS}), "InvalidParameterValueException", "invalid"
        )

    run(body)


def test_dead_letter_targets_are_part_of_a_version() -> None:
    async def body(world: World) -> None:
        made = await world.create(DeadLetterConfig={"TargetArn": DEAD}, Publish=True)
        assert made["DeadLetterConfig"] == {"TargetArn": DEAD}
        await world("UpdateFunctionConfiguration", FunctionName="hello", DeadLetterConfig={"TargetArn": ""})
        shown = await world("GetFunctionConfiguration", FunctionName="hello")
        assert "DeadLetterConfig" not in shown
        world.runtime.body = fail
        await invoke(world)
        await later(world, 180)
        assert await sent(world.platform.store, DEAD) == []
        await invoke(world, Qualifier="1")
        await later(world, 180)
        assert len(await sent(world.platform.store, DEAD)) == 1

    run(body)
