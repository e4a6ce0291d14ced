"""Operations that receive, once or by an attempt that is made again; dead letters are moved meanwhile."""

from __future__ import annotations

from typing import Any

from tests.services.sqs.model.pair import Pair
from tests.services.sqs.model.queue import FIVE_MINUTES, Message, Queue
from tests.services.sqs.support import arn


async def receive(pair: Pair) -> None:
    queue = pair.dead if pair.random.random() < 0.2 else pair.queue
    await _receive(pair, queue, "")


async def attempt(pair: Pair) -> None:
    await _receive(pair, pair.queue, pair.random.choice("xyz"))


async def _receive(pair: Pair, queue: Queue, attempt: str) -> None:
    rnd, now = pair.random, pair.now
    most = 10 if pair.redrive else rnd.choice([1, 2, 5, 10])
    request: dict[str, Any] = {}
    visibility = queue.visibility
    if rnd.random() < 0.5:
        visibility = request["VisibilityTimeout"] = rnd.choice([0, 1, 20, 600, 43_200])
    if attempt:
        request["ReceiveRequestAttemptId"] = attempt
    pair.say(f"{queue.name} {most} {request}")
    found = await pair.sqs.receive(pair.url(queue), most, **request)
    pair.say(f"-> {[m['Body'] for m in found]}")
    if attempt and _again(pair, queue, attempt, found, visibility):
        return
    ready = queue.ready(now)
    alive = [[m for m in line if not queue.is_dead(m)][:10] for line in ready]
    expected = min(most, sum(len(line) for line in alive))
    assert len(found) == expected, f"received {len(found)}, not {expected}"
    by_id = {m.id: m for m in queue.messages}
    got = [by_id[m["MessageId"]] for m in found]
    for line in alive:
        mine = [m for m in got if m in line]
        assert mine == line[: len(mine)], "out of order"
    if not pair.fifo and not pair.redrive and not any(m.group for line in alive for m in line):
        keys = [(m.visible_at, m.order) for m in got]
        assert keys == sorted(keys), "not the longest visible first"
        if expected == most:
            last = max(keys, default=(0, 0))
            assert sum((m.visible_at, m.order) <= last for line in alive for m in line) == expected
    _bury(pair, queue, [m for line in ready for m in line if queue.is_dead(m)] if len(found) < most else [])
    for message, shown in zip(got, found, strict=True):
        _received(pair, message, shown, visibility)
    for line in alive:
        sequences = [m.sequence for m in line if m in got]
        assert sequences == sorted(sequences), "sequence numbers do not follow the order"
    if attempt and got:
        queue.attempts[attempt] = (now, [(m, m.here, m.visible_at) for m in got])


def _bury(pair: Pair, queue: Queue, dead: list[Message]) -> None:
    """A redrive policy moves what was received too often."""
    for message in dead:
        queue.messages.remove(message)
        pair.order += 1
        pair.dead.messages.append(
            Message(
                message.id,
                message.body,
                pair.now if pair.fifo else message.sent,
                pair.order,
                pair.now,
                message.group,
                before=message.before + message.here,
                first=message.first,
                moved_in=True,
                source=queue.name,
                sender_dedup=message.id,
            )
        )
        pair.say(f"(dead: {message.body})")


def _received(pair: Pair, message: Message, shown: dict[str, Any], visibility: int) -> None:
    now = pair.now
    message.here += 1
    message.visible_at, message.received = now + 1000 * visibility, now
    message.first = message.first or now
    assert shown["ReceiptHandle"] not in message.handles, "every receive has a handle of its own"
    message.handles.append(shown["ReceiptHandle"])
    attributes = shown["Attributes"]
    assert shown["Body"] == message.body
    assert int(attributes["ApproximateReceiveCount"]) == message.before + message.here
    assert int(attributes["ApproximateFirstReceiveTimestamp"]) == message.first
    assert int(attributes["SentTimestamp"]) == message.sent
    assert attributes.get("MessageGroupId", "") == message.group
    assert attributes.get("DeadLetterQueueSourceArn", "") == (arn(message.source) if message.source else "")
    if pair.fifo:
        assert attributes["MessageDeduplicationId"] == message.sender_dedup
        message.sequence = message.sequence or attributes["SequenceNumber"]  # that of one moved here is learned now
        assert attributes["SequenceNumber"] == message.sequence


def _again(pair: Pair, queue: Queue, attempt: str, found: list[dict[str, Any]], visibility: int) -> bool:
    """A receive attempt that is made again gets what it got, if nothing was done with it."""
    made, received = queue.attempts.get(attempt, (0, []))
    if not received or pair.now - made >= FIVE_MINUTES:
        return False
    for message, count, visible_at in received:
        present = any(m is message for m in queue.messages)
        if not present or (message.here, message.visible_at) != (count, visible_at) or visible_at <= pair.now:
            return False
    assert [m["ReceiptHandle"] for m in found] == [m.handles[-1] for m, _, _ in received], "not the same again"
    for message, _, _ in received:
        message.visible_at, message.received = pair.now + 1000 * visibility, pair.now
    queue.attempts[attempt] = (made, [(m, count, m.visible_at) for m, count, _ in received])
    pair.say("(again)")
    return True
