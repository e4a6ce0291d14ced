"""Amazon EventBridge.

A bus and its rules are rows (rows.py); all rules of a bus are one index in memory (compiled.py). An event that is put
is accepted by its bus (accepting.py): archives keep it (archiving.py), matching rules fire (firing.py), all in the
transaction that answers PutEvents. What cannot be part of it goes through the outbox (delivering.py).
"""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.events.names import parse_bus


def arn(call: Call) -> str:
    """The resource that a call names."""
    params = call.params
    if "ResourceARN" in params:
        return str(params["ResourceARN"])
    bus = parse_bus(params.get("EventBusName"), call.account, call.region)
    rule = params.get("Rule") or (params.get("Name") if call.operation.name.endswith("Rule") else None)
    return bus.rule_arn(rule) if rule else bus.arn


MANIFEST = Manifest(model="events", handlers=(), arn=arn, prefix="events")
