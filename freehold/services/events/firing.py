"""Firing: one event to the targets of one rule, inside a transaction.

Used by whatever makes rules fire: events on a bus (accepting.py), schedules, replays. Queues, topics, functions and buses
take part in the transaction; everything else, and what must be tried again, goes through the outbox (delivering.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.faults import Fault
from freehold.services.events import delivering, sending
from freehold.services.events.compiled import Rule
from freehold.services.events.envelope import Event
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class Room:
    """What one transaction may still deliver (law 4: 100 deliveries or 1 MiB)."""

    __slots__ = ("bytes", "deliveries")

    def __init__(self, deliveries: int = 100, bytes: int = 1 << 20) -> None:
        self.deliveries, self.bytes = deliveries, bytes

    def take(self, deliveries: int, size: int) -> bool:
        """Is there still room? Then it is taken. The first delivery always has room."""
        self.deliveries -= deliveries
        self.bytes -= deliveries * size
        return self.deliveries >= 0 and self.bytes >= 0


def fire(tx: Tx, platform: Platform, rule: Rule, event: Event, *, now_ms: int, room: Room | None = None) -> None:
    """Deliver an event to all targets of a rule (compiled.rule_of makes one of a row).

    Raises no Fault: a target that is missing or refuses gets its dead letter at once, one that may recover is tried
    again by its retry policy. Deliveries derive their ids from the event's id, rule and target, so firing the same event
    for the same rule again in a body that runs twice writes the same rows.
    """
    meters, bus = platform.meters, rule.bus
    meters.add(bus.account, bus.region, "AWS/Events:TriggeredRules", 1.0, RuleName=rule.name)
    for target in rule.targets:
        body = event.text if target.render is None else target.render(event)
        order = sending.Order(rule, target, event, body)
        meters.add(bus.account, bus.region, "AWS/Events:Invocations", 1.0, RuleName=rule.name)
        send = sending.SENDERS.get(target.kind)
        if send is None:
            delivering.later(tx, platform, order, due_ms=now_ms)
            continue
        try:
            send(tx, platform, order, now_ms)
        except Fault as fault:
            delivering.failed(tx, platform, order, sending.failure_of(fault), now_ms=now_ms)
