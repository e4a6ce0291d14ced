"""Targets of rules: put, remove, list."""

from __future__ import annotations

from msgspec.structs import replace

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.events import compiled, rows
from freehold.services.events.common import (
    Request,
    Result,
    bus_of,
    invalid,
    limit_of,
    require_bus,
    require_rule,
    start_of,
    token_of,
)
from freehold.services.events.model import MAX_TARGETS, Rule
from freehold.services.events.rules import check_managed, save
from freehold.services.events.target_checks import check_target
from freehold.store.base import ReadTx, Tx

MOST_ENTRIES = 10
"""Of one PutTargets or RemoveTargets."""


async def put_targets(call: Call, request: Request) -> Result:
    """Add targets to a rule, or set those with the same id anew. All are taken or none."""
    bus = bus_of(call, request)
    targets = {}
    for target in request["Targets"]:
        check_target(target, bus)
        targets[target["Id"]] = target
    if len(request["Targets"]) > MOST_ENTRIES:
        raise invalid(f"The maximum number of entries per request is {MOST_ENTRIES}.")
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        require_bus(tx, call, bus)
        before = require_rule(tx, bus, request["Rule"])
        check_managed(before)
        after = replace(before, targets=before.targets | targets)
        if len(after.targets) > MAX_TARGETS:
            raise Fault("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        save(tx, call, bus, before, after, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    await compiled.follow(call.platform, bus)
    return {"FailedEntryCount": 0, "FailedEntries": []}


async def remove_targets(call: Call, request: Request) -> Result:
    """Remove targets; ids that are not there are fine."""
    bus, gone = bus_of(call, request), set(request["Ids"])
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        require_bus(tx, call, bus)
        before = require_rule(tx, bus, request["Rule"])
        check_managed(before, force=request.get("Force", False))
        kept = {id: target for id, target in before.targets.items() if id not in gone}
        if len(kept) < len(before.targets):
            save(tx, call, bus, before, replace(before, targets=kept), token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    await compiled.follow(call.platform, bus)
    return {"FailedEntryCount": 0, "FailedEntries": []}


async def list_targets_by_rule(call: Call, request: Request) -> Result:
    bus, last, limit = bus_of(call, request), start_of(request), limit_of(request)

    def body(tx: ReadTx) -> Rule:
        require_bus(tx, call, bus)
        return require_rule(tx, bus, request["Rule"])

    row = await call.platform.store.read(body)
    ids = sorted(id for id in row.targets if id > last)
    result: Result = {"Targets": [row.targets[id] for id in ids[:limit]]}
    if len(ids) > limit:
        result["NextToken"] = token_of(ids[limit - 1])
    return result


async def list_rule_names_by_target(call: Call, request: Request) -> Result:
    """Rules of a bus that have a target with this ARN."""
    bus, arn, last, limit = bus_of(call, request), request["TargetArn"], start_of(request), limit_of(request)

    def body(tx: ReadTx) -> list[str]:
        require_bus(tx, call, bus)
        names: list[str] = []
        page = rows.rules(tx, bus, start_after=last)
        while page and len(names) <= limit:
            names += [row.name for row in page if any(target["Arn"] == arn for target in row.targets.values())]
            page = rows.rules(tx, bus, start_after=page[-1].name)
        return names

    names = await call.platform.store.read_many(body)
    result: Result = {"RuleNames": names[:limit]}
    if len(names) > limit:
        result["NextToken"] = token_of(names[limit - 1])
    return result
