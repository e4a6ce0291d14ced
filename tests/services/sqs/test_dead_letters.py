"""Dead-letter queues: who may name them, what comes into them, and how it goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.sqs.support import Sqs, arn, scenario


def redrive(target: str = "dead", most: int = 1) -> str:
    return json.dumps({"deadLetterTargetArn": arn(target), "maxReceiveCount": most})


async def fault(sqs: Sqs, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await sqs(operation, **request)
    return caught.value


async def bury(sqs: Sqs, url: str, *bodies: str, **more: Any) -> None:
    """Send messages that are received once and then moved."""
    for body in bodies:
        await sqs.send(url, body, **more)
    assert len(await sqs.receive(url, VisibilityTimeout=0)) == len(bodies)
    assert await sqs.receive(url) == []


@scenario
async def test_a_redrive_allow_policy_says_who_may_name_a_queue(sqs: Sqs) -> None:
    dead = await sqs.queue("dead", RedriveAllowPolicy=json.dumps({"redrivePermission": "denyAll"}))
    assert (await fault(sqs, "CreateQueue", QueueName="q", Attributes={"RedrivePolicy": redrive()})).message.endswith(
        "Queue does not have permission to use the dead-letter queue."
    )
    by_queue = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn("q")]})
    await sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"RedriveAllowPolicy": by_queue})
    await sqs.queue("q", RedrivePolicy=redrive())
    assert (await fault(sqs, "CreateQueue", QueueName="r", Attributes={"RedrivePolicy": redrive()})).code == (
        "InvalidParameterValue"
    )
    await sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"RedriveAllowPolicy": ""})
    await sqs.queue("r", RedrivePolicy=redrive())
    await sqs.queue("r.fifo")
    wrong = await fault(
        sqs, "CreateQueue", QueueName="s.fifo", Attributes={"FifoQueue": "true", "RedrivePolicy": redrive()}
    )
    assert wrong.message.endswith("Dead-letter queue must be same type of queue as the source.")


@scenario
async def test_the_sources_of_a_dead_letter_queue_are_listed(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    for name in "abc":
        await sqs.queue(name, RedrivePolicy=redrive())
    urls = [f"http://sqs/111122223333/{name}" for name in "abc"]
    assert await sqs("ListDeadLetterSourceQueues", QueueUrl=dead) == {"queueUrls": urls}
    page = await sqs("ListDeadLetterSourceQueues", QueueUrl=dead, MaxResults=2)
    assert page["queueUrls"] == urls[:2]
    rest = await sqs("ListDeadLetterSourceQueues", QueueUrl=dead, MaxResults=2, NextToken=page["NextToken"])
    assert rest == {"queueUrls": urls[2:]}
    await sqs("SetQueueAttributes", QueueUrl=urls[0], Attributes={"RedrivePolicy": ""})
    await sqs("DeleteQueue", QueueUrl=urls[1])
    assert await sqs("ListDeadLetterSourceQueues", QueueUrl=dead) == {"queueUrls": urls[2:]}


@scenario
async def test_a_dead_letter_keeps_its_time_of_sending_and_expires_by_it(sqs: Sqs) -> None:
    dead = await sqs.queue("dead", MessageRetentionPeriod=120)
    url = await sqs.queue(RedrivePolicy=redrive())
    sent = sqs.clock.now_ms()
    await sqs.send(url, "x", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    (first,) = await sqs.receive(url, VisibilityTimeout=0)
    await sqs.advance(100)
    assert await sqs.receive(url) == []
    (message,) = await sqs.receive(dead, VisibilityTimeout=0, MessageAttributeNames=["All"])
    assert message["MessageId"] == first["MessageId"]
    assert message["Attributes"] == {
        "SenderId": "111122223333",
        "SentTimestamp": str(sent),
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": str(sent),
        "DeadLetterQueueSourceArn": arn("q"),
    }
    assert message["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": "b"}}
    await sqs.advance(19)
    assert await sqs.counts(dead) == (1, 0, 0)
    await sqs.advance(1)
    assert await sqs.counts(dead) == (0, 0, 0)


@scenario
async def test_without_its_dead_letter_queue_a_message_stays(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    url = await sqs.queue(RedrivePolicy=redrive())
    await sqs("DeleteQueue", QueueUrl=dead)
    await sqs.send(url, "x")
    for _ in range(3):
        assert await sqs.bodies(url, VisibilityTimeout=0) == ["x"]


@scenario
async def test_a_poll_of_the_dead_letter_queue_is_woken(sqs: Sqs) -> None:
    import asyncio

    dead = await sqs.queue("dead")
    url = await sqs.queue(RedrivePolicy=redrive())
    waiting = asyncio.create_task(sqs.bodies(dead, WaitTimeSeconds=20))
    for _ in range(10):
        await asyncio.sleep(0)
    await bury(sqs, url, "x")
    assert await waiting == ["x"]


@scenario
async def test_a_move_task_brings_messages_back_at_its_rate(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    url, other = await sqs.queue(RedrivePolicy=redrive()), await sqs.queue("other", RedrivePolicy=redrive())
    await bury(sqs, url, "a", "b", "c")
    await bury(sqs, other, "d")
    await sqs("StartMessageMoveTask", SourceArn=arn("dead"), MaxNumberOfMessagesPerSecond=2)
    await sqs.advance(0)
    (task,) = (await sqs("ListMessageMoveTasks", SourceArn=arn("dead")))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == (
        "RUNNING",
        1,
        4,
    )
    second = await fault(sqs, "StartMessageMoveTask", SourceArn=arn("dead"))
    assert second.code == "UnsupportedOperation"
    await sqs.advance(0.5)
    assert await sqs.counts(dead) == (2, 0, 0)
    await sqs.advance(1)
    (task,) = (await sqs("ListMessageMoveTasks", SourceArn=arn("dead")))["Results"]
    assert task == {
        "Status": "COMPLETED",
        "SourceArn": arn("dead"),
        "MaxNumberOfMessagesPerSecond": 2,
        "ApproximateNumberOfMessagesMoved": 4,
        "ApproximateNumberOfMessagesToMove": 4,
        "StartedTimestamp": sqs.clock.now_ms() - 1_500,
    }
    assert sorted(await sqs.bodies(url)) == ["a", "b", "c"] and await sqs.bodies(other) == ["d"]


@scenario
async def test_a_move_task_may_name_a_destination_and_be_cancelled(sqs: Sqs) -> None:
    await sqs.queue("dead")
    url, other = await sqs.queue(RedrivePolicy=redrive()), await sqs.queue("other")
    await bury(sqs, url, "a", "b", "c")
    handle = (
        await sqs(
            "StartMessageMoveTask",
            SourceArn=arn("dead"),
            DestinationArn=arn("other"),
            MaxNumberOfMessagesPerSecond=1,
        )
    )["TaskHandle"]
    await sqs.advance(1)
    answer = await sqs("CancelMessageMoveTask", TaskHandle=handle)
    assert answer == {"ApproximateNumberOfMessagesMoved": 2}
    await sqs.advance(60)
    (message, _) = await sqs.receive(other)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"  # a new message, sent when it was moved
    assert "DeadLetterQueueSourceArn" not in message["Attributes"]
    (task,) = (await sqs("ListMessageMoveTasks", SourceArn=arn("dead")))["Results"]
    assert task["Status"] == "CANCELLED" and "TaskHandle" not in task
    assert (await fault(sqs, "CancelMessageMoveTask", TaskHandle=handle)).code == "UnsupportedOperation"
    assert (await fault(sqs, "CancelMessageMoveTask", TaskHandle="nonsense")).code == "InvalidParameterValue"


@scenario
async def test_a_move_task_fails_where_a_message_has_no_source(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    await sqs.queue(RedrivePolicy=redrive())
    await sqs.send(dead, "sent here")
    await sqs("StartMessageMoveTask", SourceArn=arn("dead"))
    await sqs.advance(0)
    (task,) = (await sqs("ListMessageMoveTasks", SourceArn=arn("dead")))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert await sqs.bodies(dead) == ["sent here"]


@scenario
async def test_a_move_task_is_refused_where_it_makes_no_sense(sqs: Sqs) -> None:
    await sqs.queue("dead")
    await sqs.queue("plain")
    await sqs.queue("dead.fifo")
    await sqs.queue(RedrivePolicy=redrive())
    for source, more, expected in (
        ("none", {}, "ResourceNotFoundException"),
        ("plain", {}, "InvalidParameterValue"),
        ("dead", {"DestinationArn": arn("none")}, "ResourceNotFoundException"),
        ("dead", {"DestinationArn": arn("dead")}, "InvalidParameterValue"),
        ("dead", {"DestinationArn": arn("dead.fifo")}, "InvalidParameterValue"),
        ("dead", {"MaxNumberOfMessagesPerSecond": 501}, "InvalidParameterValue"),
    ):
        assert (await fault(sqs, "StartMessageMoveTask", SourceArn=arn(source), **more)).code == expected
    assert (await fault(sqs, "ListMessageMoveTasks", SourceArn=arn("dead"), MaxResults=11)).code == (
        "InvalidParameterValue"
    )


@scenario
async def test_the_last_ten_tasks_are_listed_latest_first(sqs: Sqs) -> None:
    await sqs.queue("dead")
    await sqs.queue(RedrivePolicy=redrive())
    for _ in range(12):
        await sqs("StartMessageMoveTask", SourceArn=arn("dead"))
        await sqs.advance(1)
    tasks = (await sqs("ListMessageMoveTasks", SourceArn=arn("dead"), MaxResults=10))["Results"]
    started = [task["StartedTimestamp"] for task in tasks]
    assert len(tasks) == 10 and started == sorted(started, reverse=True)


@scenario
async def test_a_large_dead_letter_queue_moves_in_pages(sqs: Sqs) -> None:
    dead = await sqs.queue("dead")
    url = await sqs.queue(RedrivePolicy=redrive())
    for at in range(0, 350, 10):
        entries = [{"Id": str(n), "MessageBody": str(at + n)} for n in range(10)]
        await sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
    while await sqs.receive(url, VisibilityTimeout=1):
        pass
    await sqs.advance(1)
    assert await sqs.receive(url) == []  # in one receive all are found dead
    assert await sqs.counts(dead) == (350, 0, 0)
    await sqs("StartMessageMoveTask", SourceArn=arn("dead"))
    await sqs.advance(0)
    assert await sqs.counts(dead) == (0, 0, 0) and await sqs.counts(url) == (350, 0, 0)


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_many_large_dead_letters_do_not_outgrow_a_transaction(suffix: str) -> None:
    @scenario
    async def run(sqs: Sqs) -> None:
        more: dict[str, Any] = {"MessageGroupId": "g"} if suffix else {}
        content = {"ContentBasedDeduplication": "true"} if suffix else {}
        dead = await sqs.queue("dead" + suffix)
        url = await sqs.queue("q" + suffix, RedrivePolicy=redrive("dead" + suffix), **content)
        for n in range(20):
            await sqs.send(url, f"{n:<1000000}", **more)
        for _ in range(4):
            await sqs.receive(url, VisibilityTimeout=1)
            await sqs.receive(url, VisibilityTimeout=1)
            await sqs.advance(1)
        assert await sqs.counts(url) == (0, 0, 0)
        assert await sqs.counts(dead) == (20, 0, 0)

    run()
