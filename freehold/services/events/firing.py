"""Firing: an event on a bus to its rules, a rule to its targets, inside a transaction.

`accept` takes an event on a bus: archives keep it, matching rules fire. `fire` is one rule, used by schedules and tests
too. Queues, topics, functions and buses take part in the transaction; everything else, and what must be tried again, goes
through the outbox (parcels.py, delivering.py).
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from msgspec import Struct, msgpack

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.rules.inputs import InvalidInput
from freehold.services.events import archiving, bus_policies, compiled, envelope, parcels
from freehold.services.events.compiled import CompiledBus, Rule
from freehold.services.events.dead_letters import give_up
from freehold.services.events.envelope import Event
from freehold.services.events.names import BusName, bus_of_arn
from freehold.services.events.sending import SENDERS, Failure, Order, Room, Sender, Undeliverable, failure_of
from freehold.services.events.targets import BUS, Target, body_of
from freehold.store.base import Tx
from freehold.work.outbox import Delivery

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

EXPAND = "events.expand"
"""Outbox kind of what did not fit into the transaction that accepted an event."""
MAX_HOPS = 10
"""Buses that an event may come through: what keeps rules that send to each other's buses from going on for ever."""


def fire(tx: Tx, platform: Platform, rule: Rule, event: Event, *, now_ms: int, room: Room | None = None) -> None:
    """Deliver an event to all targets of a rule (compiled.rule_of makes one of a row).

    Raises no Fault: a target that is missing or refuses gets its dead letter at once, one that may recover is tried
    again by its retry policy. Deliveries derive their ids from the event's id, rule and target, so firing the same event
    for the same rule again in a body that runs twice writes the same rows. `room` is what the transaction may still
    deliver, where it delivers more than this.
    """
    meters, bus = platform.meters, rule.bus
    meters.add(bus.account, bus.region, "AWS/Events:TriggeredRules", 1.0, RuleName=rule.name)
    if room is None:
        room = Room()
    for target in rule.targets:
        meters.add(bus.account, bus.region, "AWS/Events:Invocations", 1.0, RuleName=rule.name)
        try:
            body = body_of(target, event, rule.arn, rule.name, now_ms)
        except InvalidInput as error:
            order = Order(bus, rule.name, rule.arn, target, event, event.text)
            failure = Failure("INVALID_PARAMETER", str(error), False)
            give_up(tx, platform, order, failure, retries=0, now_ms=now_ms)
            continue
        _send(tx, platform, Order(bus, rule.name, rule.arn, target, event, body), now_ms, room)


def _send(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    send = sender_of(order.target)
    if send is None:
        parcels.later(tx, platform, order, now_ms=now_ms)
        return
    try:
        send(tx, platform, order, now_ms, room)
    except Fault as fault:
        parcels.failed(tx, platform, order, failure_of(fault), now_ms=now_ms)
    except Undeliverable as undeliverable:
        parcels.failed(tx, platform, order, undeliverable.failure, now_ms=now_ms)


def sender_of(target: Target) -> Sender | None:
    """What sends to this target inside a transaction; None where that takes a call."""
    return to_bus if target.kind == BUS else SENDERS.get(target.kind)


def accept(
    tx: Tx,
    platform: Platform,
    name: BusName,
    event: Event,
    *,
    now_ms: int,
    room: Room | None = None,
    only: Container[str] | None = None,
    archive: bool = True,
    after: str = "",
) -> bool:
    """Take an event on a bus; False where there is no such bus.

    `only` holds the ARNs of the rules that may fire (replays); `archive` says whether archives may keep the event;
    `after` is the name of the last rule that fired already.
    """
    bus = compiled.current(tx, platform, name)
    if bus is None:
        return False
    accept_on(tx, platform, bus, event, now_ms=now_ms, room=room or Room(), only=only, archive=archive, after=after)
    return True


def accept_on(
    tx: Tx,
    platform: Platform,
    bus: CompiledBus,
    event: Event,
    *,
    now_ms: int,
    room: Room,
    only: Container[str] | None = None,
    archive: bool = True,
    after: str = "",
) -> None:
    """`accept` for a bus that this transaction has read."""
    name = bus.name
    if bus.archives is not None and archive and (names := bus.archives.matching(event)):
        archiving.keep(tx, platform, name, names, event, now_ms=now_ms)
    rules = bus.matching(event.document)
    if not rules:
        return
    if not after:
        platform.meters.add(name.account, name.region, "AWS/Events:MatchedEvents", 1.0, EventBusName=name.name)
    for rule in rules:
        if rule.name <= after or (only is not None and rule.arn not in only):
            continue
        if not room.take(len(rule.targets), len(event.text)):
            _expand(tx, platform, name, event, only, after, now_ms)
            return
        after = rule.name
        fire(tx, platform, rule, event, now_ms=now_ms, room=room)


class _Rest(Struct, array_like=True, frozen=True):
    """An event whose rules after `after` have still to fire."""

    account: str
    region: str
    bus: str
    event: str
    trace: str | None
    hops: int
    only: list[str] | None
    after: str
    via: str = ""


def _expand(
    tx: Tx, platform: Platform, bus: BusName, event: Event, only: Container[str] | None, after: str, now_ms: int
) -> None:
    arns = list(only) if isinstance(only, (set, frozenset, list, tuple)) else None
    rest = _Rest(bus.account, bus.region, bus.name, event.text, event.trace, event.hops, arns, after, event.via)
    id = derived(event.seed, bus.arn, after)
    platform.outbox.add(tx, EXPAND, msgpack.encode(rest), id=id, due_ms=now_ms)


async def expand(platform: Platform, delivery: Delivery) -> None:
    """Fire the next rules of an event that has many."""
    rest = msgpack.decode(delivery.payload, type=_Rest)
    bus = BusName(rest.account, rest.region, rest.bus)
    event = envelope.parsed(rest.event, trace=rest.trace, hops=rest.hops, via=rest.via)
    only, now_ms = None if rest.only is None else frozenset(rest.only), platform.clock.now_ms()
    await platform.store.transact(
        lambda tx: accept(tx, platform, bus, event, now_ms=now_ms, only=only, archive=False, after=rest.after)
    )


def to_bus(tx: Tx, platform: Platform, order: Order, now_ms: int, room: Room) -> None:
    """Pass an event on to another bus. Raises Undeliverable, and then has written nothing.

    An event goes to one other account and one other Region at most: EventBridge User Guide, "Sending and receiving
    events between AWS accounts in Amazon EventBridge".
    """
    event, other = order.event, bus_of_arn(order.target.arn)
    if other is None:
        raise Undeliverable("INVALID_PARAMETER", f"{order.target.arn} is not the ARN of an event bus.")
    if other.account != order.bus.account and event.account != order.bus.account:
        raise Undeliverable("THIRD_ACCOUNT_HOP_DETECTED", "The event came from another account already.")
    if other.region != order.bus.region and event.region != order.bus.region:
        raise Undeliverable("THIRD_REGION_HOP_DETECTED", "The event came from another Region already.")
    if event.hops >= MAX_HOPS:
        raise Undeliverable("RESOURCE_LIMIT_EXCEEDED", f"The event came through {MAX_HOPS} event buses already.")
    bus = compiled.current(tx, platform, other)
    if bus is None:
        raise Undeliverable("NO_RESOURCE", f"Event bus {other.name} does not exist.")
    passed = event.passed_on(order.id)
    if other.account != order.bus.account:
        _check_sender(bus, order, passed)
    accept_on(tx, platform, bus, passed, now_ms=now_ms, room=room)


def _check_sender(bus: CompiledBus, order: Order, event: Event) -> None:
    account = order.bus.account
    arn = order.target.source.role or f"arn:aws:iam::{account}:root"
    context = {"aws:SourceArn": order.rule_arn, "aws:SourceAccount": account, **bus_policies.context_of(event)}
    if not bus_policies.allows(bus.statements, arn, account, "events:PutEvents", bus.name.arn, context):
        raise Undeliverable("NO_PERMISSIONS", f"The policy of {bus.name.arn} does not let {arn} put events.")
