"""CreateEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings, UpdateEventSourceMapping,
DeleteEventSourceMapping."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.lambda_ import checks as common
from freehold.services.lambda_ import paging, state
from freehold.services.lambda_.mappings import checks, rows
from freehold.services.lambda_.mappings.model import (
    CREATING,
    DELETING,
    DISABLING,
    ENABLING,
    STEADY,
    UPDATING,
    Mapping,
)
from freehold.services.lambda_.names import FunctionName, parse_function
from freehold.store.base import ReadTx, Tx

PAGE = 100
"""Mappings of a page when MaxItems is absent, and at most."""
ARRIVAL_S = 1.0
"""Real seconds that a change waits for the one before it to take effect, before it says that the mapping is in use."""


def _function(call: Call, text: str) -> FunctionName:
    name = parse_function(text, None, call.account, call.region)
    if name.account != call.account:
        raise checks.invalid("Function does not exist")
    return name


def _fits(call: Call, tx: ReadTx, name: FunctionName, mapping: Mapping) -> None:
    """Check function and queue as they are now."""
    try:
        version = state.require_version(tx, name)
    except Fault as fault:
        raise checks.invalid("Function does not exist") from fault
    checks.fits(mapping, call.platform.queues.settings(tx, mapping.source), version.timeout)


async def create_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Read a queue from now on."""
    platform = call.platform
    name = _function(call, request["FunctionName"])
    source = checks.source(request, call.account, call.region)
    checks.refuse_unsupported(request)
    common.tags(request.get("Tags") or {})
    mapping = Mapping(
        uuid=platform.ids.uuid(),
        account=call.account,
        region=call.region,
        function=name.qualified_arn,
        source=source,
        state=CREATING,
        modified=platform.clock.now(),
        tags=dict(request.get("Tags") or {}),
    )
    checks.settings(mapping, request)

    def body(tx: Tx) -> dict[str, Any]:
        _fits(call, tx, name, mapping)
        rows.claim(tx, mapping)
        rows.change(tx, mapping)
        return mapping.describe()

    return await once.transact(call, body)


async def get_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One mapping as it is now."""
    found = await call.platform.store.read(lambda tx: rows.require(tx, call.account, call.region, request["UUID"]))
    return found.describe()


async def list_event_source_mappings(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The mappings of this account in this region, of one source or one function where that is asked for."""
    source, function = request.get("EventSourceArn"), request.get("FunctionName")
    arn = parse_function(function, None, call.account, call.region).qualified_arn if function else None
    start, end = rows.of_account(call.account, call.region)
    start = paging.first_key(request.get("Marker"), start, end)
    size = min(request.get("MaxItems") or PAGE, PAGE)

    def body(tx: ReadTx) -> tuple[list[Mapping], bytes | None]:
        found: list[Mapping] = []
        for key, raw in state.scan_all(tx, start, end):
            mapping = rows.mappings.load(raw)
            if (source and mapping.source != source) or (arn and mapping.function != arn):
                continue
            if len(found) == size:
                return found, key
            found.append(mapping)
        return found, None

    found, more = await call.platform.store.read_many(body)
    shown: dict[str, Any] = {"EventSourceMappings": [mapping.describe() for mapping in found]}
    if more is not None:
        shown["NextMarker"] = paging.marker(more)
    return shown


async def update_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change settings, pause, or go on. What is running ends with the settings it began with."""
    platform, uuid, now = call.platform, request["UUID"], call.platform.clock.now()
    checks.refuse_unsupported(request)
    await _arrived(call, uuid)

    def body(tx: Tx) -> Mapping:
        old = rows.require(tx, call.account, call.region, uuid)
        if old.state not in STEADY:
            raise in_use("update")
        new = msgspec.structs.replace(old, modified=now, problem=None)
        checks.settings(new, request)
        name = _function(call, request.get("FunctionName") or old.function)
        new.function = name.qualified_arn
        _fits(call, tx, name, new)
        if new.function != old.function:
            tx.delete(rows.pair(old))
            rows.claim(tx, new)
        new.state = UPDATING if new.enabled == old.enabled else ENABLING if new.enabled else DISABLING
        rows.change(tx, new)
        return new

    return (await platform.store.transact(body)).describe()


async def delete_event_source_mapping(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Stop reading; the mapping is gone when what is running has ended."""
    uuid, now = request["UUID"], call.platform.clock.now()
    await _arrived(call, uuid)

    def body(tx: Tx) -> Mapping:
        mapping = rows.require(tx, call.account, call.region, uuid)
        if mapping.state not in STEADY:
            raise in_use("delete")
        mapping.state, mapping.modified = DELETING, now
        tx.delete(rows.pair(mapping))
        rows.change(tx, mapping)
        return mapping

    return (await call.platform.store.transact(body)).describe()


def in_use(what: str) -> Fault:
    return Fault("ResourceInUseException", f"Cannot {what} the event source mapping because it is in use.", Type="User")


async def _arrived(call: Call, uuid: str) -> None:
    """Give a change that is under way a moment: nearly all take milliseconds."""
    store, clock = call.platform.store, call.platform.clock
    until = clock.monotonic() + ARRIVAL_S
    async with store.watch(rows.key_of(call.account, call.region, uuid)) as watch:
        while True:
            mapping = await store.read(lambda tx: rows.require(tx, call.account, call.region, uuid))
            left = until - clock.monotonic()
            if mapping.state in STEADY or left <= 0:
                return
            await watch.wait(left)
