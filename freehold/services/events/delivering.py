"""Deliveries after the commit: to targets over HTTP, and again where an attempt failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.faults import Fault
from freehold.services.events import outbound
from freehold.services.events.dead_letters import AGE, ATTEMPTS, count, give_up
from freehold.services.events.firing import sender_of
from freehold.services.events.parcels import backoff_ms, decode
from freehold.services.events.sending import Failure, Order, Room, Undeliverable, failure_of
from freehold.store.base import Tx
from freehold.work.outbox import Delivery, Retry

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


async def deliver(platform: Platform, delivery: Delivery) -> None:
    """Perform one order out of the outbox."""
    parcel = decode(delivery.payload)
    order = parcel.order()
    retries = delivery.attempt - (0 if parcel.tried else 1)
    if retries:
        count(platform, order, "RetryInvocationAttempts")
    try:
        failure = await _attempt(platform, order)
    except Retry as turn:  # it waits for its turn, as long as the event may be old
        now_ms = platform.clock.now_ms()
        if now_ms + turn.after_ms - parcel.first_ms <= order.target.most_age_ms:
            raise
        late = Failure("THROTTLING", "The invocation rate of the API destination did not leave room in time.", True)
        await platform.store.transact(
            lambda tx: give_up(tx, platform, order, late, retries=retries, now_ms=now_ms, exhausted=AGE)
        )
        return
    if failure is None:
        return
    now_ms = platform.clock.now_ms()
    after_ms = max(failure.after_ms, backoff_ms(retries, platform.ids.uniform()))
    exhausted = None
    if failure.again:
        if retries >= order.target.most_retries:
            exhausted = ATTEMPTS
        elif now_ms + after_ms - parcel.first_ms > order.target.most_age_ms:
            exhausted = AGE
        else:
            raise Retry(after_ms)
    await platform.store.transact(
        lambda tx: give_up(tx, platform, order, failure, retries=retries, now_ms=now_ms, exhausted=exhausted)
    )


async def _attempt(platform: Platform, order: Order) -> Failure | None:
    """Send an order by itself. None: it arrived."""
    send = sender_of(order.target)
    if send is None:
        return await outbound.send(platform, order)
    now_ms, chosen = platform.clock.now_ms(), send

    def body(tx: Tx) -> Failure | None:
        try:
            chosen(tx, platform, order, now_ms, Room())
        except Fault as fault:
            return failure_of(fault)
        except Undeliverable as undeliverable:
            return undeliverable.failure
        return None

    return await platform.store.transact(body)
