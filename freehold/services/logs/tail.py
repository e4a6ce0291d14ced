"""StartLiveTail: events as they are ingested, in the order of their commits, one update a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after
from freehold.ports.call import Call
from freehold.rules.logpatterns import Pattern
from freehold.services.logs import state
from freehold.services.logs.groups import space
from freehold.services.logs.model import Request, Space, group_arn, group_of_arn, invalid, pattern
from freehold.store.base import ReadTx, Store, Tx
from freehold.work import logrows
from freehold.work.logrows import Chunk

UPDATE_S = 1.0
MAX_EVENTS = 500
"""Events of one update; of more, a sample is sent."""
SESSION_S = 3 * 3600.0
_FEED_ROWS = 200


@dataclass(frozen=True, slots=True)
class _Tail:
    store: Store
    space: Space
    session: str
    node: bytes
    """Whose the session is, should that node die."""
    groups: dict[str, str]
    """ARN by group id."""
    wanted: Callable[[str], bool]
    pattern: Pattern


async def start_live_tail(call: Call, request: Request) -> Request:
    where = space(call)
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    if names is not None and prefixes is not None:
        raise invalid("LogStreamNames and LogStreamNamePrefixes are mutually exclusive parameters.")
    if (names or prefixes) and len(request["logGroupIdentifiers"]) > 1:
        raise invalid("Log streams can only be specified when there is exactly one log group.")
    for text in request["logGroupIdentifiers"]:
        if text.endswith("*"):
            raise invalid(f"The ARN of a log group can't end with an asterisk: {text}")
    listed = [group_of_arn(where, text) for text in request["logGroupIdentifiers"]]
    groups = await call.platform.store.read(lambda tx: [state.group(tx, where, name) for name in listed])
    for group in groups:
        if group.log_class != "STANDARD":
            raise Fault("InvalidOperationException", f"Live Tail is not supported for log groups of {group.log_class}.")

    def wanted(stream: str) -> bool:
        if names is not None:
            return stream in names
        return prefixes is None or any(stream.startswith(prefix) for prefix in prefixes)

    tail = _Tail(
        call.platform.store,
        where,
        call.platform.ids.uuid(),
        call.platform.duties.members.id.encode(),
        {group.id: group_arn(where, group.name) for group in groups},
        wanted,
        pattern(request.get("logEventFilterPattern")),
    )
    start: Request = {"requestId": call.request_id, "sessionId": tail.session}
    for member in ("logGroupIdentifiers", "logStreamNames", "logStreamNamePrefixes", "logEventFilterPattern"):
        if member in request:
            start[member] = request[member]
    return {"responseStream": _session(call, tail, start)}


async def _session(call: Call, tail: _Tail, start: Request) -> AsyncIterator[Request]:
    clock = call.platform.clock
    ends = clock.monotonic() + SESSION_S
    try:
        await tail.store.transact(lambda tx: _open(tx, tail))
        yield {"sessionStart": start}
        while clock.monotonic() < ends:
            await asyncio.sleep(UPDATE_S)
            found = [event for group_id in tail.groups for event in await _drain(tail, group_id)]
            sampled = len(found) > MAX_EVENTS
            if sampled:
                found = [found[at * len(found) // MAX_EVENTS] for at in range(MAX_EVENTS)]
            yield {"sessionUpdate": {"sessionMetadata": {"sampled": sampled}, "sessionResults": found}}
        yield {"SessionTimeoutException": {"message": "The Live Tail session has timed out."}}
    finally:
        await asyncio.shield(_close(tail))


def _open(tx: Tx, tail: _Tail) -> None:
    for group_id in tail.groups:
        tx.put(logrows.live_key(*tail.space, group_id, tail.session), tail.node)


async def _close(tail: _Tail) -> None:
    def body(tx: Tx) -> int:
        left = 0
        for group_id in tail.groups:
            tx.delete(logrows.live_key(*tail.space, group_id, tail.session))
            feed = logrows.feed_key(*tail.space, group_id, tail.session)
            left += tx.clear(feed, after(feed))
        return left

    while await tail.store.transact(body):
        pass


async def _drain(tail: _Tail, group_id: str) -> list[Request]:
    """The events of chunks that were committed since the last look, and forget them."""
    feed = logrows.feed_key(*tail.space, group_id, tail.session)
    arn, found = tail.groups[group_id], list[Request]()
    while True:
        rows = await tail.store.read_many(lambda tx: _feed(tx, feed, tail.wanted))
        for stream, chunk in rows[0]:
            for at, message in chunk.events:
                if tail.pattern.match(message) is not None:
                    found.append(
                        {
                            "logStreamName": stream,
                            "logGroupIdentifier": arn,
                            "message": message,
                            "timestamp": at,
                            "ingestionTime": chunk.ingested_ms,
                        }
                    )
        if rows[1] is None:
            return found
        last = rows[1]
        await tail.store.transact(lambda tx, last=last: tx.clear(feed, last + b"\x00"))  # type: ignore[misc]


def _feed(tx: ReadTx, feed: bytes, wanted: Callable[[str], bool]) -> tuple[list[tuple[str, Chunk]], bytes | None]:
    """Chunks of a page of the feed, and the key of its last row."""
    rows = tx.scan(feed, after(feed), limit=_FEED_ROWS)
    named = [msgspec.msgpack.decode(value, type=tuple[str, bytes]) for _, value in rows]
    picked = [(stream, key) for stream, key in named if wanted(stream)]
    values = tx.get_many([key for _, key in picked])
    chunks = [
        (stream, msgspec.msgpack.decode(value, type=Chunk))
        for (stream, _), value in zip(picked, values, strict=True)
        if value is not None
    ]
    return chunks, rows[-1][0] if rows else None
