"""Operations on a message that was received, by one of its receipt handles: delete it, change its visibility."""

from __future__ import annotations

from freehold.kit.faults import Fault
from tests.services.sqs.model.pair import Pair
from tests.services.sqs.model.queue import Message, Queue

TWELVE_HOURS_S = 43_200
"""For how long a message can be in flight, from when it was received."""


async def delete(pair: Pair) -> None:
    chosen = _handle(pair)
    if chosen is None:
        return
    queue, message, count, handle = chosen
    queue.expire(pair.now)
    pair.say(f"{queue.name} {message.body} handle {count} of {message.here}")
    present = any(m is message for m in queue.messages)
    refused = present and pair.fifo and (count != message.here or not message.in_flight(pair.now))
    try:
        await pair.sqs("DeleteMessage", QueueUrl=pair.url(queue), ReceiptHandle=handle)
    except Fault as fault:
        assert refused and fault.code == "InvalidParameterValue", fault
        return
    assert not refused, "an expired handle of a FIFO queue deletes nothing"
    queue.messages = [m for m in queue.messages if m is not message]


async def change(pair: Pair) -> None:
    chosen = _handle(pair)
    if chosen is None:
        return
    queue, message, count, handle = chosen
    queue.expire(pair.now)
    timeout = pair.random.choice([0, 0, 1, 30, 700, 43_200])
    pair.say(f"{queue.name} {message.body} handle {count} of {message.here}: {timeout}")
    refused = None
    if not any(m is message for m in queue.messages):
        refused = "InvalidParameterValue"
    elif not message.in_flight(pair.now):
        refused = "InvalidParameterValue" if pair.fifo else None
    elif (pair.fifo and count != message.here) or (pair.now - message.received) // 1000 + timeout > TWELVE_HOURS_S:
        refused = "InvalidParameterValue"
    try:
        await pair.sqs(
            "ChangeMessageVisibility", QueueUrl=pair.url(queue), ReceiptHandle=handle, VisibilityTimeout=timeout
        )
    except Fault as fault:
        assert fault.code == refused, f"{fault!r}, not {refused}"
        return
    assert refused is None, f"changed, but {refused}"
    if not message.in_flight(pair.now):
        return  # nothing is done with a message that is visible again
    message.visible_at = pair.now + 1000 * timeout


def _handle(pair: Pair) -> tuple[Queue, Message, int, str] | None:
    """Some message's handle, mostly the latest, of a message that may be gone."""
    queue = pair.dead if pair.random.random() < 0.2 else pair.queue
    candidates = [m for m in pair.ever(queue) if m.handles]
    if not candidates:
        return None
    flying = [m for m in candidates if m.in_flight(pair.now)]
    message = pair.random.choice(flying if flying and pair.random.random() < 0.8 else candidates)
    at = len(message.handles) - 1 if pair.random.random() < 0.8 else pair.random.randrange(len(message.handles))
    return queue, message, at + 1, message.handles[at]
