"""Attributes of queues: how they are given, checked, and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.numerals import whole
from freehold.rules.resource_policies import PolicyError, compile_policy
from freehold.services.sqs.model import (
    MAX_DELAY_S,
    MAX_MESSAGE_BYTES,
    MAX_POLICY_BYTES,
    MAX_STATEMENTS,
    MAX_VISIBILITY_S,
    MAX_WAIT_S,
    Place,
    Queue,
    Record,
    place_of_arn,
)

_RANGES: dict[str, tuple[str, int, int]] = {
    "VisibilityTimeout": ("visibility_s", 0, MAX_VISIBILITY_S),
    "MaximumMessageSize": ("max_bytes", 1_024, MAX_MESSAGE_BYTES),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "DelaySeconds": ("delay_s", 0, MAX_DELAY_S),
    "ReceiveMessageWaitTimeSeconds": ("wait_s", 0, MAX_WAIT_S),
}
_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
_SHOWN_ONLY = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
_SETTINGS = (
    *_RANGES,
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    *_FIFO_ONLY,
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
)
NAMES = frozenset((*_SETTINGS, *_SHOWN_ONLY, "All"))


def bad_value(name: str, reason: str = "") -> Fault:
    """AWS says no more than which parameter it was, except of redrive policies."""
    return Fault("InvalidAttributeValue", f"Invalid value for the parameter {name}.{' ' + reason if reason else ''}")


def apply(record: Record, place: Place, given: Mapping[str, str], *, create: bool) -> None:
    """Change a record by attributes. Raises InvalidAttributeName, InvalidAttributeValue."""
    if given.get("KmsMasterKeyId") and given.get("SqsManagedSseEnabled") == "true":
        reason = "You can use one type of server-side encryption (SSE) at one time."
        raise bad_value("SqsManagedSseEnabled", f"Reason: {reason}")
    for name, value in given.items():
        if name not in _SETTINGS:
            raise Fault("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _RANGES:
            field, low, high = _RANGES[name]
            setattr(record, field, _number(name, value, low, high))
        elif name == "FifoQueue":
            _check_fifo(record, value, create=create)
        elif name in _FIFO_ONLY:
            _fifo_setting(record, name, value)
        else:
            _OTHERS[name](record, place, value)
    if record.limit_group and not record.scope_group:
        raise bad_value(
            "FifoThroughputLimit",
            "Reason: FifoThroughputLimit can be set to perMessageGroupId only when DeduplicationScope is messageGroup.",
        )


def _number(name: str, value: str, low: int, high: int) -> int:
    number = whole(value.strip())
    if number is None or not low <= number <= high:
        raise bad_value(name)
    return number


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise bad_value(name)
    return value.lower() == "true"


def _check_fifo(record: Record, value: str, *, create: bool) -> None:
    if not create:
        raise Fault("InvalidAttributeName", "You cannot change the FifoQueue attribute of an existing queue.")
    # AWS takes "true" only: a standard queue is one that does not say FifoQueue.
    if not _boolean("FifoQueue", value):
        raise Fault("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    record.fifo = True


def _fifo_setting(record: Record, name: str, value: str) -> None:
    if not record.fifo:
        raise Fault("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
    if name == "ContentBasedDeduplication":
        record.content_deduplication = _boolean(name, value)
    elif name == "DeduplicationScope":
        record.scope_group = _either(name, value, "queue", "messageGroup")
    else:
        record.limit_group = _either(name, value, "perQueue", "perMessageGroupId")


def _either(name: str, value: str, default: str, other: str) -> bool:
    if value not in (default, other):
        raise bad_value(name)
    return value == other


def _policy(record: Record, place: Place, value: str) -> None:
    if value:
        if len(value.encode()) > MAX_POLICY_BYTES:
            raise bad_value("Policy", f"A policy has {MAX_POLICY_BYTES} bytes at most.")
        try:
            policy = compile_policy(value)
        except PolicyError as error:
            raise bad_value("Policy", str(error)) from None
        if len(policy.statements) > MAX_STATEMENTS:
            raise bad_value("Policy", f"A policy has {MAX_STATEMENTS} statements at most.")
    record.policy = value


def _object(name: str, value: str) -> dict[str, Any]:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise _redrive(name, value, "Redrive policy is not a valid JSON map.") from None
    if not isinstance(found, dict):
        raise _redrive(name, value, "Redrive policy is not a valid JSON map.")
    return found


def _redrive(name: str, value: str, reason: str) -> Fault:
    return Fault("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def _redrive_policy(record: Record, place: Place, value: str) -> None:
    if not value:
        record.dead_letter_arn, record.max_receives = "", 0
        return
    found = _object("RedrivePolicy", value)
    if not {"deadLetterTargetArn", "maxReceiveCount"} <= found.keys():
        missing = "deadLetterTargetArn" if "deadLetterTargetArn" not in found else "maxReceiveCount"
        raise _redrive("RedrivePolicy", value, f"Redrive policy does not contain mandatory attribute: {missing}.")
    extra = found.keys() - {"deadLetterTargetArn", "maxReceiveCount"}
    if extra:
        raise _redrive(
            "RedrivePolicy", value, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount]."
        )
    count = found["maxReceiveCount"]
    if isinstance(count, str):
        count = whole(count)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1_000:
        raise _redrive(
            "RedrivePolicy",
            value,
            "Invalid value for maxReceiveCount: "
            + str(found["maxReceiveCount"])
            + ", valid values are from 1 to 1000 both inclusive.",
        )
    target = place_of_arn(found["deadLetterTargetArn"]) if isinstance(found["deadLetterTargetArn"], str) else None
    if target is None:
        raise _redrive("RedrivePolicy", value, "Invalid value for deadLetterTargetArn.")
    if (target.account, target.region) != (place.account, place.region):
        raise _redrive("RedrivePolicy", value, "Dead letter target owner should be same as the source.")
    if target == place:
        raise _redrive("RedrivePolicy", value, "Dead-letter queue can not be the same as the source queue.")
    record.dead_letter_arn, record.max_receives = target.arn, count


def _redrive_allow_policy(record: Record, place: Place, value: str) -> None:
    if value:
        if len(value) > MAX_POLICY_BYTES:
            raise bad_value("RedriveAllowPolicy")
        found = _object("RedriveAllowPolicy", value)
        sources = found.get("sourceQueueArns")
        if found.get("redrivePermission") not in ("allowAll", "denyAll", "byQueue") or found.keys() - {
            "redrivePermission",
            "sourceQueueArns",
        }:
            raise bad_value("RedriveAllowPolicy")
        if found["redrivePermission"] == "byQueue":
            if not isinstance(sources, list) or not 1 <= len(sources) <= 10:
                raise bad_value("RedriveAllowPolicy")
            if any(not isinstance(arn, str) or place_of_arn(arn) is None for arn in sources):
                raise bad_value("RedriveAllowPolicy")
        elif sources is not None:
            raise bad_value("RedriveAllowPolicy")
    record.redrive_allow = value


def allows_source(record: Record, source_arn: str) -> bool:
    """Does a queue's redrive-allow policy let this queue name it as its dead-letter queue?"""
    if not record.redrive_allow:
        return True
    found = orjson.loads(record.redrive_allow)
    permission = found["redrivePermission"]
    return permission == "allowAll" or (permission == "byQueue" and source_arn in found["sourceQueueArns"])


def check_dead_letter(queue: Record, arn: str, target: Queue | None) -> None:
    """Raise what is wrong with the queue that a redrive policy names."""
    shown = redrive_policy(queue)
    if target is None:
        raise _redrive("RedrivePolicy", shown, "Dead letter target does not exist.")
    if target.fifo != queue.fifo:
        raise _redrive("RedrivePolicy", shown, "Dead-letter queue must be same type of queue as the source.")
    if not allows_source(target.record, arn):
        raise _redrive("RedrivePolicy", shown, "Queue does not have permission to use the dead-letter queue.")


def _kms(record: Record, place: Place, value: str) -> None:
    """AWS's own key, by its alias or the alias's ARN; a queue has one kind of encryption at a time."""
    if value and value.rpartition("alias/")[2] != "aws/sqs":
        raise not_implemented("KMS keys of queues other than alias/aws/sqs (KmsMasterKeyId)")
    record.kms_key = value
    if value:
        record.managed_sse = False


def _kms_reuse(record: Record, place: Place, value: str) -> None:
    record.kms_reuse_s = _number("KmsDataKeyReusePeriodSeconds", value, 60, 86_400)


def _managed_sse(record: Record, place: Place, value: str) -> None:
    record.managed_sse = _boolean("SqsManagedSseEnabled", value)
    if record.managed_sse:
        record.kms_key = ""


_OTHERS: dict[str, Callable[[Record, Place, str], None]] = {
    "Policy": _policy,
    "RedrivePolicy": _redrive_policy,
    "RedriveAllowPolicy": _redrive_allow_policy,
    "KmsMasterKeyId": _kms,
    "KmsDataKeyReusePeriodSeconds": _kms_reuse,
    "SqsManagedSseEnabled": _managed_sse,
}


def redrive_policy(record: Record) -> str:
    return orjson.dumps(
        {"deadLetterTargetArn": record.dead_letter_arn, "maxReceiveCount": record.max_receives}
    ).decode()


def settings(record: Record) -> dict[str, str]:
    """What was set, or holds by default."""
    shown = {name: str(getattr(record, field)) for name, (field, _, _) in _RANGES.items()}
    if record.policy:
        shown["Policy"] = record.policy
    if record.dead_letter_arn:
        shown["RedrivePolicy"] = redrive_policy(record)
    if record.redrive_allow:
        shown["RedriveAllowPolicy"] = record.redrive_allow
    shown["SqsManagedSseEnabled"] = _word(record.managed_sse)
    if record.kms_key:
        shown |= {"KmsMasterKeyId": record.kms_key, "KmsDataKeyReusePeriodSeconds": str(record.kms_reuse_s)}
    if record.fifo:
        shown["FifoQueue"] = "true"
        shown["ContentBasedDeduplication"] = _word(record.content_deduplication)
        shown["DeduplicationScope"] = "messageGroup" if record.scope_group else "queue"
        shown["FifoThroughputLimit"] = "perMessageGroupId" if record.limit_group else "perQueue"
    return shown


def _word(value: bool) -> str:
    return "true" if value else "false"


def described(queue: Queue, counts: tuple[int, int, int]) -> dict[str, str]:
    """All attributes. `counts` are visible, delayed and in flight."""
    record = queue.record
    return {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(counts[0]),
        "ApproximateNumberOfMessagesDelayed": str(counts[1]),
        "ApproximateNumberOfMessagesNotVisible": str(counts[2]),
        "CreatedTimestamp": str(record.created_ms // 1000),
        "LastModifiedTimestamp": str(record.modified_ms // 1000),
        **settings(record),
    }
