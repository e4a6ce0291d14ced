"""Rules: put, describe, list, enable, disable, delete."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.rules.patterns import PatternError
from freehold.services.events import compiled, rows, schedules
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
from freehold.services.events.model import DISABLED, ENABLED, Rule
from freehold.services.events.names import DEFAULT, BusName
from freehold.services.events.tags import tags_of
from freehold.store.base import ReadTx, Tx


def check_managed(row: Rule, *, force: bool = False) -> None:
    """Rules that a service manages are changed with Force only. Raises ManagedRuleException."""
    if row.managed_by is not None and not force:
        raise Fault(
            "ManagedRuleException",
            f"Rule {row.name} is a managed rule created by {row.managed_by} on your behalf. Use Force to change it.",
        )


def save(tx: Tx, call: Call, bus: BusName, before: Rule | None, after: Rule | None, *, token: str, now_ms: int) -> None:
    """Write a rule as it shall be (None: delete it), with all that follows from it."""
    changed = after or before
    if changed is None:
        return
    if after is None:
        rows.drop_rule(tx, bus, changed.name)
    else:
        rows.put_rule(tx, bus, after)
    rows.touch(tx, bus, None, token=token, now_ms=now_ms, rule=changed.name)
    schedules.changed(tx, call.platform, bus, changed.name, before, after, now_ms=now_ms)


async def put_rule(call: Call, request: Request) -> Result:
    """Create a rule, or set all of it anew: targets and tags of one that is there stay."""
    bus, name = bus_of(call, request), request["Name"]
    pattern, schedule = request.get("EventPattern"), request.get("ScheduleExpression")
    if not pattern and not schedule:
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if schedule:
        if bus.name != DEFAULT:
            raise invalid("ScheduleExpression is supported only on the default event bus.")
        schedules.check(schedule, bus)
    if pattern:
        check_pattern(pattern)
    row = Rule(
        name=name,
        pattern=pattern or None,
        schedule=schedule or None,
        state=request.get("State", ENABLED),
        description=request.get("Description"),
        role_arn=request.get("RoleArn"),
        created_by=call.principal.account,
        tags=tags_of(request),
    )
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        require_bus(tx, call, bus)
        before = rows.rule(tx, bus, name)
        after = row
        if before is not None:
            check_managed(before)
            after = replace(row, tags=before.tags, targets=before.targets, created_by=before.created_by)
        save(tx, call, bus, before, after, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    await compiled.follow(call.platform, bus)
    return {"RuleArn": bus.rule_arn(name)}


def check_pattern(text: str) -> None:
    """Raise InvalidEventPatternException for what is no pattern."""
    try:
        compiled.pattern_of(text)
    except PatternError as error:
        raise Fault("InvalidEventPatternException", str(error)) from None


async def describe_rule(call: Call, request: Request) -> Result:
    bus = bus_of(call, request)

    def body(tx: ReadTx) -> Rule:
        require_bus(tx, call, bus)
        return require_rule(tx, bus, request["Name"])

    row = await call.platform.store.read(body)
    return {**row.describe(bus), "CreatedBy": row.created_by}


async def list_rules(call: Call, request: Request) -> Result:
    """Rules of a bus in the order of their names."""
    bus, limit = bus_of(call, request), limit_of(request)

    def body(tx: ReadTx) -> list[Rule]:
        require_bus(tx, call, bus)
        return rows.rules(tx, bus, prefix=request.get("NamePrefix", ""), start_after=start_of(request), limit=limit + 1)

    found = await call.platform.store.read_many(body)
    result: Result = {"Rules": [row.describe(bus) for row in found[:limit]]}
    if len(found) > limit:
        result["NextToken"] = token_of(found[limit - 1].name)
    return result


async def enable_rule(call: Call, request: Request) -> Result:
    """A rule that is enabled in another way stays so."""
    return await _switch(call, request, lambda row: row if row.enabled else replace(row, state=ENABLED))


async def disable_rule(call: Call, request: Request) -> Result:
    return await _switch(call, request, lambda row: replace(row, state=DISABLED))


async def _switch(call: Call, request: Request, change: Callable[[Rule], Rule]) -> Result:
    bus = bus_of(call, request)
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        require_bus(tx, call, bus)
        before = require_rule(tx, bus, request["Name"])
        check_managed(before)
        save(tx, call, bus, before, change(before), token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    await compiled.follow(call.platform, bus)
    return {}


async def delete_rule(call: Call, request: Request) -> Result:
    """Delete a rule without targets; one that is not there is fine."""
    bus = bus_of(call, request)
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        require_bus(tx, call, bus)
        before = rows.rule(tx, bus, request["Name"])
        if before is None:
            return
        check_managed(before, force=request.get("Force", False))
        if before.targets:
            raise invalid("Rule can't be deleted since it has targets.")
        save(tx, call, bus, before, None, token=token, now_ms=now_ms)

    await call.platform.store.transact(body)
    await compiled.follow(call.platform, bus)
    return {}
