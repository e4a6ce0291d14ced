"""Replays: events of an archive once more on their bus, for all rules or only for those that are named.

A page of events and the cursor behind them are one commit, so that a server which dies goes on where it was. A replayed
event keeps its id and time, and has the member `replay-name`; archives do not keep it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, unpack
from freehold.ports.call import Call
from freehold.services.events import archive_rows, archives, envelope
from freehold.services.events.archive_rows import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    RUNNING,
    STARTING,
    Kept,
    Replay,
    Space,
)
from freehold.services.events.common import Request, Result, invalid, limit_of, start_of, token_of
from freehold.services.events.envelope import Event
from freehold.services.events.firing import accept
from freehold.services.events.model import given
from freehold.services.events.names import BusName, bus_of_arn, rule_of_arn
from freehold.services.events.sending import Room
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TIMER = "events.replay"
_PAGE, _BYTES = 50, 512 << 10
KEPT_MS = 90 * 86_400_000
"""A replay that has ended can be described for 90 days (User Guide, "Replaying archived events")."""


def _key(space: Space, name: str) -> bytes:
    return pack(*space, name)


async def start_replay(call: Call, request: Request) -> Result:
    """Begin to replay; the rest is done by a timer."""
    space, platform = Space(call.account, call.region), call.platform
    source, start_s, end_s = request["EventSourceArn"], request["EventStartTime"], request["EventEndTime"]
    bus = bus_of_arn(request["Destination"]["Arn"])
    if bus is None:
        raise invalid("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
    if end_s <= start_s:
        raise invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
    filters = _filters(request["Destination"].get("FilterArns"), bus)
    prefix = archive_rows.archive_arn(space, "")
    name, now_ms = request["ReplayName"], platform.clock.now_ms()

    def body(tx: Tx) -> Replay:
        row = archive_rows.archive(tx, space, source.removeprefix(prefix)) if source.startswith(prefix) else None
        if row is None:
            raise archives.none(source.rpartition("/")[2])
        if (row.bus, *space) != (bus.name, bus.account, bus.region):
            raise invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
        if archive_rows.replay(tx, space, name) is not None:
            raise Fault("ResourceAlreadyExistsException", f"Replay {name} already exists.")
        replay = Replay(name, row.name, row.uid, bus.name, start_s, end_s, STARTING, now_ms / 1000, filters)
        replay.description = request.get("Description")
        archive_rows.put_replay(tx, space, replay)
        platform.timers.set(tx, TIMER, _key(space, name), now_ms)
        return replay

    replay = await platform.store.transact(body)
    return {
        "ReplayArn": archive_rows.replay_arn(space, name),
        "State": replay.state,
        "ReplayStartTime": replay.started_s,
    }


def _filters(given_arns: list[str] | None, bus: BusName) -> list[str] | None:
    """The ARNs of the rules that replayed events are for; None: all."""
    for arn in given_arns or []:
        found = rule_of_arn(arn)
        if found is None or found[0] != bus:
            raise invalid(f"Parameter Destination.FilterArns is not valid. Reason: {arn} is not a rule of {bus.arn}.")
    return given_arns or None


async def proceed(platform: Platform, key: bytes) -> int | None:
    """Replay page by page until the end of the archive's events, or until the replay is cancelled; forget it when that has
    been long ago."""
    account, region, name = (str(part) for part in unpack(key))
    space = Space(account, region)
    while await platform.store.transact(_next_page(platform, space, name, platform.clock.now_ms())):
        pass
    return await platform.store.transact(lambda tx: _forget(tx, space, name, platform.clock.now_ms()))


def _forget(tx: Tx, space: Space, name: str, now_ms: int) -> int | None:
    """Drop a replay that has ended long ago; when to look again."""
    replay = archive_rows.replay(tx, space, name)
    if replay is None or replay.ended_s is None:
        return None
    due_ms = round(replay.ended_s * 1000) + KEPT_MS
    if due_ms > now_ms:
        return due_ms
    archive_rows.drop_replay(tx, space, name)
    return None


def _next_page(platform: Platform, space: Space, name: str, now_ms: int) -> Callable[[Tx], bool]:
    """One page in one transaction; says whether there may be more."""

    def body(tx: Tx) -> bool:
        replay = archive_rows.replay(tx, space, name)
        if replay is None or replay.state not in (STARTING, RUNNING, CANCELLING):
            return False
        if replay.state == CANCELLING:
            return _end(tx, space, replay, CANCELLED, now_ms)
        first_s, before_s = math.ceil(replay.start_s), math.ceil(replay.end_s)
        page = archive_rows.kept(tx, space, replay.uid, first_s, before_s, replay.cursor, _PAGE, _BYTES)
        if not page:
            return _end(tx, space, replay, COMPLETED, now_ms)
        bus, room = BusName(*space, replay.bus), Room()
        only = None if replay.filters is None else frozenset(replay.filters)
        for _, kept in page:
            accept(tx, platform, bus, replayed(kept, name), now_ms=now_ms, room=room, only=only, archive=False)
        replay.state, replay.cursor = RUNNING, page[-1][0]
        replay.last_s = float(archive_rows.time_of(replay.cursor)[0])
        archive_rows.put_replay(tx, space, replay)
        return True

    return body


def _end(tx: Tx, space: Space, replay: Replay, state: str, now_ms: int) -> bool:
    replay.state, replay.ended_s = state, now_ms / 1000
    archive_rows.put_replay(tx, space, replay)
    return False


def replayed(kept: Kept, name: str) -> Event:
    """The event as a replay puts it."""
    event = envelope.parsed(kept.text, trace=kept.trace)
    detail = event.document.pop("detail")
    return Event({**event.document, "replay-name": name, "detail": detail}, trace=kept.trace)


def _require(tx: ReadTx, space: Space, name: str) -> Replay:
    row = archive_rows.replay(tx, space, name)
    if row is None:
        raise Fault("ResourceNotFoundException", f"Replay {name} does not exist.")
    return row


async def cancel_replay(call: Call, request: Request) -> Result:
    """Stop a replay that has not ended; what was replayed stays so."""
    space, name, platform = Space(call.account, call.region), request["ReplayName"], call.platform
    now_ms = platform.clock.now_ms()

    def body(tx: Tx) -> None:
        replay = _require(tx, space, name)
        if replay.state not in (STARTING, RUNNING):
            raise Fault("IllegalStatusException", f"Replay {name} is not in a valid state for this operation.")
        replay.state = CANCELLING
        archive_rows.put_replay(tx, space, replay)
        platform.timers.set(tx, TIMER, _key(space, name), now_ms)

    await platform.store.transact(body)
    return {"ReplayArn": archive_rows.replay_arn(space, name), "State": CANCELLING}


def _shown(space: Space, row: Replay) -> Result:
    return {
        "ReplayName": row.name,
        "EventSourceArn": archive_rows.archive_arn(space, row.archive),
        "State": row.state,
        "EventStartTime": row.start_s,
        "EventEndTime": row.end_s,
        "ReplayStartTime": row.started_s,
        **given(StateReason=row.reason, EventLastReplayedTime=row.last_s, ReplayEndTime=row.ended_s),
    }


async def describe_replay(call: Call, request: Request) -> Result:
    space = Space(call.account, call.region)
    row = await call.platform.store.read(lambda tx: _require(tx, space, request["ReplayName"]))
    destination = {"Arn": BusName(*space, row.bus).arn} | given(FilterArns=row.filters)
    return {
        **_shown(space, row),
        "ReplayArn": archive_rows.replay_arn(space, row.name),
        "Destination": destination,
        **given(Description=row.description),
    }


async def list_replays(call: Call, request: Request) -> Result:
    """Replays in the order of their names."""
    archives.one_filter(request, "NamePrefix", "EventSourceArn", "State")
    space, limit = Space(call.account, call.region), limit_of(request)
    source, state = request.get("EventSourceArn"), request.get("State")
    found = await call.platform.store.read(
        lambda tx: archive_rows.replays(tx, space, request.get("NamePrefix", ""), start_of(request), limit + 1)
    )
    shown = [_shown(space, row) for row in found[:limit]]
    kept = [each for each in shown if source in (None, each["EventSourceArn"]) and state in (None, each["State"])]
    result: Result = {"Replays": kept}
    if len(found) > limit:
        result["NextToken"] = token_of(found[limit - 1].name)
    return result
