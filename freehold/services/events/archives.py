"""Archives: events of a bus kept for replays (replays.py), for some days or for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.tuples import pack, unpack
from freehold.ports import once
from freehold.ports.call import Call
from freehold.rules.patterns import PatternError, eventbridge
from freehold.services.events import archive_rows, rows
from freehold.services.events.archive_rows import Archive, Space, Tally
from freehold.services.events.common import Request, Result, invalid, limit_of, no_bus, start_of, token_of
from freehold.services.events.model import given
from freehold.services.events.names import BusName, bus_of_arn
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

RETAIN = "events.retain"
"""Timer: events of an archive are past their retention."""
SWEEP = "events.sweep archive"
"""Timer: an archive was deleted, its events go."""
DAY_MS = 86_400_000
_PAGE, _BYTES = 300, 1 << 20
_FIRST = -(1 << 40)
"""Seconds: before all events."""


def none(name: str) -> Fault:
    return Fault("ResourceNotFoundException", f"Archive {name} does not exist.")


def _space(call: Call) -> Space:
    return Space(call.account, call.region)


def _retain_key(space: Space, name: str) -> bytes:
    return pack(*space, name)


def _check_pattern(pattern: str | None) -> str | None:
    """The pattern, checked; an empty one wants every event."""
    if not pattern:
        return None
    try:
        eventbridge.read(pattern)
    except PatternError as error:
        raise Fault("InvalidEventPatternException", str(error)) from None
    return pattern


def _refuse(request: Request) -> None:
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("customer managed keys of archives (KmsKeyIdentifier)")


def _bus_of(call: Call, arn: str) -> BusName:
    bus = bus_of_arn(arn)
    if bus is None:
        raise invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    if (bus.account, bus.region) != _space(call):
        raise no_bus(bus)
    return bus


def _answer(space: Space, row: Archive) -> Result:
    return {"ArchiveArn": archive_rows.archive_arn(space, row.name), "State": "ENABLED", "CreationTime": row.created_s}


async def create_archive(call: Call, request: Request) -> Result:
    """An archive that keeps what the bus accepts from now on."""
    _refuse(request)
    space, bus = _space(call), _bus_of(call, request["EventSourceArn"])
    platform, now_ms = call.platform, call.platform.clock.now_ms()
    token = platform.ids.hex(16)
    row = Archive(
        request["ArchiveName"],
        platform.ids.hex(16),
        bus.name,
        now_ms / 1000,
        _check_pattern(request.get("EventPattern")),
        request.get("RetentionDays", 0),
        request.get("Description"),
    )

    def body(tx: Tx) -> Result:
        if not rows.exists(tx, bus):
            raise no_bus(bus)
        if archive_rows.archive(tx, space, row.name) is not None:
            raise Fault("ResourceAlreadyExistsException", f"Archive {row.name} already exists.")
        archive_rows.put_archive(tx, space, row)
        rows.touch(tx, bus, None, token=token, now_ms=now_ms)
        _plan(tx, platform, space, row, now_ms)
        return _answer(space, row)

    return await once.transact(call, body)


def _plan(tx: Tx, platform: Platform, space: Space, row: Archive, now_ms: int) -> None:
    """Look for events past their retention soon; the timer finds out itself when the next one is."""
    due_ms = now_ms + 1 if row.retention_days else None
    platform.timers.set(tx, RETAIN, _retain_key(space, row.name), due_ms)


def _require(tx: ReadTx, space: Space, name: str) -> Archive:
    row = archive_rows.archive(tx, space, name)
    if row is None:
        raise none(name)
    return row


async def update_archive(call: Call, request: Request) -> Result:
    """Set what the request names; events kept so far stay, unless a shorter retention ends theirs."""
    _refuse(request)
    space, platform, now_ms = _space(call), call.platform, call.platform.clock.now_ms()
    token, pattern = platform.ids.hex(16), _check_pattern(request.get("EventPattern"))

    def body(tx: Tx) -> Archive:
        row = _require(tx, space, request["ArchiveName"])
        row.pattern = pattern if "EventPattern" in request else row.pattern
        row.retention_days = request.get("RetentionDays", row.retention_days)
        row.description = request.get("Description", row.description)
        archive_rows.put_archive(tx, space, row)
        rows.touch(tx, BusName(*space, row.bus), None, token=token, now_ms=now_ms)
        _plan(tx, platform, space, row, now_ms)
        return row

    return _answer(space, await platform.store.transact(body))


async def delete_archive(call: Call, request: Request) -> Result:
    """Delete an archive; its events go in the background."""
    space, platform, now_ms = _space(call), call.platform, call.platform.clock.now_ms()
    token = platform.ids.hex(16)

    def body(tx: Tx) -> None:
        row = _require(tx, space, request["ArchiveName"])
        archive_rows.drop_archive(tx, space, row)
        bus = BusName(*space, row.bus)
        if rows.exists(tx, bus):
            rows.touch(tx, bus, None, token=token, now_ms=now_ms)
        platform.timers.set(tx, RETAIN, _retain_key(space, row.name), None)
        platform.timers.set(tx, SWEEP, pack(*space, row.uid), now_ms)

    await platform.store.transact(body)
    return {}


def _shown(space: Space, row: Archive, held: Tally) -> Result:
    return {
        "ArchiveName": row.name,
        "EventSourceArn": BusName(*space, row.bus).arn,
        "State": "ENABLED",
        "RetentionDays": row.retention_days,
        "SizeBytes": held.bytes,
        "EventCount": held.events,
        "CreationTime": row.created_s,
    }


async def describe_archive(call: Call, request: Request) -> Result:
    space = _space(call)

    def body(tx: ReadTx) -> Result:
        row = _require(tx, space, request["ArchiveName"])
        shown = _shown(space, row, archive_rows.tally(tx, space, row.uid)) | _answer(space, row)
        return shown | given(Description=row.description, EventPattern=row.pattern)

    return await call.platform.store.read(body)


def one_filter(request: Request, *names: str) -> None:
    """Lists take one of their filters at a time."""
    if len([name for name in names if name in request]) > 1:
        raise invalid(f"Only one of {', '.join(names)} can be specified.")


async def list_archives(call: Call, request: Request) -> Result:
    """Archives in the order of their names."""
    one_filter(request, "NamePrefix", "EventSourceArn", "State")
    space, limit, source = _space(call), limit_of(request), request.get("EventSourceArn")

    def body(tx: ReadTx) -> Result:
        found = archive_rows.archives(tx, space, request.get("NamePrefix", ""), start_of(request), limit + 1)
        shown = [_shown(space, row, archive_rows.tally(tx, space, row.uid)) for row in found[:limit]]
        kept = [
            each
            for each in shown
            if source in (None, each["EventSourceArn"]) and request.get("State") in (None, each["State"])
        ]
        result: Result = {"Archives": kept}
        if len(found) > limit:
            result["NextToken"] = token_of(found[limit - 1].name)
        return result

    return await call.platform.store.read(body)


async def retain(platform: Platform, key: bytes) -> int | None:
    """Delete events past their retention; when the next one will be. An event without others is looked for daily."""
    account, region, name = (str(part) for part in unpack(key))
    space, now_ms = Space(account, region), platform.clock.now_ms()

    def body(tx: Tx) -> tuple[bool, int | None]:
        row = archive_rows.archive(tx, space, name)
        if row is None or not row.retention_days:
            return False, None
        span_ms = row.retention_days * DAY_MS
        until_ms = now_ms - span_ms
        page = archive_rows.kept(tx, space, row.uid, _FIRST, until_ms // 1000 + 1, None, _PAGE, _BYTES)
        gone = [(at, kept) for at, kept in page if max(_times_ms(at)) <= until_ms]
        if gone:
            archive_rows.forget(tx, space, row.uid, gone)
            return True, now_ms
        first = archive_rows.kept(tx, space, row.uid, _FIRST, -_FIRST, None, 1, 1)
        ends_ms = max(_times_ms(first[0][0])) + span_ms if first else now_ms + DAY_MS
        return False, ends_ms if now_ms < ends_ms < now_ms + DAY_MS else now_ms + DAY_MS

    more = True
    due_ms: int | None = None
    while more:
        more, due_ms = await platform.store.transact(body)
    return due_ms


def _times_ms(key: bytes) -> tuple[int, int]:
    time_s, arrived_ms = archive_rows.time_of(key)
    return time_s * 1000, arrived_ms


async def sweep(platform: Platform, key: bytes) -> int | None:
    """Delete the events of an archive that is gone."""
    account, region, uid = (str(part) for part in unpack(key))
    while await platform.store.transact(lambda tx: archive_rows.clear(tx, Space(account, region), uid)):
        pass
    return None
