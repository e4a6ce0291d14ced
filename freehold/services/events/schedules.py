"""Rules with a ScheduleExpression: fired by a timer, in UTC, on the default bus.

("events", account, region, "schedule", rule)    the Course of a rule that is enabled: when it fires next

The course changes in the transaction that changes its rule, and moves on in the transaction that fires it; the timer
only says when to look. What was missed while no server ran: see rules.schedules.following.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.kit.tuples import pack, unpack
from freehold.rules import schedules
from freehold.services.events import compiled, envelope, firing, rows
from freehold.services.events.model import Rule
from freehold.services.events.names import DEFAULT, BusName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TIMER = "events.schedules"


class Course(msgspec.Struct, array_like=True, frozen=True):
    """When a rule fires next, and from where its rate counts: when it was created, changed or enabled."""

    next_ms: int
    anchor_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Course).decode


def check(expression: str, bus: BusName) -> None:
    """Raise what PutRule raises for this ScheduleExpression."""
    if bus.name != DEFAULT:
        raise Fault("ValidationException", "ScheduleExpression is supported only on the default event bus.")
    try:
        schedules.parse(expression)
    except schedules.ExpressionError:
        raise Fault("ValidationException", "Parameter ScheduleExpression is not valid.") from None


def changed(
    tx: Tx, platform: Platform, bus: BusName, name: str, before: Rule | None, after: Rule | None, *, now_ms: int
) -> None:
    """Called in the transaction that changes a rule in any way (put, enabled, disabled, deleted, its targets): `before`
    and `after` are the rule as it was and as it is now, None where there is none."""
    expression = _active(after)
    if expression == _active(before):
        return
    following = None if expression is None else schedules.parse(expression).next_after(now_ms, anchor_ms=now_ms)
    _set(tx, bus, name, None if following is None else Course(following, now_ms))
    platform.timers.set(tx, TIMER, pack(bus.account, bus.region, name), following)


def _active(rule: Rule | None) -> str | None:
    """The expression by which a rule fires; None where it does not."""
    return rule.schedule if rule is not None and rule.enabled else None


def key_of(bus: BusName, name: str) -> bytes:
    return pack("events", bus.account, bus.region, "schedule", name)


def _set(tx: Tx, bus: BusName, name: str, course: Course | None) -> None:
    if course is None:
        tx.delete(key_of(bus, name))
    else:
        tx.put(key_of(bus, name), _encode(course))


async def due(platform: Platform, key: bytes) -> int | None:
    """Fire one rule, if it is due; answers when it is due next."""
    account, region, name = (str(part) for part in unpack(key))
    bus, now_ms = BusName(account, region, DEFAULT), platform.clock.now_ms()
    while True:
        following = await platform.store.transact(lambda tx: _fire(tx, platform, bus, name, now_ms))
        if following is None or following > now_ms:
            return following


def _fire(tx: Tx, platform: Platform, bus: BusName, name: str, now_ms: int) -> int | None:
    """One occurrence, and the time of the next one."""
    value, rule = tx.get(key_of(bus, name)), rows.rule(tx, bus, name)
    if value is None or rule is None or rule.schedule is None:
        return None
    course = _decode(value)
    if course.next_ms > now_ms:
        return course.next_ms
    ready = compiled.rule_of(bus, rule)
    firing.fire(tx, platform, ready, _event(ready, course.next_ms), now_ms=now_ms)
    following = schedules.following(schedules.parse(rule.schedule), course.next_ms, now_ms, anchor_ms=course.anchor_ms)
    _set(tx, bus, name, None if following is None else Course(following, course.anchor_ms))
    return following


def _event(rule: compiled.Rule, scheduled_ms: int) -> envelope.Event:
    """The event that AWS sends to targets of a scheduled rule."""
    return envelope.make(
        derived(rule.arn, str(scheduled_ms)),
        source="aws.events",
        detail_type="Scheduled Event",
        account=rule.bus.account,
        region=rule.bus.region,
        time_s=scheduled_ms / 1000,
        resources=(rule.arn,),
        detail={},
    )
