"""Orders in the outbox: what is sent after the commit, and what is tried again.

Retry policy: EventBridge User Guide, "How EventBridge retries delivering events": for 24 hours and up to 185 times, with
an exponential back off and jitter. The steps are not published: here they double from 1 s to 7.8 min, so that 185 of
them take about a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, msgpack

from freehold.services.events import envelope
from freehold.services.events.dead_letters import ATTEMPTS, give_up
from freehold.services.events.names import BusName
from freehold.services.events.sending import Failure, Order
from freehold.services.events.targets import API, DESTINATION, body_of, compile_target
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

CALL = "events.call"
"""Outbox kind of orders that take a call: endpoints that are slow or away hold up no other target."""
KIND = "events.deliver"
"""Outbox kind of orders that are tried again inside the store."""
FIRST_RETRY_MS = 1_000
MOST_RETRY_MS = 468_000


class Parcel(Struct, array_like=True, frozen=True):
    """An order on its way through the outbox: the event with its target, from which the body is made again. `tried`: a
    first attempt failed inside the transaction that accepted the event at `first_ms`, the service time from which the age
    of the event counts."""

    account: str
    region: str
    bus: str
    rule: str
    rule_arn: str
    target: dict[str, Any]
    event: str
    trace: str | None
    hops: int
    tried: bool
    first_ms: int
    via: str = ""

    def order(self) -> Order:
        """The order that it was."""
        event = envelope.parsed(self.event, trace=self.trace, hops=self.hops, via=self.via)
        target = compile_target(self.target, self.rule_arn, self.account)
        body = body_of(target, event, self.rule_arn, self.rule, self.first_ms)
        return Order(BusName(self.account, self.region, self.bus), self.rule, self.rule_arn, target, event, body)


_encode = msgpack.Encoder().encode
decode = msgpack.Decoder(Parcel).decode


def backoff_ms(retries: int, jitter: float) -> int:
    """Until the next attempt after `retries` of them; `jitter` from 0 to 1."""
    most = min(FIRST_RETRY_MS << min(retries, 20), MOST_RETRY_MS)
    return int(most * (0.75 + 0.5 * jitter))


def later(
    tx: Tx, platform: Platform, order: Order, *, now_ms: int, due_ms: int | None = None, tried: bool = False
) -> None:
    """Have an order performed through the outbox."""
    parcel = Parcel(
        account=order.bus.account,
        region=order.bus.region,
        bus=order.bus.name,
        rule=order.rule,
        rule_arn=order.rule_arn,
        target=dict(order.target.shown),
        event=order.event.text,
        trace=order.event.trace,
        hops=order.event.hops,
        tried=tried,
        first_ms=now_ms,
        via=order.event.via,
    )
    kind = CALL if order.target.kind in (API, DESTINATION) else KIND
    platform.outbox.add(tx, kind, _encode(parcel), id=order.id, due_ms=now_ms if due_ms is None else due_ms)


def failed(tx: Tx, platform: Platform, order: Order, failure: Failure, *, now_ms: int) -> None:
    """A first attempt, inside a transaction, failed: try again later, or write the dead letter."""
    if not failure.again:
        give_up(tx, platform, order, failure, retries=0, now_ms=now_ms)
    elif order.target.most_retries == 0:
        give_up(tx, platform, order, failure, retries=0, now_ms=now_ms, exhausted=ATTEMPTS)
    else:
        later(tx, platform, order, now_ms=now_ms, due_ms=now_ms + FIRST_RETRY_MS, tried=True)
