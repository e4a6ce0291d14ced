"""What handlers share: the bus of a request, pages, refusals."""

from __future__ import annotations

import base64
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.events import bus_policies, rows
from freehold.services.events.model import Bus, Rule
from freehold.services.events.names import DEFAULT, BusName, parse_bus
from freehold.store.base import ReadTx

Request = dict[str, Any]
Result = dict[str, Any]

PAGE = 100
"""Things on a page, unless Limit says fewer."""


def invalid(message: str) -> Fault:
    return Fault("ValidationException", message)


def no_bus(bus: BusName) -> Fault:
    return Fault("ResourceNotFoundException", f"Event bus {bus.name} does not exist.")


def no_rule(bus: BusName, rule: str) -> Fault:
    return Fault("ResourceNotFoundException", f"Rule {rule} does not exist on EventBus {bus.name}.")


def bus_of(call: Call, request: Request) -> BusName:
    """The bus that EventBusName means, the default one where it is absent. Buses of another region are not here."""
    bus = parse_bus(request.get("EventBusName"), call.account, call.region)
    if bus.region != call.region:
        raise no_bus(bus)
    return bus


def require_bus(tx: ReadTx, call: Call, bus: BusName) -> Bus | None:
    """The row of a bus that the caller may use for this operation. None: a default bus on which nothing was set yet."""
    row = rows.bus(tx, bus)
    if call.principal.account != bus.account:
        _check_access(tx, row, call, bus)
    if row is None and bus.name != DEFAULT:
        raise no_bus(bus)
    return row


def _check_access(tx: ReadTx, row: Bus | None, call: Call, bus: BusName) -> None:
    """Let a principal of another account pass only where the policy of the bus allows it."""
    principal, operation = call.principal, call.operation.name
    name = call.params.get("Name") if operation.endswith("Rule") else call.params.get("Rule")
    rule = rows.rule(tx, bus, name) if name else None
    context = {"events:creatorAccount": rule.created_by if rule is not None else principal.account}
    action, resource = f"events:{operation}", bus.rule_arn(name) if name else bus.arn
    statements = row.statements if row is not None else []
    if not bus_policies.allows(statements, principal.arn, principal.account, action, resource, context):
        raise bus_policies.denied(principal.arn, action, resource)


def require_rule(tx: ReadTx, bus: BusName, name: str) -> Rule:
    """The rule. Raises ResourceNotFoundException."""
    row = rows.rule(tx, bus, name)
    if row is None:
        raise no_rule(bus, name)
    return row


def limit_of(request: Request) -> int:
    return int(request.get("Limit") or PAGE)


def token_of(last: str) -> str:
    """A NextToken that continues after `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def start_of(request: Request) -> str:
    """What NextToken continues after, empty at the beginning."""
    try:
        return base64.urlsafe_b64decode(request.get("NextToken", "").encode()).decode()
    except ValueError:
        raise invalid("The provided NextToken is not valid.") from None
