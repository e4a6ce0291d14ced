"""Sending one order to its target inside a transaction: queues, topics, functions and log groups (buses: firing.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.events.envelope import Event
from freehold.services.events.names import BusName
from freehold.services.events.targets import FUNCTION, LOG_GROUP, QUEUE, TOPIC, Target
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

DAY_MS = 86_400_000


@dataclass(slots=True)
class Room:
    """What one transaction may still deliver (law 4: 100 deliveries or 1 MiB)."""

    deliveries: int = 100
    bytes: int = 1 << 20

    def take(self, deliveries: int, size: int) -> bool:
        """Take room for some deliveries; False where there was none left for any."""
        left = self.deliveries > 0 and self.bytes > 0
        if left:
            self.deliveries -= deliveries
            self.bytes -= deliveries * size
        return left


class Order:
    """One event for one target of a rule. `body` is what the target is sent, `bus` and `rule` are the rule's."""

    __slots__ = ("body", "bus", "event", "id", "rule", "rule_arn", "target")

    def __init__(self, bus: BusName, rule: str, rule_arn: str, target: Target, event: Event, body: str) -> None:
        self.bus, self.rule, self.rule_arn = bus, rule, rule_arn
        self.target, self.event, self.body = target, event, body
        self.id = derived(event.seed, rule_arn, target.id)
        """The one id of this delivery: that of the message or the request."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery failed, as a dead letter says it. `again`: another attempt may succeed, not before `after_ms`."""

    code: str
    message: str
    again: bool
    after_ms: int = 0


class Undeliverable(Exception):
    """A target cannot be sent to, for a reason that is EventBridge's own."""

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.failure = Failure(code, message, again)


_MISSING = frozenset(
    (
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
    )
)
_DENIED = frozenset(("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"))
_THROTTLED = frozenset(
    (
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "OverLimit",
    )
)


def failure_of(fault: Fault) -> Failure:
    """What a target's refusal means. Codes: EventBridge User Guide, "Using dead-letter queues"."""
    message = fault.message or fault.code
    if fault.code in _MISSING:
        return Failure("NO_RESOURCE", message, False)
    if fault.code in _DENIED:
        return Failure("NO_PERMISSIONS", message, False)
    if fault.code in _THROTTLED:
        return Failure("THROTTLING", message, True)
    if (fault.status or 400) >= 500 and fault.code != "NotImplemented":
        return Failure("ERROR_FROM_TARGET", message, True)
    return Failure("INVALID_PARAMETER", message, False)


def to_queue(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    message = Outgoing(order.id, order.body, group=order.target.group, trace=order.event.trace)
    platform.queues.send(tx, order.target.arn, (message,), now_ms=now_ms, source=order.target.source)


def to_topic(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    note = Note(order.id, order.body, trace=order.event.trace)
    platform.topics.publish(tx, order.target.arn, note, now_ms=now_ms, source=order.target.source)


def to_function(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    platform.functions.enqueue(
        tx,
        order.target.arn,
        order.body.encode(),
        id=order.id,
        now_ms=now_ms,
        source=order.target.source,
        trace=order.event.trace,
    )


def to_log_group(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    """One event in a stream of the rule's own, a new one every day."""
    stream = derived(order.rule_arn, str(now_ms // DAY_MS))
    platform.log_groups.put(
        tx,
        order.target.arn,
        stream,
        (_line(order.body, now_ms),),
        id=stream.replace("-", "")[:12],
        now_ms=now_ms,
        source=order.target.source,
    )


def _line(body: str, now_ms: int) -> tuple[int, str]:
    """What is written for a body: `{"timestamp": ..., "message": ...}` says both by itself."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:  # several texts, one after the other
        return now_ms, body
    if not isinstance(document, dict) or set(document) != {"timestamp", "message"}:
        return now_ms, body
    message = document["message"]
    try:
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
    except TypeError:  # nested deeper than JSON is written
        return now_ms, body
    return _milliseconds(document["timestamp"], now_ms), text


def _milliseconds(time: Any, now_ms: int) -> int:
    """A time that is milliseconds since the epoch, or ISO 8601 as in events; `now_ms` for what is neither."""
    text = str(time)
    if text.isascii() and text.isdecimal() and len(text) <= 14:
        return int(text)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return now_ms


Sender = Callable[[Tx, "Platform", Order, int, Room], None]
SENDERS: dict[str, Sender] = {QUEUE: to_queue, TOPIC: to_topic, FUNCTION: to_function, LOG_GROUP: to_log_group}
"""By kind of target: those that take part in the transaction. They raise Fault or Undeliverable, and then
have written nothing."""
