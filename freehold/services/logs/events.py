"""Log events: put, get, filter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable

from freehold.kit.faults import not_implemented
from freehold.ports.call import Call
from freehold.services.logs import reading, state
from freehold.services.logs.groups import oldest_kept, space
from freehold.services.logs.model import (
    MAX_EVENTS,
    MAX_PAGE_BYTES,
    Accepted,
    Request,
    Space,
    accept,
    check_batch,
    decode_token,
    encode_token,
    group_name,
    invalid,
    pattern,
    sequence_token,
)
from freehold.services.logs.reading import END_OF_TIME, Found, Position, Source
from freehold.store.base import ReadTx, Tx
from freehold.work import logrows
from freehold.work.logrows import EVENT_OVERHEAD, Group, Prepared, Stream

MAX_SCANNED = 20_000
"""Events that one call of FilterLogEvents looks at: a page may be empty and still have a token, as on AWS."""
_BREATH = 500
_TOKEN = re.compile(r"([fb])/0([0-9]{19})([0-9]{18})([0-9]{18})/s")


async def put_log_events(call: Call, request: Request) -> Request:
    if request.get("entity"):
        raise not_implemented("entity of logs:PutLogEvents")
    events, where, now = request["logEvents"], space(call), call.platform.clock.now_ms()
    check_batch(events)

    def look(tx: ReadTx) -> tuple[Group, Stream]:
        group = state.group(tx, where, request["logGroupName"])
        return group, state.stream(tx, where, group.id, request["logStreamName"])

    def sort_out(group: Group) -> tuple[Accepted, list[Prepared]]:
        accepted = accept(events, now, group.retention_days)
        taken = [(event["timestamp"], event["message"]) for event in events[accepted.start : accepted.end]]
        return accepted, logrows.prepare(taken, now)

    before, _ = await call.platform.store.read(look)
    sorted_out = sort_out(before)

    def body(tx: Tx) -> tuple[Accepted, Stream]:
        group, stream = look(tx)
        accepted, chunks = sorted_out if group.retention_days == before.retention_days else sort_out(group)
        return accepted, logrows.append(tx, *where, group, stream, chunks, now) if chunks else stream

    accepted, stream = await call.platform.store.transact(body)
    result: Request = {"nextSequenceToken": sequence_token(stream)}
    if accepted.rejected:
        result["rejectedLogEventsInfo"] = accepted.rejected
    return result


async def get_log_events(call: Call, request: Request) -> Request:
    where, store = space(call), call.platform.store
    name, stream_name = group_name(where, request), request["logStreamName"]
    token = _parse_token(request.get("nextToken"))

    def look(tx: ReadTx) -> tuple[Group, Stream]:
        group = state.group(tx, where, name)
        return group, state.stream(tx, where, group.id, stream_name)

    group, stream = await store.read(look)
    source = Source(where, group.id, stream.longest_ms, stream.id, stream.name)
    start = max(request.get("startTime", 0), oldest_kept(group, call.platform.clock.now_ms()))
    end = request.get("endTime", END_OF_TIME)
    at = Position(start, stream.id, 0, -1) if token is None else Position(token[1], stream.id, token[2], token[3])
    forward = request.get("startFromHead", False) if token is None else token[0] == "f"
    if forward:
        events = reading.forwards(store, source, start, end, at if token else None)
    else:
        events = reading.backwards(store, source, start, end, at if token else None)
    found = await _take(events, request.get("limit", MAX_EVENTS))
    if not forward:
        found.reverse()
    first, last = (found[0].position, found[-1].position) if found else _turned(at, token[0] if token else None)
    return {
        "events": [
            {"timestamp": event.position.at_ms, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in found
        ],
        "nextForwardToken": _token("f", last),
        "nextBackwardToken": _token("b", first),
    }


def _turned(at: Position, direction: str | None) -> tuple[Position, Position]:
    """(first, last) of an empty page: the token repeats, and turning round finds the event that it stands for."""
    if direction == "f":
        return at._replace(place=at.place + 1), at
    if direction == "b":
        return at, at._replace(place=max(-1, at.place - 1))
    return at, at


async def _take(events: AsyncIterator[Found], limit: int) -> list[Found]:
    found: list[Found] = []
    size = 0
    async for event in events:
        size += len(event.message) + EVENT_OVERHEAD
        if found and size > MAX_PAGE_BYTES:
            break
        found.append(event)
        if len(found) == limit:
            break
    return found


def _token(direction: str, position: Position) -> str:
    return f"{direction}/{position.at_ms:020d}{position.number:018d}{position.place + 1:018d}/s"


def _parse_token(text: str | None) -> tuple[str, int, int, int] | None:
    if text is None:
        return None
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise invalid("The specified nextToken is invalid.")
    return found.group(1), int(found.group(2)), int(found.group(3)), int(found.group(4)) - 1


async def filter_log_events(call: Call, request: Request) -> Request:
    where, store = space(call), call.platform.store
    name, names = group_name(where, request), request.get("logStreamNames")
    prefix = request.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid("LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters.")
    start, end = request.get("startTime", 0), request.get("endTime", END_OF_TIME - 1) + 1
    if end <= start:
        raise invalid("End time should not be less than start time")
    wanted = pattern(request.get("filterPattern"))
    token = decode_token(request.get("nextToken"), bool, int, str, int, int)
    forward = token[0] if token else request.get("startFromHead", True)
    group, source = await store.read(lambda tx: _source(tx, where, name, names, prefix))
    start = max(start, oldest_kept(group, call.platform.clock.now_ms()))
    walk = reading.forwards if forward else reading.backwards
    events = walk(store, source, start, end, Position(*token[1:]) if token else None)
    found: list[Request] = []
    size = scanned = 0
    async for event in events:
        scanned += 1
        if wanted.match(event.message) is not None:
            found.append(_filtered(event))
            size += len(event.message) + EVENT_OVERHEAD
        if len(found) == request.get("limit", MAX_EVENTS) or size > MAX_PAGE_BYTES or scanned == MAX_SCANNED:
            return {"events": found, "searchedLogStreams": [], "nextToken": encode_token(forward, *event.position)}
        if scanned % _BREATH == 0:
            await asyncio.sleep(0)
    return {"events": found, "searchedLogStreams": []}


def _source(tx: ReadTx, where: Space, name: str, names: list[str] | None, prefix: str | None) -> tuple[Group, Source]:
    group = state.group(tx, where, name)
    longest = logrows.totals(tx, *where, group.id).longest_ms
    wanted: Callable[[str], bool] | None = None
    if names is not None:
        streams = [state.stream(tx, where, group.id, stream) for stream in names]
        if len(streams) == 1:
            return group, Source(where, group.id, streams[0].longest_ms, streams[0].id, streams[0].name)
        wanted = frozenset(names).__contains__
    elif prefix is not None:
        wanted = lambda stream: stream.startswith(prefix)  # noqa: E731
    return group, Source(where, group.id, longest, hidden=state.hidden(tx, where, group.id), wanted=wanted)


def event_id(at_ms: int, stream_id: str, number: int, place: int) -> str:
    """Of the event at a place in a stream's chunk: 56 digits that sort by time."""
    return f"{at_ms:014d}{int(stream_id, 16):015d}{number:015d}{place:012d}"


def _filtered(event: Found) -> Request:
    at, stream_id, number, place = event.position
    return {
        "logStreamName": event.stream,
        "timestamp": at,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": event_id(at, stream_id, number, place),
    }


async def test_metric_filter(call: Call, request: Request) -> Request:
    wanted = pattern(request["filterPattern"])
    matches = []
    for number, message in enumerate(request["logEventMessages"], 1):
        extracted = wanted.match(message)
        if extracted is not None:
            matches.append({"eventNumber": number, "eventMessage": message, "extractedValues": extracted})
    return {"matches": matches}
