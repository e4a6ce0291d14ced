"""Publish and PublishBatch: to topics, to endpoints of applications, to telephone numbers."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.call import Call
from freehold.services.sns import catalog, fanout, messages, push, sms, status
from freehold.services.sns.endpoints import PHONE
from freehold.services.sns.fanout import Budget, Published
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import TopicName, invalid, parse_topic
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
MAX_ENTRIES = 10
_ENTRY = re.compile(r"[A-Za-z0-9_-]{1,80}")


async def publish(call: Call, request: Request) -> Request:
    given = [member for member in ("TopicArn", "TargetArn", "PhoneNumber") if request.get(member)]
    if not given:
        raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
    if len(given) > 1:
        raise invalid(f"{given[0]} Reason: only one of TopicArn, TargetArn and PhoneNumber may be given")
    draft = messages.read(request, call.cause.trace)
    target = request[given[0]]
    if given[0] == "PhoneNumber":
        return await _to_phone(call, target, draft)
    if push.is_endpoint(target):
        return await _to_endpoint(call, target, draft)
    name = parse_topic(target, given[0])
    published = await _to_topic(call, name, draft)
    result = {"MessageId": published.message_id}
    if published.sequence is not None:
        result["SequenceNumber"] = published.sequence
    return result


async def _to_topic(call: Call, name: TopicName, draft: Draft) -> Published:
    platform = call.platform
    message_id, now_ms = platform.ids.uuid(), platform.clock.now_ms()
    known = catalog.last_known(platform, name)
    if known is not None and known.signing_protocols:
        await _sign(known, draft, message_id, now_ms)
    active = False

    def body(tx: Tx) -> Published:
        nonlocal active
        topic = _admitted(tx, call, name)
        active = topic.active
        return fanout.publish(tx, platform, topic, draft, message_id=message_id, now_ms=now_ms, budget=Budget())

    published = await platform.store.transact(body, lane=name.arn.encode() if name.name.endswith(".fifo") else None)
    if active:
        _trace(call, name, now_ms)
    status.count(platform, name, "NumberOfMessagesPublished")
    return published


def _admitted(tx: ReadTx, call: Call, name: TopicName) -> catalog.Compiled:
    """The topic, for a caller who may publish. Raises NotFound, AuthorizationError, InvalidParameter."""
    if name.region != call.region:
        raise invalid("TopicArn")
    found = catalog.compiled(tx, call.platform, name)
    found.guard.admit(call.principal, call.account, "Publish")
    return found


async def _sign(topic: catalog.Compiled, draft: Draft, message_id: str, now_ms: int) -> None:
    """Make the signature that the transaction will need, where other calls can go on meanwhile."""
    texts = {draft.text(protocol) for protocol in topic.signing_protocols}
    timestamp = iso8601(now_ms / 1000)
    for text in texts:
        await asyncio.to_thread(fanout.sign, topic, draft, text, message_id, timestamp)


def _trace(call: Call, name: TopicName, now_ms: int) -> None:
    """TracingConfig Active: a segment, where the caller's trace is sampled."""
    traces = call.platform.traces
    trace = traces.begin(call.cause.trace, sampled=False)
    if trace.sampled:
        traces.segment(trace, name.account, name.region, name.name, origin="AWS::SNS::Topic", start=now_ms / 1000).end()


async def _to_phone(call: Call, number: str, draft: Draft) -> Request:
    if not PHONE.fullmatch(number):
        raise invalid(f"PhoneNumber Reason: {number} is not valid to publish to")
    if len(draft.text("sms")) > messages.MAX_SMS:
        raise invalid("Message too long")
    message_id, now_ms = call.platform.ids.uuid(), call.platform.clock.now_ms()
    await call.platform.store.transact(
        lambda tx: sms.keep(tx, call.account, call.region, number, draft, message_id, now_ms)
    )
    return {"MessageId": message_id}


async def _to_endpoint(call: Call, arn: str, draft: Draft) -> Request:
    place = push.parse(arn, "endpoint", "TargetArn")
    if (place.account, place.region) != (call.account, call.region):
        raise invalid("TargetArn Reason: No endpoint found for the target arn specified")
    message_id, now_ms = call.platform.ids.uuid(), call.platform.clock.now_ms()
    await call.platform.store.transact(lambda tx: push.keep(tx, arn, draft, now_ms, {"messageId": message_id}))
    return {"MessageId": message_id}


async def publish_batch(call: Call, request: Request) -> Request:
    name, entries = parse_topic(request["TopicArn"]), request["PublishBatchRequestEntries"]
    _check_entries(entries)
    platform = call.platform
    seed, now_ms = platform.ids.uuid(), platform.clock.now_ms()
    drafts: list[tuple[Request, Draft | Fault, str]] = []
    for entry in entries:
        message_id = derived(seed, entry["Id"])
        try:
            drafts.append((entry, messages.read(entry, call.cause.trace), message_id))
        except Fault as fault:
            drafts.append((entry, fault, message_id))
    known = catalog.last_known(platform, name)
    if known is not None:
        total = sum(draft.size for _, draft, _ in drafts if isinstance(draft, Draft))
        if total > known.topic.max_message:
            raise _too_long()
        if known.signing_protocols:
            for _, draft, message_id in drafts:
                if isinstance(draft, Draft):
                    await _sign(known, draft, message_id, now_ms)

    def body(tx: Tx) -> list[tuple[str, Published | Fault]]:
        topic = _admitted(tx, call, name)
        total = sum(draft.size for _, draft, _ in drafts if isinstance(draft, Draft))
        if total > topic.topic.max_message:
            raise _too_long()
        budget = Budget()
        results: list[tuple[str, Published | Fault]] = []
        for entry, draft, message_id in drafts:
            results.append((entry["Id"], _entry(tx, call, topic, draft, message_id, now_ms, budget)))
        return results

    results = await platform.store.transact(body, lane=name.arn.encode() if name.name.endswith(".fifo") else None)
    status.count(platform, name, "NumberOfMessagesPublished", sum(isinstance(found, Published) for _, found in results))
    return _batch_result(results)


def _entry(
    tx: Tx, call: Call, topic: catalog.Compiled, draft: Draft | Fault, message_id: str, now_ms: int, budget: Budget
) -> Published | Fault:
    if isinstance(draft, Fault):
        return draft
    try:
        return fanout.publish(tx, call.platform, topic, draft, message_id=message_id, now_ms=now_ms, budget=budget)
    except Fault as fault:
        return fault


def _too_long() -> Fault:
    return Fault("BatchRequestTooLongException", "The length of all the messages put together is more than the limit.")


def _check_entries(entries: list[Request]) -> None:
    if not entries:
        raise Fault("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > MAX_ENTRIES:
        raise Fault(
            "TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible."
        )
    for entry in entries:
        if not _ENTRY.fullmatch(entry["Id"]):
            raise Fault(
                "InvalidBatchEntryIdException",
                "The Id of a batch entry in a batch request doesn't abide by the specification.",
            )
    if max(Counter(entry["Id"] for entry in entries).values()) > 1:
        raise Fault("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")


def _batch_result(results: list[tuple[str, Published | Fault]]) -> Request:
    successful, failed = [], []
    for id, outcome in results:
        if isinstance(outcome, Fault):
            code = {
                "InvalidParameterException": "InvalidParameter",
                "InvalidParameterValueException": "ParameterValueInvalid",
            }
            failed.append(
                {
                    "Id": id,
                    "Code": code.get(outcome.code, outcome.code),
                    "Message": outcome.message,
                    "SenderFault": True,
                }
            )
        else:
            entry = {"Id": id, "MessageId": outcome.message_id}
            if outcome.sequence is not None:
                entry["SequenceNumber"] = outcome.sequence
            successful.append(entry)
    return {"Successful": successful, "Failed": failed}
