"""Amazon EventBridge.

A bus and its rules are rows (rows.py); all rules of a bus are one index in memory (compiled.py). An event that is put is
accepted by its bus: archives keep it (archiving.py), matching rules fire (firing.py), all in the transaction that answers
PutEvents. What cannot be part of it goes through the outbox (parcels.py, delivering.py).
"""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.events import (
    archives,
    buses,
    check,
    connections,
    delivering,
    destinations,
    firing,
    parcels,
    permissions,
    putting,
    replays,
    resources,
    resources_archives,
    resources_destinations,
    rule_targets,
    rules,
    schedules,
    tags,
)
from freehold.services.events.names import parse_bus
from freehold.services.events.port import EventsPort


def arn(call: Call) -> str:
    """The resource that a call names."""
    params, operation = call.params, call.operation.name
    if operation == "PutEvents":
        return _bus(call, params["Entries"][0].get("EventBusName"))
    if "ResourceARN" in params:
        return str(params["ResourceARN"])
    for kind, member in (("archive", "ArchiveName"), ("replay", "ReplayName")):
        if member in params:
            return call.arn("events", f"{kind}/{params[member]}")
    if operation.endswith(("Connection", "ApiDestination")):
        kind = "connection" if operation.endswith("Connection") else "api-destination"
        return call.arn("events", f"{kind}/{params.get('Name', '*')}")
    name = params.get("Name") if operation.endswith("EventBus") else params.get("EventBusName")
    rule = params.get("Name") if operation.endswith("Rule") else params.get("Rule")
    return _bus(call, name, rule)


def _bus(call: Call, name: str | None, rule: str | None = None) -> str:
    try:
        bus = parse_bus(name, call.account, call.region)
    except Fault:
        return "*"
    return bus.rule_arn(rule) if rule else bus.arn


MANIFEST = Manifest(
    model="events",
    handlers=(archives, buses, connections, destinations, permissions, putting, replays, rule_targets, rules, tags),
    arn=arn,
    prefix="events",
    types=(*resources.TYPES, *resources_archives.TYPES, *resources_destinations.TYPES),
    ports=lambda platform: {"events": EventsPort(platform)},
    deliverers={
        parcels.KIND: delivering.deliver,
        parcels.CALL: delivering.deliver,
        firing.EXPAND: firing.expand,
        connections.AUTHORIZE: connections.authorize,
    },
    timers={
        schedules.TIMER: schedules.due,
        archives.RETAIN: archives.retain,
        archives.SWEEP: archives.sweep,
        replays.TIMER: replays.proceed,
    },
    check=check.check,
)
