"""FIFO queues: what the model of random operations does not cover."""

from __future__ import annotations

import pytest

from freehold.kit.faults import Fault
from tests.services.sqs.support import Sqs, scenario


@scenario
async def test_a_group_with_a_message_in_flight_gives_no_other(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    for body in ("a1", "a2", "b1"):
        await sqs.send(url, body, MessageGroupId=body[0])
    (first,) = await sqs.receive(url, 1)
    assert (first["Body"], await sqs.bodies(url)) == ("a1", ["b1"])
    await sqs.delete(url, first)
    assert await sqs.bodies(url) == ["a2"]
    await sqs.advance(30)
    assert await sqs.bodies(url) == ["a2", "b1"]


@scenario
async def test_an_expired_handle_deletes_nothing(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    await sqs.send(url, "x", MessageGroupId="g")
    (message,) = await sqs.receive(url)
    await sqs.advance(30)
    with pytest.raises(Fault) as caught:
        await sqs.delete(url, message)
    handle = message["ReceiptHandle"]
    assert caught.value.message == (
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    )
    assert await sqs.bodies(url) == ["x"]


@scenario
async def test_deduplication_ends_after_five_minutes(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo")
    more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first = await sqs("SendMessage", QueueUrl=url, MessageBody="1", **more)
    await sqs.advance(299.999)
    again = await sqs("SendMessage", QueueUrl=url, MessageBody="2", **more)
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    await sqs.advance(0.001)
    third = await sqs("SendMessage", QueueUrl=url, MessageBody="3", **more)
    assert third["SequenceNumber"] > first["SequenceNumber"]
    assert await sqs.bodies(url) == ["1", "3"]


@scenario
async def test_a_deleted_message_is_remembered(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    await sqs.send(url, "x", MessageGroupId="g")
    (message,) = await sqs.receive(url)
    await sqs.delete(url, message)
    await sqs("PurgeQueue", QueueUrl=url)
    await sqs.send(url, "x", MessageGroupId="g")
    assert await sqs.counts(url) == (0, 0, 0)


@scenario
async def test_the_delay_of_a_queue_acts_on_messages_that_are_there(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true", DelaySeconds=60)
    await sqs.send(url, "x", MessageGroupId="g")
    await sqs.advance(10)
    assert (await sqs.bodies(url), await sqs.counts(url)) == ([], (0, 1, 0))
    await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "10"})
    await sqs.advance(0)
    assert await sqs.bodies(url) == ["x"]


@scenario
async def test_one_receive_takes_as_many_of_a_group_as_possible_and_many_groups(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    for n in range(4):
        for group in "abc":
            await sqs.send(url, f"{group}{n}", MessageGroupId=group)
    assert await sqs.bodies(url) == ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3", "c0", "c1"]
    assert await sqs.bodies(url) == []


@scenario
async def test_an_attempt_that_is_made_again_resets_the_visibility_timeout(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    await sqs.send(url, "x", MessageGroupId="g")
    first = await sqs.receive(url, ReceiveRequestAttemptId="a")
    await sqs.advance(20)
    again = await sqs.receive(url, ReceiveRequestAttemptId="a")
    assert again == first and again
    await sqs.advance(20)
    assert await sqs.bodies(url) == []
    await sqs.advance(10)
    assert await sqs.bodies(url) == ["x"]


@scenario
async def test_what_is_remembered_for_five_minutes_goes(sqs: Sqs) -> None:
    url = await sqs.queue("q.fifo", ContentBasedDeduplication="true", VisibilityTimeout=0)
    empty = await sqs.rows()
    for n in range(30):
        await sqs.send(url, str(n), MessageGroupId="g")
        await sqs.receive(url, ReceiveRequestAttemptId=str(n))
        await sqs.advance(20)
    await sqs("PurgeQueue", QueueUrl=url)
    await sqs.advance(1_200)
    assert await sqs.rows() == empty + 1  # the counter of sequence numbers
