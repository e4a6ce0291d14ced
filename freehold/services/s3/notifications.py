"""Notifications of a bucket: what may be configured, and its operations.

Sources: S3 User Guide, "Configuring event notifications using object key name filtering" (overlaps), "Event notification
types and destinations"; API Reference, PutBucketNotificationConfiguration (destinations are validated, test events).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any

import orjson
from msgspec.structs import replace

from freehold import wire
from freehold.kit import arns
from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.call import Call
from freehold.ports.functions import Functions
from freehold.ports.platform import Platform
from freehold.ports.queues import Queues
from freehold.ports.topics import Topics
from freehold.services.s3 import access, announcing, attributes, intake, records, rows
from freehold.services.s3.model import Bucket, Notification
from freehold.store.base import Tx
from freehold.wire.protocols.restxml import host_id

Request = dict[str, Any]
Result = dict[str, Any]

MAX_CONFIGURATIONS = 100
MAX_ID = 255
MAX_FILTER = 1024
"""Bytes of a prefix or suffix."""
_KINDS = {
    "topic": ("TopicConfigurations", "TopicArn", "sns", "Topic"),
    "queue": ("QueueConfigurations", "QueueArn", "sqs", "Queue"),
    "function": ("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda", "CloudFunction"),
}
"""Lists of the configuration: member, member of the destination's ARN, its service, its element in XML."""
_OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
_AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping "
    "for the same event type."
)
_UNREACHABLE = "Unable to validate the following destination configurations"


async def put_bucket_notification_configuration(call: Call, request: Request) -> Result:
    """Replace what is notified. Destinations must exist and let S3 in; queues and topics get a test event."""
    intake.check_document(call, request, required=False)
    platform = call.platform
    configuration = request.get("NotificationConfiguration") or {}
    found = parse(configuration, lambda: _new_id(platform.ids.uuid()))
    event_bridge = configuration.get("EventBridgeConfiguration") is not None
    validates = not request.get("SkipDestinationValidation", False)
    seed, now_ms = platform.ids.uuid(), platform.clock.now_ms()

    def body(tx: Tx) -> None:
        bucket = access.enter(tx, call, request)
        for one in found:
            _check_region(bucket, one)
        if validates and found:
            _check_destinations(tx, platform, bucket, found)
            payload = _test_event(bucket, call.request_id, now_ms)
            for one in {one.arn: one for one in found if one.kind != "function"}.values():
                id = derived("s3", seed, one.arn)
                announcing.deliver(tx, platform, bucket, one, payload, id, now_ms, call.cause.trace)
        tx.clear(*rows.whole("f", bucket.generation))
        changed = replace(bucket, notifications=tuple(found), event_bridge=event_bridge)
        tx.put(rows.bucket_key(bucket.name), rows.encode(changed))

    await platform.store.transact(body)
    return {}


async def get_bucket_notification_configuration(call: Call, request: Request) -> Result:
    """What is notified; filters are named "Prefix" and "Suffix", as S3 answers them."""
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    result: Result = {}
    for kind, (member, arn_member, _, _) in _KINDS.items():
        if listed := [_describe(one, arn_member) for one in bucket.notifications if one.kind == kind]:
            result[member] = listed
    if bucket.event_bridge:
        result["EventBridgeConfiguration"] = {}
    return result


def _describe(one: Notification, arn_member: str) -> Result:
    described: Result = {"Id": one.id, arn_member: one.arn, "Events": list(one.events)}
    rules = [
        {"Name": name, "Value": value}
        for name, value in (("Prefix", one.prefix), ("Suffix", one.suffix))
        if value is not None
    ]
    if rules:
        described["Filter"] = {"Key": {"FilterRules": rules}}
    return described


def _new_id(uuid: str) -> str:
    """As S3 makes them: base64 of a UUID."""
    return base64.b64encode(uuid.encode()).decode()


@lru_cache(maxsize=1)
def known_events() -> frozenset[str]:
    """The event types of S3's model. Those of features that Freehold refuses by name can be asked for and never happen."""
    shape = wire.load("s3").operations["PutBucketNotificationConfiguration"].input
    assert shape is not None
    queues = shape.members["NotificationConfiguration"].members["QueueConfigurations"].element
    return frozenset(queues.members["Events"].element.traits["enum"])


def parse(configuration: Request, new_id: Callable[[], str]) -> list[Notification]:
    """The notifications of a configuration. Raises InvalidArgument, MalformedXML."""
    found = list(_parsed(configuration, new_id))
    if len(found) > MAX_CONFIGURATIONS:
        raise _invalid(f"The number of event notification configurations exceeds the limit of {MAX_CONFIGURATIONS}")
    if len({one.id for one in found}) != len(found):
        raise _invalid("Same ID used for multiple configurations. IDs must be unique")
    for one, other in combinations(found, 2):
        if _share_event(one, other) and _overlap(one, other):
            unfiltered = not any((one.prefix, one.suffix, other.prefix, other.suffix))
            raise _invalid(_OVERLAP if unfiltered else _AMBIGUOUS)
    return found


def _parsed(configuration: Request, new_id: Callable[[], str]) -> Iterator[Notification]:
    for kind, (member, arn_member, service, element) in _KINDS.items():
        for one in configuration.get(member) or []:
            arn, events = one.get(arn_member), tuple(one.get("Events") or ())
            if not arn or not events:
                raise attributes.malformed_xml()
            _check_arn(arn, service, element)
            for event in events:
                if event not in known_events():
                    message = f"The event '{event}' is not supported for notifications"
                    raise _invalid(message, ArgumentName="Event", ArgumentValue=event)
            if len(one.get("Id") or "") > MAX_ID:
                raise _invalid(f"ID length should not exceed allowed limit of {MAX_ID}", ArgumentName="Id")
            yield Notification(one.get("Id") or new_id(), kind, arn, events, **_filters(one))


def _filters(one: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for rule in ((one.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []:
        name, value = rule.get("Name", "").lower(), rule.get("Value", "")
        if name not in ("prefix", "suffix"):
            message = "filter rule name must be either prefix or suffix"
            raise _invalid(message, ArgumentName="FilterRule.Name", ArgumentValue=rule.get("Name", ""))
        if name in found:
            message = f"Cannot specify more than one {name} rule in a filter."
            raise _invalid(message, ArgumentName="FilterRule.Name", ArgumentValue=rule["Name"])
        if len(value.encode()) > MAX_FILTER:
            message = f"Size of filter rule value cannot exceed {MAX_FILTER} bytes in UTF-8 representation"
            raise _invalid(message, ArgumentName="FilterRule.Value", ArgumentValue=value)
        found[name] = value
    return found


def _check_arn(arn: str, service: str, element: str) -> None:
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != service or not parsed.region or not parsed.account:
        raise _invalid("The ARN is not well formed", ArgumentName=element, ArgumentValue=arn)
    if service in ("sqs", "sns") and parsed.resource.endswith(".fifo"):
        what = "SQS queues" if service == "sqs" else "SNS topics"
        raise _invalid(f"FIFO {what} are not supported.", ArgumentName=element, ArgumentValue=arn)


def _check_region(bucket: Bucket, one: Notification) -> None:
    parsed = arns.parse(one.arn)
    if parsed is None or parsed.region != bucket.region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise _invalid(message, ArgumentName=_KINDS[one.kind][3], ArgumentValue=one.arn)


def _share_event(one: Notification, other: Notification) -> bool:
    def covers(events: tuple[str, ...], event: str) -> bool:
        return records.wants(events, event.removeprefix("s3:").rstrip("*"))

    return any(covers(one.events, event) for event in other.events) or any(
        covers(other.events, event) for event in one.events
    )


def _overlap(one: Notification, other: Notification) -> bool:
    """Could one key pass both filters?"""
    prefixes, suffixes = (one.prefix or "", other.prefix or ""), (one.suffix or "", other.suffix or "")
    return (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])) and (
        suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0])
    )


def _check_destinations(tx: Tx, platform: Platform, bucket: Bucket, found: list[Notification]) -> None:
    """Raise InvalidArgument, which names every destination that S3 cannot deliver to."""
    refused: dict[str, str] = {}
    for one in found:
        if one.arn not in refused and (why := _why_not(tx, platform, bucket, one)) is not None:
            refused[one.arn] = why
    if refused:
        fields: dict[str, str] = {}
        for number, (arn, why) in enumerate(refused.items(), start=1):
            fields |= {f"ArgumentName{number}": arn, f"ArgumentValue{number}": why}
        raise _invalid(_UNREACHABLE, **fields)


def _why_not(tx: Tx, platform: Platform, bucket: Bucket, one: Notification) -> str | None:
    source = announcing.source_of(bucket)
    ports: dict[str, Queues | Topics | Functions] = {
        "queue": platform.queues,
        "topic": platform.topics,
        "function": platform.functions,
    }
    try:
        ports[one.kind].check(tx, one.arn, source)
    except Fault as fault:
        what = "Lambda" if one.kind == "function" else one.kind
        if fault.code in ("QueueDoesNotExist", "NotFound", "NotFoundException", "ResourceNotFoundException"):
            return f"The destination {what} does not exist"
        if one.kind == "function":
            return f"Not authorized to invoke function [{one.arn}]"
        return f"Permissions on the destination {what} do not allow S3 to publish notifications from this bucket"
    return None


def _test_event(bucket: Bucket, request_id: str, now_ms: int) -> bytes:
    return orjson.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso8601(now_ms / 1000),
            "Bucket": bucket.name,
            "RequestId": request_id,
            "HostId": host_id(request_id),
        }
    )


def _invalid(message: str, **fields: Any) -> Fault:
    return Fault("InvalidArgument", message, status=400, **fields)
