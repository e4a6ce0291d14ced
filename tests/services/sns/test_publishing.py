"""Publish and PublishBatch: what they take, from whom, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.identity import Source
from freehold.ports.topics import Note
from tests.services.sns.support import ACCOUNT, OTHER, REGION, Sns, scenario


@scenario
async def test_what_publish_refuses(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic)
    code = "InvalidParameterException"

    async def why(**request: Any) -> str:
        found, message = await sns.refused("Publish", **{"TopicArn": topic, "Message": "m", **request})
        assert found in (code, "InvalidParameterValueException", "NotFoundException"), found
        return message

    assert await why(Message="") == "Invalid parameter: Empty message"
    assert await why(Message="x" * (256 * 1024 + 1)) == "Invalid parameter: Message too long"
    for subject in ("", "x" * 101, "line\nbreak", "é", " begins with a space"):
        assert await why(Subject=subject) == "Invalid parameter: Subject"
    assert await why(TopicArn="x") == "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert await why(TopicArn=topic + "s") == "Topic does not exist"
    assert await why(TopicArn=topic.replace(REGION, "eu-west-1")) == "Invalid parameter: TopicArn"
    assert (await why(MessageDeduplicationId="d")).startswith("Invalid parameter: MessageDeduplicationId")
    for value, words in (
        ({"DataType": "Text", "StringValue": "x"}, "invalid message attribute type"),
        ({"DataType": "String", "StringValue": ""}, "non-empty"),
        ({"DataType": "Number", "StringValue": "five"}, "Could not cast message attribute 'a' value to number."),
        ({"DataType": "String.Array", "StringValue": '{"a": 1}'}, "JSON array"),
        ({"DataType": "Binary", "StringValue": "x"}, "non-empty"),
    ):
        assert words in await why(MessageAttributes={"a": value})
    assert sns.sent == []


@scenario
async def test_maximum_message_size_raises_the_limit_for_queues_and_functions(sns: Sns) -> None:
    topic = await sns.topic(MaximumMessageSize="1048576")
    await sns.subscribe(topic, RawMessageDelivery="true")
    await sns.publish(topic, "x" * 1_000_000)
    assert len(sns.sent[0].body) == 1_000_000
    assert (await sns.refused("Subscribe", TopicArn=topic, Protocol="email", Endpoint="a@b.cc"))[0] == (
        "InvalidParameterException"
    )


@scenario
async def test_a_batch_fails_entry_by_entry(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    entries = [
        {"Id": "1", "Message": "one"},
        {"Id": "2", "Message": ""},
        {"Id": "3", "Message": "three", "MessageDeduplicationId": "d"},
        {"Id": "4", "Message": "four"},
    ]
    found = await sns("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in found["Successful"]] == ["1", "4"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in found["Failed"]] == [
        ("2", "InvalidParameter", True),
        ("3", "InvalidParameter", True),
    ]
    assert [sent.body for sent in sns.sent] == ["one", "four"]


@scenario
async def test_what_a_batch_refuses_whole(sns: Sns) -> None:
    topic = await sns.topic()

    async def code(entries: list[dict[str, str]]) -> str:
        return (await sns.refused("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries))[0]

    assert await code([]) == "EmptyBatchRequestException"
    assert await code([{"Id": str(n), "Message": "m"} for n in range(11)]) == "TooManyEntriesInBatchRequestException"
    assert await code([{"Id": "a b", "Message": "m"}]) == "InvalidBatchEntryIdException"
    assert await code([{"Id": "a", "Message": "m"}] * 2) == "BatchEntryIdsNotDistinctException"
    big = [{"Id": str(n), "Message": "m" * 100_000} for n in range(3)]
    assert await code(big) == "BatchRequestTooLongException"


@scenario
async def test_policies_hold_for_services_and_other_accounts(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    bucket = Source("s3.amazonaws.com", "arn:aws:s3:::bucket", ACCOUNT)

    async def emit(source: Source) -> str:
        note = Note(sns.platform.ids.uuid(), "from a service")
        try:
            await sns.store.transact(
                lambda tx: sns.port.publish(tx, topic, note, now_ms=sns.clock.now_ms(), source=source)
            )
        except Fault as fault:
            assert sns.sent == []
            return fault.code
        assert [sent.body for sent in sns.sent] == ["from a service"]
        sns.written.clear()
        return "published"

    assert await emit(bucket) == "AuthorizationErrorException"
    assert (await sns.refused("Publish", TopicArn=topic, Message="m", account=OTHER))[
        0
    ] == "AuthorizationErrorException"
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "SNS:Publish",
            "Resource": topic,
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}},
        }
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert await emit(bucket) == "published"
    assert await emit(Source("s3.amazonaws.com", "arn:aws:s3:::other", ACCOUNT)) == "AuthorizationErrorException"
    assert await emit(Source("x.amazonaws.com", "a", ACCOUNT, role=f"arn:aws:iam::{ACCOUNT}:role/r")) == "published"
    await sns("AddPermission", TopicArn=topic, Label="others", AWSAccountId=[OTHER], ActionName=["Publish"])
    await sns("Publish", TopicArn=topic, Message="m", account=OTHER)
    await sns("RemovePermission", TopicArn=topic, Label="others")
    assert (await sns.refused("Publish", TopicArn=topic, Message="m", account=OTHER))[
        0
    ] == "AuthorizationErrorException"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "SNS:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert "explicit deny" in (await sns.refused("Publish", TopicArn=topic, Message="m"))[1]


@scenario
async def test_active_tracing_records_a_segment_of_sampled_traces(sns: Sns) -> None:
    topic = await sns.topic(TracingConfig="Active")
    root = "1-5759e988-bd862e3fe1be46a994272793"
    await sns.publish(topic, trace=f"Root={root};Sampled=0")
    await sns.publish(topic, trace=f"Root={root};Sampled=1")
    await sns.platform.traces.flush()
    found = await sns.platform.traces.recent(ACCOUNT, REGION)
    assert [segment["name"] for trace in found for segment in trace["Segments"]] == ["news"]
