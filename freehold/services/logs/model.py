"""CloudWatch Logs: names, limits and the pure rules of its requests."""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import Any, NamedTuple

import msgspec

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.rules.logpatterns import BadPattern, Pattern, compile_pattern
from freehold.work.logrows import EVENT_OVERHEAD, Group, Stream, Totals

Request = dict[str, Any]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MAX_BATCH_BYTES = 1_048_576
MAX_EVENT_BYTES = 1_048_576
MAX_EVENTS = 10_000
MAX_PAGE_BYTES = 1 << 20
MAX_TAGS = 50
TOO_OLD_MS = 14 * DAY_MS
TOO_NEW_MS = 2 * HOUR_MS
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""The retention periods that PutRetentionPolicy documents."""


class Space(NamedTuple):
    """Where log groups live."""

    account: str
    region: str


def invalid(message: str) -> Fault:
    return Fault("InvalidParameterException", message)


def no_group() -> Fault:
    return Fault("ResourceNotFoundException", "The specified log group does not exist.")


def no_stream() -> Fault:
    return Fault("ResourceNotFoundException", "The specified log stream does not exist.")


def group_arn(space: Space, name: str) -> str:
    """The ARN without the `:*` that IAM policies and DescribeLogGroups put after it."""
    return arns.make("logs", space.region, space.account, f"log-group:{name}")


def stream_arn(space: Space, group: str, stream: str) -> str:
    return f"{group_arn(space, group)}:log-stream:{stream}"


def group_of_arn(space: Space, text: str) -> str:
    """The name of the log group whose ARN is `text`, with or without `:*`. Raises InvalidParameterException."""
    arn = arns.parse(text)
    if arn is None or arn.service != "logs" or not arn.resource.startswith("log-group:"):
        raise invalid(f"Invalid ARN: {text}")
    if (arn.account, arn.region) != (space.account, space.region):
        raise no_group()
    return arn.resource.removeprefix("log-group:").removesuffix(":*")


def group_name(space: Space, request: Request) -> str:
    """The group that a request names, by logGroupName or logGroupIdentifier (a name or an ARN)."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name is not None and identifier is not None:
        raise invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if name is not None:
        return str(name)
    if identifier is None:
        raise invalid("Either logGroupName or logGroupIdentifier must be specified.")
    return group_of_arn(space, identifier) if identifier.startswith("arn:") else str(identifier)


def describe_group(space: Space, group: Group, totals: Totals) -> Request:
    """A LogGroup of DescribeLogGroups."""
    arn = group_arn(space, group.name)
    shape: Request = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": totals.size,
        "logGroupClass": group.log_class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days is not None:
        shape["retentionInDays"] = group.retention_days
    return shape


def describe_stream(space: Space, group: str, stream: Stream) -> Request:
    """A LogStream of DescribeLogStreams. storedBytes is always zero, as AWS has it since 2019."""
    shape: Request = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": stream_arn(space, group, stream.name),
        "storedBytes": 0,
        "uploadSequenceToken": sequence_token(stream),
    }
    for member, value in (
        ("firstEventTimestamp", stream.first_ms),
        ("lastEventTimestamp", stream.last_ms),
        ("lastIngestionTime", stream.ingested_ms),
    ):
        if value is not None:
            shape[member] = value
    return shape


def sequence_token(stream: Stream) -> str:
    """AWS still returns sequence tokens, which nothing asks for any more."""
    return f"{int(stream.id, 16) * 10**20 + stream.chunks:056d}"


def check_retention(days: int) -> int:
    if days not in RETENTION_DAYS:
        raise invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must "
            f"satisfy enum value set: {list(RETENTION_DAYS)}"
        )
    return days


def check_batch(events: list[Request]) -> None:
    """The rules of a batch of PutLogEvents that refuse it whole, apart from its span."""
    sizes = [len(event["message"].encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD for event in events]
    if (largest := max(sizes)) > MAX_EVENT_BYTES:
        raise invalid(f"Log event too large: {largest} bytes exceeds limit of {MAX_EVENT_BYTES}")
    if (total := sum(sizes)) > MAX_BATCH_BYTES:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {MAX_BATCH_BYTES}")
    times = [event["timestamp"] for event in events]
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")


class Accepted(NamedTuple):
    """Which events [start, end) of a batch are taken, and rejectedLogEventsInfo."""

    start: int
    end: int
    rejected: dict[str, int]


def accept(events: list[Request], now_ms: int, retention_days: int | None) -> Accepted:
    """Sort out what is too old, expired or too new; refuse what is left if it spans more than 24 hours."""
    times = [event["timestamp"] for event in events]
    rejected: dict[str, int] = {}
    start = sum(at < now_ms - TOO_OLD_MS for at in times)
    if start:
        rejected["tooOldLogEventEndIndex"] = start
    if retention_days is not None:
        expired = sum(at < now_ms - retention_days * DAY_MS for at in times)
        if expired > start:
            rejected["expiredLogEventEndIndex"] = start = expired
    end = len(times) - sum(at > now_ms + TOO_NEW_MS for at in times)
    if end < len(times):
        rejected["tooNewLogEventStartIndex"] = end
    if start < end and times[end - 1] - times[start] > DAY_MS:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    return Accepted(start, end, rejected)


def pattern(text: str | None) -> Pattern:
    """A compiled filter pattern. Raises InvalidParameterException."""
    try:
        return compile_pattern(text or "")
    except BadPattern as problem:
        raise invalid(f"Invalid filter pattern: {problem}") from problem


def encode_token(*parts: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(parts)).decode()


def decode_token(token: str | None, *kinds: type) -> list[Any] | None:
    """The parts of a nextToken, None where there is none. Raises InvalidParameterException."""
    if token is None:
        return None
    try:
        parts = msgspec.msgpack.decode(base64.urlsafe_b64decode(token.encode()), type=list)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        parts = []
    if len(parts) != len(kinds) or not all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
        raise invalid("The specified nextToken is invalid.")
    return parts
