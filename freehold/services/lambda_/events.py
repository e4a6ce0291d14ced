"""Asynchronous invocations: kept in the outbox with the acknowledgement, run after it, retried as Lambda documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from freehold.kit.faults import Fault
from freehold.runtime.base import Invocation
from freehold.services.lambda_ import limits
from freehold.services.lambda_.engine import Engine, engine_of
from freehold.services.lambda_.names import FunctionName
from freehold.services.lambda_.tracing import header_for
from freehold.store.base import Tx
from freehold.work.outbox import Delivery, Retry

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

KIND = "lambda.event"
FIRST_BACKOFF_MS = 1_000
MOST_BACKOFF_MS = 300_000
"""Throttled and failed-by-us events are tried again after 1 second, doubling to 5 minutes, up to six hours."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event on its way. `failures` counts runs that ended in a function error."""

    account: str
    region: str
    name: str
    qualifier: str
    request_id: str
    payload: bytes
    accepted_ms: int
    client_context: str | None = None
    trace: str | None = None
    failures: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def add(engine: Engine, tx: Tx, event: Event, due_ms: int) -> None:
    """Have an event run at `due_ms`, in the transaction that decides it."""
    engine.platform.outbox.add(tx, KIND, _encode(event), id=f"{event.request_id}.{event.failures}", due_ms=due_ms)


async def keep(
    engine: Engine,
    name: FunctionName,
    payload: bytes,
    request_id: str,
    client_context: str | None,
    trace: str | None,
) -> None:
    """Keep an event durably; it runs at once."""
    now = engine.platform.clock.now_ms()
    event = Event(name.account, name.region, name.name, name.qualifier, request_id, payload, now, client_context, trace)
    await engine.platform.store.transact(lambda tx: add(engine, tx, event, now))
    engine.platform.meters.add(name.account, name.region, "AWS/Lambda:AsyncEventsReceived", 1.0, FunctionName=name.name)


async def deliver(platform: Platform, delivery: Delivery) -> None:
    """Run one event. Function errors are retried twice, by an outbox row of their own, so that a throttle between them
    does not count as a try."""
    engine, event = engine_of(platform), _decode(delivery.payload)
    age = platform.clock.now_ms() - event.accepted_ms
    if age > limits.MAX_EVENT_AGE_MS:
        _dropped(platform, event)
        return
    name = FunctionName(event.account, event.region, event.name, event.qualifier)
    try:
        entry, route = await engine.resolve(name)
        spec = engine.choose(route)
        trace = header_for(platform, spec, event.trace)
        invocation = Invocation(event.request_id, event.payload, route.arn, event.client_context, trace_header=trace)
        outcome = await engine.run(entry, spec, invocation)
    except Fault as fault:
        if fault.code == "ResourceNotFoundException":
            _dropped(platform, event)
            return
        raise Retry(min(FIRST_BACKOFF_MS << min(delivery.attempt - 1, 20), MOST_BACKOFF_MS)) from fault
    if not isinstance(outcome.payload, bytes):
        async for _ in outcome.payload:
            pass
    if outcome.function_error is None:
        return
    if event.failures >= len(limits.EVENT_RETRY_MS):
        _dropped(platform, event)
        return
    again = msgspec.structs.replace(event, failures=event.failures + 1)
    due = platform.clock.now_ms() + limits.EVENT_RETRY_MS[event.failures]
    await platform.store.transact(lambda tx: add(engine, tx, again, due))


def _dropped(platform: Platform, event: Event) -> None:
    platform.meters.add(event.account, event.region, "AWS/Lambda:AsyncEventsDropped", 1.0, FunctionName=event.name)
