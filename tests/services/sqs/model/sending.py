"""Operations that send: one message, or a batch; what is refused, and what is known as a duplicate."""

from __future__ import annotations

import hashlib
from typing import Any

from freehold.kit.faults import Fault
from tests.services.sqs.model.pair import Pair
from tests.services.sqs.model.queue import FIVE_MINUTES, Message


async def send(pair: Pair) -> None:
    if _full(pair):
        return
    request, refused = _request(pair)
    pair.say(repr(request))
    try:
        answer = await pair.sqs("SendMessage", QueueUrl=pair.url(pair.queue), **request)
    except Fault as fault:
        assert fault.code == refused, f"{fault!r}, not {refused}"
        return
    assert refused is None, f"taken, but {refused}"
    _sent(pair, request, answer)


async def send_batch(pair: Pair) -> None:
    if pair.redrive and len(pair.queue.messages) + len(pair.dead.messages) >= 5:
        return
    requests = [_request(pair) for _ in range(pair.random.randint(1, 3 if pair.redrive else 10))]
    entries = [{"Id": str(at), **request} for at, (request, _) in enumerate(requests)]
    pair.say(repr(entries))
    answer = await pair.sqs("SendMessageBatch", QueueUrl=pair.url(pair.queue), Entries=entries)
    failed = {entry["Id"]: entry["Code"] for entry in answer["Failed"]}
    assert failed == {str(at): refused for at, (_, refused) in enumerate(requests) if refused}
    for entry in answer["Successful"]:
        _sent(pair, requests[int(entry["Id"])][0], entry)


def _request(pair: Pair) -> tuple[dict[str, Any], str | None]:
    """A message to send, and why it is refused."""
    rnd = pair.random
    request: dict[str, Any] = {"MessageBody": f"body {rnd.randrange(12 if pair.fifo else 1_000_000)}"}
    refused = None
    if pair.fifo:
        if rnd.random() < 0.97:
            request["MessageGroupId"] = rnd.choice("abc")
        else:
            refused = "MissingParameter"
        if rnd.random() < 0.6:
            request["MessageDeduplicationId"] = f"d{rnd.randrange(12)}"
        elif not pair.queue.content:
            refused = refused or "InvalidParameterValue"
        if rnd.random() < 0.03:
            request["DelaySeconds"] = 5
            refused = refused or "InvalidParameterValue"
    else:
        if rnd.random() < 0.2:
            request["DelaySeconds"] = rnd.choice([0, 1, 60, 900])
        if rnd.random() < 0.2:
            request["MessageGroupId"] = rnd.choice("ab")
        if rnd.random() < 0.03:
            request["DelaySeconds"] = rnd.choice([-1, 901])
            refused = "InvalidParameterValue"
    if refused is None and rnd.random() < 0.02:
        request["MessageBody"] = "bad \x01"
        refused = "InvalidMessageContents"
    return request, refused


def _sent(pair: Pair, request: dict[str, Any], answer: dict[str, Any]) -> None:
    """Take it over into the model, or see that it was known."""
    queue, body = pair.queue, request["MessageBody"]
    assert answer["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    group = request.get("MessageGroupId", "")
    message_id, sequence = answer["MessageId"], answer.get("SequenceNumber", "")
    assert bool(sequence) == pair.fifo
    key = ("", "")
    if pair.fifo:
        deduplication = request.get("MessageDeduplicationId") or hashlib.sha256(body.encode()).hexdigest()
        key = (group if queue.per_group else "", deduplication)
        known = queue.known.get(key)
        if known is not None and pair.now - known[0] < FIVE_MINUTES:
            pair.say("(duplicate)")
            assert (message_id, sequence) == known[1:], "a duplicate is answered as the message that was taken"
            return
        queue.known[key] = (pair.now, message_id, sequence)
        assert len(sequence) == 20
        others = [m.sequence for m in queue.messages]
        assert all(other < sequence for other in others), "sequence numbers increase"
    delay = request.get("DelaySeconds", queue.delay)
    pair.order += 1
    queue.messages.append(
        Message(message_id, body, pair.now, pair.order, pair.now + 1000 * delay, group, sequence, sender_dedup=key[1])
    )


def _full(pair: Pair) -> bool:
    """With a redrive policy, few messages: what a receive does not come to is then never in doubt."""
    return pair.redrive and len(pair.queue.messages) + len(pair.dead.messages) >= 8
