"""PutPermission, RemovePermission: the policy of a bus, statement by statement or whole."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.rules.resource_policies import PolicyError, compile_policy
from freehold.services.events import rows
from freehold.services.events.bus_policies import MAX_POLICY, SUPPLIED, document_of
from freehold.services.events.common import Request, Result, bus_of, invalid, require_bus
from freehold.store.base import Tx

_PARTS = ("Action", "Principal", "StatementId", "Condition")


async def put_permission(call: Call, request: Request) -> Result:
    """Add or replace one statement, or set the whole policy."""
    bus = bus_of(call, request)
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)
    if "Policy" in request:
        if any(part in request for part in _PARTS):
            raise invalid("Policy cannot be combined with Action, Principal, StatementId or Condition.")
        whole, one = _policy(request["Policy"], bus.arn), None
    else:
        whole, one = [], _statement(request, bus.arn)

    def body(tx: Tx) -> None:
        row = require_bus(tx, call, bus) or rows.fresh(now_ms)
        if one is None:
            row.statements = whole
        else:
            row.statements = [each for each in row.statements if each.get("Sid") != one["Sid"]] + [one]
        if len(document_of(row.statements)) > MAX_POLICY:
            raise Fault("PolicyLengthExceededException", "The policy of the event bus is larger than 10 KB.")
        rows.touch(tx, bus, row, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    return {}


def _statement(request: Request, arn: str) -> dict[str, Any]:
    for part in ("Action", "Principal", "StatementId"):
        if part not in request:
            raise invalid(f"Parameter {part} must be specified.")
    if request["Action"] != "events:PutEvents":
        raise invalid("Provided value in parameter 'action' is not supported.")
    principal = request["Principal"]
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": request["Action"],
        "Resource": arn,
    }
    condition = request.get("Condition")
    if condition is not None:
        if condition["Type"] != "StringEquals" or condition["Key"] != "aws:PrincipalOrgID":
            raise invalid("Only StringEquals on aws:PrincipalOrgID is supported as Condition.")
        statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return statement


def _policy(document: str, arn: str) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    if len(document.encode()) > MAX_POLICY:
        raise Fault("PolicyLengthExceededException", "The policy of the event bus is larger than 10 KB.")
    try:
        policy = compile_policy(document)
    except PolicyError as error:
        raise invalid(f"Parameter Policy is not valid. Reason: {error}") from None
    for key in sorted(policy.condition_keys()):
        if key not in SUPPLIED:
            raise not_implemented(f"the condition key {key} in policies of event buses")
    for statement in policy.statements:
        if not all(action == "*" or action.lower().startswith("events:") for action in statement.actions):
            raise invalid("Parameter Policy is not valid. Reason: Action must be of the service events.")
    statements = orjson.loads(document)["Statement"]
    return statements if isinstance(statements, list) else [statements]


async def remove_permission(call: Call, request: Request) -> Result:
    """Remove one statement, or all."""
    bus = bus_of(call, request)
    everything, sid = request.get("RemoveAllPermissions", False), request.get("StatementId")
    if not everything and sid is None:
        raise invalid("Parameter StatementId must be specified.")
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        row = require_bus(tx, call, bus)
        if row is None or not row.statements:
            if everything:
                return
            raise Fault("ResourceNotFoundException", "EventBus does not have a policy.")
        kept = [] if everything else [each for each in row.statements if each.get("Sid") != sid]
        if not everything and len(kept) == len(row.statements):
            raise Fault("ResourceNotFoundException", "Statement with the provided id does not exist.")
        row.statements = kept
        rows.touch(tx, bus, row, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    return {}
