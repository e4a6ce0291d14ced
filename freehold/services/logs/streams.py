"""Log streams: create, describe, delete."""

from __future__ import annotations

from collections.abc import Callable

from freehold.ports.call import Call
from freehold.services.logs import state, sweeping
from freehold.services.logs.groups import space
from freehold.services.logs.model import (
    Request,
    Space,
    decode_token,
    describe_stream,
    encode_token,
    group_name,
    invalid,
)
from freehold.store.base import ReadTx, Tx
from freehold.work.logrows import Stream

_PAGE = 500


async def create_log_stream(call: Call, request: Request) -> Request:
    stream = Stream(request["logStreamName"], call.platform.ids.hex(12), call.platform.clock.now_ms())
    where = space(call)
    await call.platform.store.transact(lambda tx: state.create_stream(tx, where, request["logGroupName"], stream))
    return {}


async def delete_log_stream(call: Call, request: Request) -> Request:
    where, now = space(call), call.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        group, old = state.delete_stream(tx, where, request["logGroupName"], request["logStreamName"])
        sweeping.later(call.platform.timers, tx, sweeping.STREAM, where, group.id, old.id, now)

    await call.platform.store.transact(body)
    return {}


async def describe_log_streams(call: Call, request: Request) -> Request:
    where = space(call)
    name = group_name(where, request)
    by_time = request.get("orderBy") == "LastEventTime"
    if by_time and "logStreamNamePrefix" in request:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = await call.platform.store.read(lambda tx: state.group(tx, where, name))
    page = _by_time if by_time else _by_name
    streams, token = await page(call, where, group.id, request)
    shapes = [describe_stream(where, name, stream) for stream in streams]
    return {"logStreams": shapes} | ({"nextToken": token} if token else {})


async def _by_name(call: Call, where: Space, group_id: str, request: Request) -> tuple[list[Stream], str | None]:
    limit = request.get("limit", 50)
    token = decode_token(request.get("nextToken"), str)
    found = await call.platform.store.read_many(
        lambda tx: state.streams(
            tx,
            where,
            group_id,
            request.get("logStreamNamePrefix", ""),
            token[0] if token else None,
            limit + 1,
            reverse=request.get("descending", False),
        )
    )
    return found[:limit], encode_token(found[limit - 1].name) if len(found) > limit else None


async def _by_time(call: Call, where: Space, group_id: str, request: Request) -> tuple[list[Stream], str | None]:
    """Streams without events come first (last when descending), as if their last event were at the epoch."""
    limit, descending = request.get("limit", 50), request.get("descending", False)
    token = decode_token(request.get("nextToken"), int, str)
    found: list[Stream] = []
    last: str | None = None
    while rows := await call.platform.store.read_many(_streams(where, group_id, last)):
        found += rows
        last = rows[-1].name
    found.sort(key=_time, reverse=descending)
    if token:
        mark = (token[0], token[1])
        found = [s for s in found if (_time(s) < mark if descending else _time(s) > mark)]
    return found[:limit], encode_token(*_time(found[limit - 1])) if len(found) > limit else None


def _streams(where: Space, group_id: str, last: str | None) -> Callable[[ReadTx], list[Stream]]:
    return lambda tx: state.streams(tx, where, group_id, "", last, _PAGE)


def _time(stream: Stream) -> tuple[int, str]:
    return stream.last_ms or 0, stream.name
