"""Send, receive, delete messages, and change their visibility."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.sqs import access, batches, drafts, polling, rendering, state
from freehold.services.sqs.catalog import memory, place_of
from freehold.services.sqs.digests import of_attributes
from freehold.services.sqs.model import MAX_ENTRIES, MAX_VISIBILITY_S, MAX_WAIT_S, Draft, Queue
from freehold.store.base import Tx

Request = dict[str, Any]


async def send_message(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    platform = call.platform
    message = drafts.draft(request, platform.ids.uuid(), call.principal.user_id, call.cause.trace)
    known, now_ms = memory(platform), platform.clock.now_ms()

    def body(tx: Tx) -> list[tuple[str, str | None]]:
        queue = known.existing(tx, place)
        access.check_call(call, queue, "SendMessage")
        return state.send(tx, queue, [message], now_ms, known)

    ((message_id, sequence),) = await platform.store.transact(body, lane=place.watch_key)
    answer = {"MessageId": message_id, "MD5OfMessageBody": message.md5}
    return _digested(answer, request, message, sequence)


async def send_message_batch(call: Call, request: Request) -> Request:
    place, entries = place_of(call, request["QueueUrl"]), request["Entries"]
    batches.check(entries, "SendMessageBatchRequestEntry")
    platform = call.platform
    failed: dict[int, Fault] = {}
    messages: list[Draft | None] = []
    for at, entry in enumerate(entries):
        try:
            messages.append(drafts.draft(entry, platform.ids.uuid(), call.principal.user_id, call.cause.trace))
        except Fault as fault:
            messages.append(None)
            failed[at] = fault
    batches.check_size(sum(message.size for message in messages if message is not None))
    known, now_ms = memory(platform), platform.clock.now_ms()

    def body(tx: Tx) -> tuple[dict[int, Fault], list[tuple[str, str | None]]]:
        queue = known.existing(tx, place)
        access.check_call(call, queue, "SendMessage")
        refused = {at: fault for at, message in enumerate(messages) if (fault := _refusal(queue, message)) is not None}
        good = [message for at, message in enumerate(messages) if message is not None and at not in refused]
        return refused, state.send(tx, queue, good, now_ms, known) if good else []

    refused, sent = await platform.store.transact(body, lane=place.watch_key)
    failed |= refused
    successful, remaining = [], iter(sent)
    for at, (entry, message) in enumerate(zip(entries, messages, strict=True)):
        if message is not None and at not in failed:
            message_id, sequence = next(remaining)
            answer = {"Id": entry["Id"], "MessageId": message_id, "MD5OfMessageBody": message.md5}
            successful.append(_digested(answer, entry, message, sequence))
    return {
        "Successful": successful,
        "Failed": [batches.failure(entries[at]["Id"], failed[at]) for at in sorted(failed)],
    }


def _refusal(queue: Queue, message: Draft | None) -> Fault | None:
    if message is not None:
        try:
            drafts.check(queue, message)
        except Fault as fault:
            return fault
    return None


def _digested(answer: Request, request: Request, message: Draft, sequence: str | None) -> Request:
    if message.attributes:
        answer["MD5OfMessageAttributes"] = of_attributes(message.attributes)
    if request.get("MessageSystemAttributes"):
        answer["MD5OfMessageSystemAttributes"] = of_attributes({"AWSTraceHeader": ("String", message.trace)})
    if sequence is not None:
        answer["SequenceNumber"] = sequence
    return answer


async def receive_message(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    most = request.get("MaxNumberOfMessages", 1)
    if not 1 <= most <= MAX_ENTRIES:
        raise drafts.invalid(
            f"Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
        )
    visibility_s, wait_s = request.get("VisibilityTimeout"), request.get("WaitTimeSeconds")
    if visibility_s is not None:
        check_visibility(visibility_s)
    if wait_s is not None and not 0 <= wait_s <= MAX_WAIT_S:
        raise drafts.invalid(
            f"Value {wait_s} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
        )
    show = rendering.wanted(request)
    attempt = drafts.token("ReceiveRequestAttemptId", request.get("ReceiveRequestAttemptId"))
    digest = hashlib.sha256(attempt.encode()).digest()[:20] if attempt else b""

    def check(queue: Queue) -> None:
        access.check_call(call, queue, "ReceiveMessage")
        if attempt and not queue.fifo:
            raise drafts.invalid(
                f"Value {attempt} for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter "
                "that is not valid for this queue type"
            )

    poll = polling.Poll(
        call.platform, place, most, visibility_s, digest, check, call.http.gone if call.http is not None else None
    )
    queue, taken = await poll.receive(wait_s)
    if not taken.deliveries:
        return {}
    return {"Messages": [rendering.message(queue, delivery, show) for delivery in taken.deliveries]}


def check_visibility(timeout_s: int) -> None:
    if not 0 <= timeout_s <= MAX_VISIBILITY_S:
        raise drafts.invalid(
            f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer "
            f"between 0 and {MAX_VISIBILITY_S}."
        )


async def delete_message(call: Call, request: Request) -> Request:
    handle: str = request["ReceiptHandle"]
    (fault,) = await _delete(call, request, [handle])
    if fault is not None:
        raise fault
    return {}


async def delete_message_batch(call: Call, request: Request) -> Request:
    entries = request["Entries"]
    batches.check(entries, "DeleteMessageBatchRequestEntry")
    return batches.answer(entries, await _delete(call, request, [entry["ReceiptHandle"] for entry in entries]))


async def _delete(call: Call, request: Request, handles: Sequence[str]) -> list[Fault | None]:
    platform, place = call.platform, place_of(call, request["QueueUrl"])
    known, now_ms = memory(platform), platform.clock.now_ms()

    def body(tx: Tx) -> list[Fault | None]:
        queue = known.existing(tx, place)
        access.check_call(call, queue, "DeleteMessage")
        return state.delete(tx, queue, handles, now_ms)

    return await platform.store.transact(body, lane=place.watch_key)


async def change_message_visibility(call: Call, request: Request) -> Request:
    (fault,) = await _change(call, request, [(request["ReceiptHandle"], request["VisibilityTimeout"])])
    if fault is not None:
        raise fault
    return {}


async def change_message_visibility_batch(call: Call, request: Request) -> Request:
    entries = request["Entries"]
    batches.check(entries, "ChangeMessageVisibilityBatchRequestEntry")
    changes = [(entry["ReceiptHandle"], entry.get("VisibilityTimeout")) for entry in entries]
    return batches.answer(entries, await _change(call, request, changes))


async def _change(call: Call, request: Request, changes: Sequence[tuple[str, int | None]]) -> list[Fault | None]:
    platform, place = call.platform, place_of(call, request["QueueUrl"])
    known, now_ms = memory(platform), platform.clock.now_ms()

    def body(tx: Tx) -> list[Fault | None]:
        queue = known.existing(tx, place)
        access.check_call(call, queue, "ChangeMessageVisibility")
        return [_change_one(tx, queue, handle, timeout_s, now_ms) for handle, timeout_s in changes]

    return await platform.store.transact(body, lane=place.watch_key)


def _change_one(tx: Tx, queue: Queue, handle: str, timeout_s: int | None, now_ms: int) -> Fault | None:
    try:
        if timeout_s is None:
            raise Fault("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
        check_visibility(timeout_s)
        state.change_visibility(tx, queue, handle, timeout_s, now_ms)
    except Fault as fault:  # refused before anything was written
        return fault
    return None
