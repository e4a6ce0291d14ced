"""Messages as they are shown to who receives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from freehold.kit.faults import Fault
from freehold.services.sqs import receipts
from freehold.services.sqs.digests import of_attributes
from freehold.services.sqs.fifo import FIRST_SEQUENCE
from freehold.services.sqs.model import AttributeValue, Delivery, Queue

SYSTEM = (
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
)
_NAMES = frozenset((*SYSTEM, "All", "SqsManagedSseEnabled"))
"""AttributeNames may name queue attributes too, says its enumeration; only what messages have is answered."""
_QUEUE_NAMES = frozenset(
    (
        "Policy",
        "VisibilityTimeout",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
        "ApproximateNumberOfMessagesDelayed",
        "DelaySeconds",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "FifoQueue",
        "ContentBasedDeduplication",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "DeduplicationScope",
        "FifoThroughputLimit",
        "RedriveAllowPolicy",
    )
)


class Wanted(NamedTuple):
    """Which attributes a receive asks for."""

    system: frozenset[str]
    matches: Callable[[str], bool] | None


def wanted(request: Mapping[str, Any]) -> Wanted:
    """Raises InvalidAttributeName for names of system attributes that there are not."""
    names = {*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())}
    for name in names:
        if name not in _NAMES and name not in _QUEUE_NAMES:
            raise Fault("InvalidAttributeName", f"Unknown Attribute {name}.")
    system = frozenset(SYSTEM) if "All" in names else frozenset(names)
    return Wanted(system, _matcher(request.get("MessageAttributeNames", ())))


def _matcher(patterns: list[str] | tuple[str, ...]) -> Callable[[str], bool] | None:
    """`All`, `.*`, `prefix.*` or a name."""
    if not patterns:
        return None
    if "All" in patterns or ".*" in patterns:
        return lambda name: True
    names = frozenset(patterns)
    prefixes = tuple(pattern[:-2] for pattern in patterns if pattern.endswith(".*"))
    return lambda name: name in names or name.startswith(prefixes)


def message(queue: Queue, delivery: Delivery, show: Wanted) -> dict[str, Any]:
    """A member of ReceiveMessage's `Messages`."""
    found = delivery.message
    shown: dict[str, Any] = {
        "MessageId": found.id,
        "ReceiptHandle": receipts.encode(queue.record.id, delivery.seq, delivery.receives),
        "MD5OfBody": found.md5,
        "Body": found.body,
    }
    if show.system:
        attributes = {name: value for name, value in system(queue, delivery).items() if name in show.system}
        if attributes:
            shown["Attributes"] = attributes
    if show.matches is not None and found.attributes:
        chosen = {name: value for name, value in found.attributes.items() if show.matches(name)}
        if chosen:
            shown["MD5OfMessageAttributes"] = of_attributes(chosen)
            shown["MessageAttributes"] = shape(chosen)
    return shown


def shape(attributes: Mapping[str, AttributeValue]) -> dict[str, dict[str, Any]]:
    """Message attributes in the shape of the API."""
    return {
        name: {"DataType": kind, ("BinaryValue" if isinstance(value, bytes) else "StringValue"): value}
        for name, (kind, value) in attributes.items()
    }


def system(queue: Queue, delivery: Delivery) -> dict[str, str]:
    """All system attributes of a message."""
    found = delivery.message
    attributes = {
        "SenderId": found.sender,
        "SentTimestamp": str(found.sent_ms),
        "ApproximateReceiveCount": str(delivery.receives),
        "ApproximateFirstReceiveTimestamp": str(delivery.first_ms),
    }
    if queue.record.fifo:
        attributes["SequenceNumber"] = str(FIRST_SEQUENCE + delivery.seq)
        attributes["MessageDeduplicationId"] = found.deduplication
    if found.group:
        attributes["MessageGroupId"] = found.group
    if found.trace:
        attributes["AWSTraceHeader"] = found.trace
    if found.source:
        attributes["DeadLetterQueueSourceArn"] = found.source
    return attributes
