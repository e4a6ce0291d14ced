"""Operations on whole queues: time passes, attributes change, messages are purged."""

from __future__ import annotations

from freehold.kit.faults import Fault
from tests.services.sqs.model.pair import Pair


async def advance(pair: Pair) -> None:
    seconds = pair.random.choice([0.001, 0.5, 1, 5, 20, 30, 60, 299, 300, 900, 3_600, 43_200])
    pair.say(f"{seconds}")
    await pair.sqs.advance(seconds)


async def configure(pair: Pair) -> None:
    queue, rnd = pair.queue, pair.random
    choice = rnd.choice(["VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod"])
    value = {
        "VisibilityTimeout": rnd.choice([0, 5, 60]),
        "DelaySeconds": rnd.choice([0, 5, 900]),
        "MessageRetentionPeriod": rnd.choice([60, 3_600, 345_600]),
    }[choice]
    field_name = {"VisibilityTimeout": "visibility", "DelaySeconds": "delay", "MessageRetentionPeriod": "retention"}
    pair.say(f"{choice} {value}")
    await pair.sqs("SetQueueAttributes", QueueUrl=pair.url(queue), Attributes={choice: str(value)})
    setattr(queue, field_name[choice], value)
    await pair.sqs.timers.settle()


async def purge(pair: Pair) -> None:
    if pair.random.random() < 0.7:
        return
    queue = pair.random.choice([pair.queue, pair.dead])
    refused = pair.now - queue.purged < 60_000
    pair.say(queue.name)
    try:
        await pair.sqs("PurgeQueue", QueueUrl=pair.url(queue))
    except Fault as fault:
        assert refused and fault.code == "PurgeQueueInProgress", fault
        return
    assert not refused
    pair.ever(queue)
    queue.messages, queue.purged = [], pair.now
    await pair.sqs.timers.settle()
