"""Event buses: create, describe, list, update, delete."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.events import compiled, rows
from freehold.services.events.bus_policies import document_of
from freehold.services.events.common import (
    Request,
    Result,
    bus_of,
    invalid,
    limit_of,
    no_bus,
    require_bus,
    start_of,
    token_of,
)
from freehold.services.events.model import Bus, given
from freehold.services.events.names import DEFAULT, BusName, parse_bus
from freehold.services.events.tags import tags_of
from freehold.store.base import ReadTx, Tx


async def create_event_bus(call: Call, request: Request) -> Result:
    """A custom bus. Buses of partner event sources are refused."""
    name = request["Name"]
    if request.get("EventSourceName") or name.startswith("aws.partner/"):
        raise not_implemented("partner event sources")
    if "/" in name:
        raise invalid("Event bus name must not contain '/'.")
    bus = BusName(call.account, call.region, name)
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)
    settings = _settings(request)

    def body(tx: Tx) -> dict[str, Any]:
        if rows.exists(tx, bus):
            raise Fault("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
        row = rows.fresh(now_ms)
        _set(row, settings)
        row.tags = tags_of(request)
        rows.touch(tx, bus, row, token=token, now_ms=now_ms)
        return {"EventBusArn": bus.arn, **settings}

    return await once.transact(call, body)


def _settings(request: Request) -> dict[str, Any]:
    """What a request sets on a bus. What Freehold cannot act on is refused by name."""
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("customer managed keys of event buses (KmsKeyIdentifier)")
    if request.get("LogConfig", {}).get("Level", "OFF") != "OFF":
        raise not_implemented("logs of event buses (LogConfig)")
    if request.get("DeadLetterConfig", {}).get("Arn"):  # takes what a customer managed key makes unreadable
        raise not_implemented("dead-letter queues of event buses (DeadLetterConfig)")
    return {key: request[key] for key in ("Description", "LogConfig") if key in request}


def _set(row: Bus, settings: dict[str, Any]) -> None:
    row.description = settings.get("Description") or None
    row.log_config = settings.get("LogConfig") or None


async def describe_event_bus(call: Call, request: Request) -> Result:
    bus = bus_of(call, {"EventBusName": request.get("Name")})
    row = await call.platform.store.read(lambda tx: require_bus(tx, call, bus))
    return describe(bus, row)


def describe(bus: BusName, row: Bus | None) -> Result:
    """As DescribeEventBus shows it; a default bus on which nothing was set has little to say."""
    shown: Result = {"Name": bus.name, "Arn": bus.arn}
    if row is not None:
        shown |= given(
            Description=row.description,
            LogConfig=row.log_config,
            Policy=document_of(row.statements) if row.statements else None,
            CreationTime=row.created_s,
            LastModifiedTime=row.modified_s,
        )
    return shown


async def list_event_buses(call: Call, request: Request) -> Result:
    """Buses in the order of their names."""
    prefix, last, limit = request.get("NamePrefix", ""), start_of(request), limit_of(request)

    def body(tx: ReadTx) -> list[tuple[str, Bus | None]]:
        found: dict[str, Bus | None] = {DEFAULT: None}
        # one more than a page, and the default bus may stand before, among or after them
        found |= rows.buses(tx, call.account, call.region, max(prefix, last), limit + 2)
        return sorted((name, row) for name, row in found.items() if name.startswith(prefix) and name > last)

    found = await call.platform.store.read(body)
    shown = [describe(BusName(call.account, call.region, name), row) for name, row in found[:limit]]
    for each in shown:
        each.pop("LogConfig", None)
    result: Result = {"EventBuses": shown}
    if len(found) > limit:
        result["NextToken"] = token_of(shown[-1]["Name"])
    return result


async def update_event_bus(call: Call, request: Request) -> Result:
    """Set what the request names; the rest stays."""
    bus = parse_bus(request.get("Name"), call.account, call.region)
    settings = _settings(request)
    now_ms, token = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> Bus:
        row = require_bus(tx, call, bus) or rows.fresh(now_ms)
        kept = given(
            Description=row.description,
            LogConfig=row.log_config,
        )
        _set(row, kept | settings)
        rows.touch(tx, bus, row, token=token, now_ms=now_ms)
        return row

    shown = describe(bus, await call.platform.store.transact(body))
    return {key: shown[key] for key in ("Arn", "Name", "Description", "LogConfig") if key in shown}


async def delete_event_bus(call: Call, request: Request) -> Result:
    """Delete a custom bus without rules; one that is not there is fine."""
    bus = parse_bus(request["Name"], call.account, call.region)
    if bus.name == DEFAULT:
        raise invalid("Cannot delete event bus default.")
    if bus.account != call.account:
        raise no_bus(bus)

    def body(tx: Tx) -> None:
        if rows.rules(tx, bus, limit=1):
            raise invalid(f"Event bus {bus.name} cannot be deleted since it has rules.")
        if rows.bus(tx, bus) is not None:
            rows.drop_bus(tx, bus)

    await call.platform.store.transact(body)
    compiled.forget(call.platform, bus)
    return {}
