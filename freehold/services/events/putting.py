"""PutEvents, TestEventPattern."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.rules.patterns import Index, PatternError
from freehold.services.events import bus_policies, compiled, envelope
from freehold.services.events.common import Request, Result, invalid
from freehold.services.events.compiled import CompiledBus
from freehold.services.events.entries import Refused, check_sizes, detail_of, time_of
from freehold.services.events.envelope import Event
from freehold.services.events.firing import accept_on
from freehold.services.events.names import BusName, parse_bus
from freehold.services.events.sending import Room
from freehold.store.base import Tx


async def put_events(call: Call, request: Request) -> Result:
    """Take events on their buses: one durable commit with all that their rules deliver into the store.

    An event for a bus of the account that does not exist gets an id and is dropped, as on AWS.
    """
    if request.get("EndpointId"):
        raise not_implemented("global endpoints (EndpointId)")
    entries = request["Entries"]
    check_sizes(entries)
    platform = call.platform
    now_ms = platform.clock.now_ms()
    results: list[dict[str, str]] = []
    events: list[tuple[BusName, Event]] = []
    for entry in entries:
        try:
            event = _event(call, entry, detail_of(entry), now_ms)
        except Refused as refused:
            results.append(refused.describe())
            continue
        bus = parse_bus(entry.get("EventBusName"), call.account, call.region)
        if not compiled.known(platform, bus):
            await compiled.warm(platform, bus)
        events.append((bus, event))
        results.append({"EventId": event.id})
    if events:

        def body(tx: Tx) -> None:
            room = Room()
            for name, event in events:
                bus = compiled.current(tx, platform, name)
                _check_access(call, name, bus, event)
                if bus is not None:
                    accept_on(tx, platform, bus, event, now_ms=now_ms, room=room)

        await platform.store.transact(body)
    return {"FailedEntryCount": len(results) - len(events), "Entries": results}


def _event(call: Call, entry: dict[str, Any], detail: dict[str, Any], now_ms: int) -> Event:
    return envelope.make(
        call.platform.ids.uuid(),
        source=entry["Source"],
        detail_type=entry["DetailType"],
        account=call.account,
        region=call.region,
        time_s=time_of(entry, now_ms / 1000),
        resources=entry.get("Resources", ()),
        detail=detail,
        trace=entry.get("TraceHeader"),
    )


def _check_access(call: Call, name: BusName, bus: CompiledBus | None, event: Event) -> None:
    """Principals of other accounts need to be allowed, those of the own account must not be denied."""
    principal = call.principal
    statements = bus.statements if bus is not None else []
    if name.account == principal.account and not statements:
        return
    context = bus_policies.context_of(event)
    ask = bus_policies.denies if name.account == principal.account else bus_policies.allows
    answer = ask(statements, principal.arn, principal.account, "events:PutEvents", name.arn, context)
    if answer != (ask is bus_policies.allows):
        raise bus_policies.denied(principal.arn, "events:PutEvents", name.arn)


async def test_event_pattern(call: Call, request: Request) -> Result:
    """Does the pattern match the event?"""
    try:
        pattern = compiled.pattern_of(request["EventPattern"])
    except PatternError as error:
        raise Fault("InvalidEventPatternException", str(error)) from None
    try:
        event = orjson.loads(request["Event"])
    except orjson.JSONDecodeError:
        raise invalid("Parameter Event is not valid. Reason: Event is not a valid JSON.") from None
    if not isinstance(event, dict):
        raise invalid("Parameter Event is not valid. Reason: Event is not a JSON object.")
    for member in ("id", "account", "source", "time", "region", "resources", "detail-type"):
        if member not in event:
            raise invalid(f"Parameter Event is not valid. Reason: {member} is a required field.")
    index = Index()
    index.add("", pattern)
    return {"Result": bool(index.match(event))}
