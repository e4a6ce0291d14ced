"""Sending one unit inside a transaction: to queues, topics, buses, log groups and asynchronous functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.ports.events import Event
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.pipes.checks import BUS, FUNCTION, LOG_GROUP, QUEUE, TOPIC
from freehold.services.pipes.plan import Plan
from freehold.services.pipes.units import Unit
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


@dataclass(frozen=True, slots=True)
class Parcel:
    """A unit on its way. `parameters` are the target's, filled in."""

    unit: Unit
    id: str
    body: str
    parameters: dict[str, Any]


def to_queue(tx: Tx, platform: Platform, plan: Plan, parcel: Parcel, now_ms: int) -> None:
    message = Outgoing(
        parcel.id,
        parcel.body,
        group=parcel.parameters.get("MessageGroupId"),
        deduplication=parcel.parameters.get("MessageDeduplicationId"),
        trace=parcel.unit.trace,
    )
    platform.queues.send(tx, plan.pipe.target, (message,), now_ms=now_ms, source=plan.source)


def to_topic(tx: Tx, platform: Platform, plan: Plan, parcel: Parcel, now_ms: int) -> None:
    # A FIFO topic needs a group: the source's, as there is no parameter for it.
    fifo = plan.pipe.target.endswith(".fifo")
    note = Note(
        parcel.id,
        parcel.body,
        group=parcel.unit.group if fifo else None,
        deduplication=parcel.id if fifo else None,
        trace=parcel.unit.trace,
    )
    platform.topics.publish(tx, plan.pipe.target, note, now_ms=now_ms, source=plan.source)


def to_bus(tx: Tx, platform: Platform, plan: Plan, parcel: Parcel, now_ms: int) -> None:
    parameters = parcel.parameters
    try:
        detail = orjson.loads(parcel.body)
    except orjson.JSONDecodeError:
        detail = None
    if not isinstance(detail, dict):
        raise Fault("ValidationException", "Detail is malformed: it must be a JSON object.")
    event = Event(
        parcel.id,
        parameters.get("Source", f"Pipe {plan.pipe.name}"),
        parameters.get("DetailType", "Event from aws:sqs"),
        detail,
        parameters.get("Resources", ()),
        _seconds(parameters["Time"]) if "Time" in parameters else None,
        parcel.unit.trace,
    )
    platform.events.put(tx, plan.pipe.target, event, now_ms=now_ms, source=plan.source)


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Fault("ValidationException", f"Time {text} is not a time by RFC 3339.") from None


def to_log_group(tx: Tx, platform: Platform, plan: Plan, parcel: Parcel, now_ms: int) -> None:
    parameters = parcel.parameters
    stamp = str(parameters.get("Timestamp", now_ms))
    at_ms = whole(stamp)
    if at_ms is None:
        raise Fault("ValidationException", f"Timestamp {stamp} is not a number of milliseconds.")
    platform.log_groups.put(
        tx,
        plan.pipe.target,
        parameters.get("LogStreamName", plan.pipe.name),
        [(at_ms, parcel.body)],
        id=parcel.id.replace("-", "")[:12],
        now_ms=now_ms,
        source=plan.source,
    )


def to_function(tx: Tx, platform: Platform, plan: Plan, parcel: Parcel, now_ms: int) -> None:
    try:
        orjson.loads(parcel.body)
        payload = parcel.body.encode()
    except orjson.JSONDecodeError:
        payload = orjson.dumps(parcel.body)
    platform.functions.enqueue(
        tx,
        plan.pipe.target,
        b"[" + payload + b"]",
        id=parcel.id,
        now_ms=now_ms,
        source=plan.source,
        trace=parcel.unit.trace,
    )


Sender = Callable[[Tx, "Platform", Plan, Parcel, int], None]
SENDERS: dict[str, Sender] = {
    QUEUE: to_queue,
    TOPIC: to_topic,
    BUS: to_bus,
    LOG_GROUP: to_log_group,
    FUNCTION: to_function,
}
"""By kind of target. Raise Fault, and then have written nothing."""
