"""Queues as other services use them: inside their transactions, and as consumers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.store.base import Tx
from tests.services.sqs.support import ACCOUNT, OTHER, Sqs, arn, scenario

TOPIC = Source("sns.amazonaws.com", f"arn:aws:sns:us-east-1:{ACCOUNT}:t", ACCOUNT)
ROLE = Source("pipes.amazonaws.com", "arn:p", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/r")


async def send(sqs: Sqs, queue: str, *messages: Outgoing, source: Source = ROLE) -> list[str | None]:
    now_ms = sqs.clock.now_ms()
    return await sqs.store.transact(lambda tx: sqs.port.send(tx, arn(queue), messages, now_ms=now_ms, source=source))


def policy(**condition: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn("q"),
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@scenario
async def test_a_service_sends_if_the_policy_lets_it_for_its_resource(sqs: Sqs) -> None:
    url = await sqs.queue()
    message = Outgoing("00000000-0000-4000-8000-000000000001", "x", trace="Root=1")

    async def code() -> str | None:
        try:
            await send(sqs, "q", message, source=TOPIC)
            await sqs.store.read(lambda tx: sqs.port.check(tx, arn("q"), TOPIC))
        except Fault as fault:
            return fault.code
        return None

    assert await code() == "AccessDenied"
    for condition, expected in (
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:other"}}, "AccessDenied"),
        ({"StringEquals": {"aws:SourceAccount": OTHER}}, "AccessDenied"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:t"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}, None),
    ):
        await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy(**condition)})
        assert await code() == expected, condition
    (found,) = await sqs.receive(url)
    assert found["MessageId"] == message.id and found["Attributes"]["AWSTraceHeader"] == "Root=1"


@scenario
async def test_a_role_of_the_account_needs_no_policy_and_one_of_another_does(sqs: Sqs) -> None:
    url = await sqs.queue()
    await send(sqs, "q", Outgoing("00000000-0000-4000-8000-000000000001", "x"))
    assert await sqs.bodies(url) == ["x"]
    foreign = Source("pipes.amazonaws.com", "arn:p", OTHER, f"arn:aws:iam::{OTHER}:role/r")
    with pytest.raises(Fault) as caught:
        await send(sqs, "q", Outgoing("00000000-0000-4000-8000-000000000002", "y"), source=foreign)
    assert caught.value.code == "AccessDenied"
    await sqs("AddPermission", QueueUrl=url, Label="l", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    await send(sqs, "q", Outgoing("00000000-0000-4000-8000-000000000002", "y"), source=foreign)
    assert await sqs.bodies(url) == ["y"]


@scenario
async def test_a_send_that_fails_has_written_nothing_and_may_be_caught(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo")
    good = Outgoing("00000000-0000-4000-8000-000000000001", "good", group="g", deduplication="d")
    bad = Outgoing("00000000-0000-4000-8000-000000000002", "bad", group="g")

    def body(tx: Tx) -> str:
        try:
            sqs.port.send(tx, arn("q.fifo"), [good, bad], now_ms=sqs.clock.now_ms(), source=ROLE)
        except Fault as fault:
            return fault.code
        return ""

    assert await sqs.store.transact(body) == "InvalidParameterValue"
    assert await sqs.counts(url) == (0, 0, 0)
    (sequence,) = await send(sqs, "q.fifo", good)
    (message,) = await sqs.receive(url)
    assert message["Attributes"]["SequenceNumber"] == sequence


@scenario
async def test_faults_of_a_send_are_those_of_send_message(sqs: Sqs) -> None:
    await sqs.queue("q.fifo")
    for queue, message, code in (
        ("none", Outgoing("1", "x"), "QueueDoesNotExist"),
        ("q.fifo", Outgoing("1", "x", deduplication="d"), "MissingParameter"),
        ("q.fifo", Outgoing("1", "x", group="g", deduplication="d", delay_s=1), "InvalidParameterValue"),
    ):
        with pytest.raises(Fault) as caught:
            await send(sqs, queue, message)
        assert caught.value.code == code


@scenario
async def test_a_consumer_receives_deletes_and_returns_messages(sqs: Sqs) -> None:
    url = await sqs.queue(VisibilityTimeout=7)
    settings = await sqs.store.read(lambda tx: sqs.port.settings(tx, arn("q")))
    assert settings is not None
    assert (settings.arn, settings.url_path, settings.fifo) == (arn("q"), f"/{ACCOUNT}/q", False)
    assert settings.visibility_timeout_s == 7
    attributes = {"a": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    messages = [Outgoing(f"00000000-0000-4000-8000-{n:012}", str(n), attributes) for n in range(700)]
    await send(sqs, "q", *messages[:400])
    await send(sqs, "q", *messages[400:])
    found, due = await sqs.port.receive(arn("q"), most=650)
    assert [message.body for message in found] == [str(n) for n in range(650)] and due is None
    assert found[0].attributes == attributes and found[0].attributes_md5 is not None
    assert found[0].system["ApproximateReceiveCount"] == "1"
    await sqs.port.delete(arn("q"), [message.receipt for message in found[:600]] + ["stale"])
    await sqs.port.change_visibility(arn("q"), [message.receipt for message in found], 0)
    assert await sqs.counts(url) == (100, 0, 0)
    found, due = await sqs.port.receive(arn("q"), most=1_000, visibility_timeout_s=60)
    assert len(found) == 100 and due == sqs.clock.now_ms() + 60_000
    assert await sqs.port.receive(arn("q"), most=10) == ([], due)


@scenario
async def test_a_queue_that_is_not_there_has_no_settings(sqs: Sqs) -> None:
    for name in (arn("none"), "nonsense", "arn:aws:sns:us-east-1:111122223333:t"):
        assert await sqs.store.read(lambda tx, name=name: sqs.port.settings(tx, name)) is None  # type: ignore[misc]
    with pytest.raises(Fault) as caught:
        await sqs.port.receive(arn("none"), most=1)
    assert caught.value.code == "QueueDoesNotExist"
