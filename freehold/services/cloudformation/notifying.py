"""NotificationARNs: topics that get every event of a stack, as text.

Source: CloudFormation User Guide, "Monitor stack progress"; the message is one `Name='value'` per line.
"""

from __future__ import annotations

from collections.abc import Iterable

from freehold.kit import arns
from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.identity import Source
from freehold.ports.platform import Platform
from freehold.ports.topics import Note
from freehold.services.cloudformation.model import Event, Stack
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.state import Keys
from freehold.store.base import ReadTx, Tx

MAX_TOPICS = 5
SUBJECT = "AWS CloudFormation Notification"


async def check(origin: Origin, topics: list[str], stack_id: str) -> None:
    """Raise ValidationError where a topic is none, or is not there."""
    if not topics:
        return
    if len(topics) > MAX_TOPICS:
        raise Fault("ValidationError", f"At most {MAX_TOPICS} NotificationARNs can be specified.")
    source = _source(origin.keys, stack_id)

    def body(tx: ReadTx) -> None:
        for topic in topics:
            parsed = arns.parse(topic)
            if parsed is None or parsed.service != "sns" or parsed.region != origin.region:
                raise Fault("ValidationError", f"Invalid Amazon SNS topic ARN {topic}")
            try:
                origin.platform.topics.check(tx, topic, source)
            except Fault as fault:
                raise Fault("ValidationError", f"Notification ARN {topic} cannot be used: {fault.message}") from None

    await origin.platform.store.read(body)


def notify(tx: Tx, platform: Platform, keys: Keys, stack: Stack, events: Iterable[Event]) -> None:
    """Publish what `state.add_events` has just written. A topic that is gone by now holds nothing up."""
    topics = stack.definition.notification_arns
    if not topics:
        return
    source = _source(keys, stack.id)
    for event in events:
        text = _message(keys, stack, event)
        for topic in topics:
            note = Note(derived("cloudformation", stack.uid, event.id, topic), text, SUBJECT)
            try:
                platform.topics.publish(tx, topic, note, now_ms=event.at_ms, source=source)
            except Fault:
                continue


def _source(keys: Keys, stack_id: str) -> Source:
    """CloudFormation publishes by the rights of who asked for the stack: topics' policies need not name it."""
    return Source("cloudformation.amazonaws.com", stack_id, keys.account, f"arn:aws:iam::{keys.account}:root")


def _message(keys: Keys, stack: Stack, event: Event) -> str:
    lines = {
        "StackId": stack.id,
        "Timestamp": iso8601(event.at_ms / 1000),
        "EventId": event.id,
        "LogicalResourceId": event.logical_id,
        "Namespace": keys.account,
        "ResourceProperties": event.properties or "null",
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or "",
        "ResourceType": event.type,
        "StackName": stack.name,
        "PhysicalResourceId": event.physical_id or "",
        "ClientRequestToken": event.token or "null",
    }
    return "".join(f"{name}='{value}'\n" for name, value in lines.items())
