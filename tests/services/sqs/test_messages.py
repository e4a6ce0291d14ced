"""Sending, receiving, deleting: what the model of random operations does not cover."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.sqs.digests import of_attributes
from tests.services.sqs.support import Sqs, scenario


def text(value: str, kind: str = "String") -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


async def refused(sqs: Sqs, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await sqs(operation, **request)
    return caught.value


def test_the_digest_of_attributes_is_that_of_the_developer_guide() -> None:
    # "Calculating the MD5 message digest": length and bytes of name and type, kind of transport, length and value.
    packed = b"\x00\x00\x00\x01a\x00\x00\x00\x06String\x01\x00\x00\x00\x01x"
    packed += b"\x00\x00\x00\x01b\x00\x00\x00\x06Binary\x02\x00\x00\x00\x02\x00\x01"
    assert of_attributes({"b": ("Binary", b"\x00\x01"), "a": ("String", "x")}) == hashlib.md5(packed).hexdigest()


@scenario
async def test_a_message_is_shown_with_its_digests_and_attributes(sqs: Sqs) -> None:
    url = await sqs.queue()
    attributes = {
        "a": text("x"),
        "app.b": text("1.5e3", "Number.float"),
        "c": {"DataType": "Binary", "BinaryValue": b"\x00"},
    }
    trace = {"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793")}
    sent = await sqs(
        "SendMessage", QueueUrl=url, MessageBody="ü", MessageAttributes=attributes, MessageSystemAttributes=trace
    )
    assert sent["MD5OfMessageBody"] == hashlib.md5("ü".encode()).hexdigest()
    assert sent["MD5OfMessageSystemAttributes"] == of_attributes(
        {"AWSTraceHeader": ("String", trace["AWSTraceHeader"]["StringValue"])}
    )
    (message,) = await sqs.receive(url, MessageAttributeNames=["All"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"] == {
        "SenderId": "111122223333",
        "SentTimestamp": str(sqs.clock.now_ms()),
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": str(sqs.clock.now_ms()),
        "AWSTraceHeader": trace["AWSTraceHeader"]["StringValue"],
    }


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["All"], {"a", "app.b", "app.c"}),
        ([".*"], {"a", "app.b", "app.c"}),
        (["app.*"], {"app.b", "app.c"}),
        (["a", "none"], {"a"}),
        (["none"], set()),
        ([], set()),
    ],
)
def test_attributes_are_shown_by_name_or_prefix(names: list[str], shown: set[str]) -> None:
    @scenario
    async def run(sqs: Sqs) -> None:
        url = await sqs.queue()
        attributes = {"a": text("1"), "app.b": text("2"), "app.c": text("3")}
        await sqs.send(url, "x", MessageAttributes=attributes)
        (message,) = await sqs.receive(url, MessageAttributeNames=names)
        assert set(message.get("MessageAttributes", {})) == shown
        expected = (
            of_attributes({name: ("String", attributes[name]["StringValue"]) for name in shown}) if shown else None
        )
        assert message.get("MD5OfMessageAttributes") == expected

    run()


@scenario
async def test_system_attributes_are_shown_only_when_asked_for(sqs: Sqs) -> None:
    url = await sqs.queue(VisibilityTimeout=0)
    await sqs.send(url, "x")
    (plain,) = (await sqs("ReceiveMessage", QueueUrl=url))["Messages"]
    assert "Attributes" not in plain
    (some,) = (await sqs("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["SentTimestamp"]))["Messages"]
    assert set(some["Attributes"]) == {"SentTimestamp"}
    fault = await refused(sqs, "ReceiveMessage", QueueUrl=url, AttributeNames=["Nonsense"])
    assert fault.code == "InvalidAttributeName"


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"MessageBody": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
        ({"MessageBody": "\x00"}, "InvalidMessageContents", "Invalid characters found."),
        ({"MessageBody": "\ufffe"}, "InvalidMessageContents", "Invalid characters found."),
        ({"DelaySeconds": 901}, "InvalidParameterValue", "DelaySeconds must be >= 0 and <= 900."),
        ({"MessageDeduplicationId": "d"}, "InvalidParameterValue", "not valid for this queue type"),
        ({"MessageGroupId": "a b"}, "InvalidParameterValue", "alphanumeric and punctuation characters"),
        ({"MessageAttributes": {"a": text("x", "Text")}}, "InvalidParameterValue", "supported type prefixes"),
        ({"MessageAttributes": {"a": text("x", "Number")}}, "InvalidParameterValue", "Can't cast the value"),
        ({"MessageAttributes": {"a": text("")}}, "InvalidParameterValue", "non-empty message attribute value"),
        ({"MessageAttributes": {"AWS.a": text("x")}}, "InvalidParameterValue", "reserved prefix"),
        ({"MessageAttributes": {"a..b": text("x")}}, "InvalidParameterValue", "periods in succession"),
        ({"MessageAttributes": {f"a{n}": text("x") for n in range(11)}}, "InvalidParameterValue", "[11] exceeds"),
        ({"MessageSystemAttributes": {"Other": text("x")}}, "InvalidParameterValue", "'Other' is invalid"),
    ],
)
def test_a_message_that_is_wrong_is_refused(request_: dict[str, Any], code: str, message: str) -> None:
    @scenario
    async def run(sqs: Sqs) -> None:
        url = await sqs.queue()
        fault = await refused(sqs, "SendMessage", **({"QueueUrl": url, "MessageBody": "x"} | request_))
        assert fault.code == code and message in fault.message
        assert await sqs.receive(url) == []

    run()


@scenario
async def test_the_maximum_message_size_counts_attributes(sqs: Sqs) -> None:
    url = await sqs.queue(MaximumMessageSize=1024)
    attributes = {"name": text("v" * 14)}  # 4 + 6 + 14
    await sqs.send(url, "x" * 1000, MessageAttributes=attributes)
    fault = await refused(sqs, "SendMessage", QueueUrl=url, MessageBody="x" * 1001, MessageAttributes=attributes)
    assert fault.message == "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    await sqs.send(await sqs.queue("large"), "x" * (1 << 20))


@scenario
async def test_a_batch_is_checked_as_a_whole_before_its_entries(sqs: Sqs) -> None:
    url = await sqs.queue()

    async def code(entries: list[dict[str, Any]]) -> str:
        return (await refused(sqs, "SendMessageBatch", QueueUrl=url, Entries=entries)).code

    def entry(entry_id: str, body: str = "x") -> dict[str, Any]:
        return {"Id": entry_id, "MessageBody": body}

    assert await code([]) == "EmptyBatchRequest"
    assert await code([entry(str(n)) for n in range(11)]) == "TooManyEntriesInBatchRequest"
    assert await code([entry("a"), entry("a")]) == "BatchEntryIdsNotDistinct"
    assert await code([entry("a b")]) == "InvalidBatchEntryId"
    assert await code([entry("a", "x" * (1 << 19)), entry("b", "x" * ((1 << 19) + 1))]) == "BatchRequestTooLong"
    assert await sqs.receive(url) == []


@scenario
async def test_entries_of_a_batch_succeed_and_fail_each_for_itself(sqs: Sqs) -> None:
    url = await sqs.queue()
    bodies = {"good": "x", "bad": "\x01", "large": "y"}
    entries = [{"Id": name, "MessageBody": body} for name, body in bodies.items()]
    answer = await sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "large"]
    ((failed),) = answer["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("bad", True, "InvalidMessageContents")
    handles = [message["ReceiptHandle"] for message in await sqs.receive(url)]
    entries = [{"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate([*handles, "nonsense"])]
    changes = [{**entry, "VisibilityTimeout": 60} for entry in entries[1:]]
    changed = await sqs("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=changes)
    assert [entry["Id"] for entry in changed["Successful"]] == ["1"]
    deleted = await sqs("DeleteMessageBatch", QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in deleted["Successful"]] == ["0", "1"]
    assert deleted["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert await sqs.counts(url) == (0, 0, 0)


@scenario
async def test_a_handle_of_another_queue_or_a_changed_one_is_invalid(sqs: Sqs) -> None:
    url, other = await sqs.queue(), await sqs.queue("other")
    await sqs.send(url, "x")
    (message,) = await sqs.receive(url)
    handle: str = message["ReceiptHandle"]
    for queue, given in ((other, handle), (url, handle[:-5] + "A" + handle[-4:]), (url, "AQEBé"), (url, "")):
        fault = await refused(sqs, "DeleteMessage", QueueUrl=queue, ReceiptHandle=given)
        assert fault.code == "ReceiptHandleIsInvalid"


@scenario
async def test_parameters_of_a_receive_have_their_ranges(sqs: Sqs) -> None:
    url = await sqs.queue()
    wrong: list[dict[str, Any]] = [
        {"MaxNumberOfMessages": 0},
        {"MaxNumberOfMessages": 11},
        {"WaitTimeSeconds": 21},
        {"VisibilityTimeout": 43_201},
        {"ReceiveRequestAttemptId": "a"},
    ]
    for request in wrong:
        fault = await refused(sqs, "ReceiveMessage", QueueUrl=url, **request)
        assert fault.code == "InvalidParameterValue", request


@scenario
async def test_more_messages_than_may_be_in_flight_are_over_the_limit(sqs: Sqs) -> None:
    url, fifo = await sqs.queue(), await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    limit = pytest.MonkeyPatch()
    limit.setattr("freehold.services.sqs.rows.MAX_IN_FLIGHT", 3)
    try:
        for n in range(5):
            await sqs.send(url, str(n))
            await sqs.send(fifo, str(n), MessageGroupId=str(n))
        assert await sqs.bodies(url) == ["0", "1", "2"]
        assert (await refused(sqs, "ReceiveMessage", QueueUrl=url)).code == "OverLimit"
        assert len(await sqs.bodies(fifo)) == 3
        assert await sqs.bodies(fifo) == []  # a FIFO queue gives no more, and no error
        await sqs.advance(30)
        assert len(await sqs.bodies(url)) == 3
    finally:
        limit.undo()


@scenario
async def test_groups_of_a_standard_queue_take_turns(sqs: Sqs) -> None:
    """Fair queues: a tenant with a backlog does not delay the others."""
    url = await sqs.queue()
    for n in range(20):
        await sqs.send(url, f"noisy {n}", MessageGroupId="noisy")
    await sqs.advance(1)
    await sqs.send(url, "quiet 0", MessageGroupId="quiet")
    await sqs.send(url, "quiet 1", MessageGroupId="quiet")
    await sqs.send(url, "alone")
    found = await sqs.receive(url, 6)
    assert [m["Body"] for m in found] == ["noisy 0", "quiet 0", "alone", "noisy 1", "quiet 1", "noisy 2"]
    assert found[1]["Attributes"]["MessageGroupId"] == "quiet" and "MessageGroupId" not in found[2]["Attributes"]
    assert await sqs.bodies(url, 2) == ["noisy 3", "noisy 4"]
    await sqs.advance(1)
    await sqs.send(url, "quiet 2", MessageGroupId="quiet")
    await sqs.advance(1)
    assert await sqs.bodies(url, 3) == ["noisy 5", "quiet 2", "noisy 6"]
    assert len(await sqs.bodies(url)) == 10 and len(await sqs.bodies(url)) == 3
    assert await sqs.bodies(url) == []  # in flight, more than one of a group


@scenario
async def test_a_queue_leaves_no_rows_when_all_is_done(sqs: Sqs) -> None:
    url, fifo = await sqs.queue(), await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    for n in range(20):
        await sqs.send(url, str(n), DelaySeconds=n % 3)
        await sqs.send(url, str(n), DelaySeconds=n % 3, MessageGroupId=str(n % 2))
        await sqs.send(fifo, str(n), MessageGroupId=str(n % 4))
    await sqs.receive(url)
    await sqs.receive(fifo, ReceiveRequestAttemptId="a")
    await sqs("DeleteQueue", QueueUrl=url)
    await sqs("DeleteQueue", QueueUrl=fifo)
    await sqs.advance(1_200)
    assert await sqs.rows() == 0


@scenario
async def test_the_trace_of_the_sender_goes_with_the_message_unless_it_brings_its_own(sqs: Sqs) -> None:
    url = await sqs.queue()
    answer = await sqs("SendMessage", trace="Root=caller", QueueUrl=url, MessageBody="x")
    assert "MD5OfMessageSystemAttributes" not in answer
    own = {"AWSTraceHeader": text("Root=own")}
    await sqs("SendMessage", trace="Root=caller", QueueUrl=url, MessageBody="y", MessageSystemAttributes=own)
    found = await sqs.receive(url)
    assert [message["Attributes"]["AWSTraceHeader"] for message in found] == ["Root=caller", "Root=own"]
