"""Destinations: where the record of an ended event goes. As on AWS it is sent as the function's execution role, so the
policies of queues, topics and functions of the account are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.call import Call
from freehold.ports.events import Event as BusEvent
from freehold.ports.functions import Functions
from freehold.ports.identity import Principal, Source
from freehold.ports.queues import Outgoing, Queues
from freehold.ports.topics import Note, Topics
from freehold.services.lambda_ import limits, recursion
from freehold.services.lambda_.asynchronous.records import Record
from freehold.services.lambda_.credentials import acting_role
from freehold.services.lambda_.names import FunctionName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

SERVICE = "lambda.amazonaws.com"
_MOST = {"sns": limits.SNS_RECORD, "sqs": limits.MAX_ASYNC_PAYLOAD, "lambda": limits.MAX_ASYNC_PAYLOAD}
"""Bytes of a record by kind of destination, where they are known before it is tried."""


def kind_of(target: str) -> str | None:
    """sqs, sns, lambda, events or s3; None for what is no destination."""
    parsed = arns.parse(target)
    if parsed is None:
        return None
    whole = {"events": parsed.resource.startswith("event-bus/"), "lambda": parsed.resource.startswith("function:")}
    return parsed.service if whole.get(parsed.service, parsed.service in ("sqs", "sns", "s3")) else None


def sender(function_arn: str, account: str, role: str) -> Source:
    """Who sends what comes of a function's events: its execution role."""
    return Source(SERVICE, function_arn, account, acting_role(role, account))


def _invalid(target: str) -> Fault:
    return Fault("InvalidParameterValueException", f"The destination ARN {target} is invalid.", Type="User")


async def check(call: Call, name: FunctionName, role: str, target: str, *, failure: bool) -> None:
    """Refuse what cannot be a destination of this function: another kind of resource, a FIFO queue or topic (records have no
    group: AWS takes "a standard SQS queue", "a standard SNS topic"), a bucket for successes, the function itself, a queue,
    topic, function, bus or bucket that is not there."""
    kind = kind_of(target)
    if kind is None or (kind == "s3" and not failure) or (kind in ("sqs", "sns") and target.endswith(".fifo")):
        raise _invalid(target)
    if kind == "lambda" and (target == name.arn or target.startswith(f"{name.arn}:")):
        raise Fault(
            "InvalidParameterValueException",
            "You can't specify the function as a destination for itself.",
            Type="User",
        )
    try:
        await _look(call, sender(name.arn, name.account, role), kind, target)
    except Fault as fault:
        raise _invalid(target) from fault


async def _look(call: Call, source: Source, kind: str, target: str) -> None:
    """Raise a Fault where the destination does not exist."""
    platform = call.platform
    parsed = arns.parse(target)
    assert parsed is not None
    if kind in ("s3", "events"):
        operation, request = {
            "s3": ("HeadBucket", {"Bucket": parsed.resource}),
            "events": ("DescribeEventBus", {"Name": target}),
        }[kind]
        await platform.calls.call(
            kind,
            operation,
            request,
            principal=_principal(source),
            account=parsed.account or call.account,
            region=parsed.region or call.region,
            cause=call.cause,
        )
        return
    port: Queues | Topics | Functions = platform.functions
    if kind != "lambda":
        port = platform.queues if kind == "sqs" else platform.topics
    await platform.store.read(lambda tx: port.check(tx, target, source))


def _principal(source: Source) -> Principal:
    assert source.role is not None
    return Principal(source.account, source.role, source.account)


def fitting(record: Record, target: str) -> bytes | None:
    """The record's document as this destination takes it. Records of failures that are too large go without payloads ("If
    the combined size of the function request and response payload exceeds the limit, Lambda will drop the payload"); of
    a success nothing would be left to tell: None, it cannot be delivered."""
    document = record.document()
    most = _MOST.get(kind_of(target) or "")
    if most is None or len(document) <= most:
        return document
    return None if record.succeeded else record.document(payloads=False)


def send(platform: Platform, tx: Tx, target: str, record: Record, source: Source, trace: str | None) -> bool:
    """Send the record in the transaction that ends the event; False where the destination does not take it. What is sent
    has an id that follows from the request's."""
    document = fitting(record, target)
    if document is None:
        return False
    kind, id = kind_of(target), derived(record.request_id, record.condition, target)
    now = int(record.at_s * 1000)
    try:
        if kind == "sqs":
            platform.queues.send(tx, target, [Outgoing(id, document.decode(), trace=trace)], now_ms=now, source=source)
        elif kind == "sns":
            platform.topics.publish(tx, target, Note(id, document.decode(), trace=trace), now_ms=now, source=source)
        elif kind == "lambda":
            platform.functions.enqueue(tx, target, document, id=id, now_ms=now, source=source, trace=trace)
        elif kind == "events":
            detail: dict[str, Any] = orjson.loads(document)
            resources = (record.function_arn, target)
            bare = recursion.without(trace) if trace else None  # what comes of it is out of Lambda's sight
            event = BusEvent(id, "lambda", record.detail_type, detail, resources, record.at_s, bare)
            platform.events.put(tx, target, event, now_ms=now, source=source)
    except Fault:
        return False
    return True


async def put_object(platform: Platform, target: str, name: FunctionName, record: Record, source: Source) -> bool:
    """Write the record to a bucket, before the event ends; False where the bucket does not take it.

    Keys are `aws/lambda/async/{function}/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-{UUID}`.
    """
    stamp = record.document_time()
    key = f"aws/lambda/async/{name.name}/{stamp[:10].replace('-', '/')}/{stamp}-{derived(record.request_id, target)}"
    request = {"Bucket": target.rpartition(":")[2], "Key": key, "Body": record.document()}
    request["ContentType"] = "application/json"
    try:
        await platform.calls.call(
            "s3", "PutObject", request, principal=_principal(source), account=name.account, region=name.region
        )
    except Fault:
        return False
    return True
