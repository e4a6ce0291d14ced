"""How logs lie in the store: shared by the LogWriter (functions) and CloudWatch Logs (everybody else).

Events are kept in chunks, many events in one row, ordered inside by time:

- `("logs", account, region, "g", group name)`                           Group
- `("logs", account, region, "s", group id, stream name)`                Stream
- `("logs", account, region, "d", group id, stream id, first ms, n)`     Chunk: the events
- `("logs", account, region, "t", group id, first ms, stream id, n)`     Entry: which chunks of a group touch a time
- `("logs", account, region, "b", group id)`                             bytes stored in the group
- `("logs", account, region, "live", group id, session)`                 somebody tails the group
- `("logs", account, region, "feed", group id)` + stamp                  chunks in commit order, while somebody tails

A chunk covers no more than one window of WINDOW_MS, so that whoever wants events from a time on begins to look at the
start of that time's window and misses nothing. `n` counts the chunks of a stream in the order of their commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from freehold.kit.tuples import pack, span
from freehold.store.base import ReadTx, Tx

EVENT_OVERHEAD = 26
"""Bytes that CloudWatch Logs counts for an event beyond its UTF-8 message."""
WINDOW_MS = 300_000
CHUNK_BYTES = 256 << 10
CHUNK_EVENTS = 4_000

Event = tuple[int, str]
"""(milliseconds since the epoch, message)"""


class Group(msgspec.Struct, frozen=True, array_like=True):
    name: str
    id: str
    created_ms: int
    log_class: str = "STANDARD"
    retention_days: int | None = None
    tags: dict[str, str] = {}


class Stream(msgspec.Struct, frozen=True, array_like=True):
    name: str
    id: str
    created_ms: int
    first_ms: int | None = None
    last_ms: int | None = None
    ingested_ms: int | None = None
    chunks: int = 0


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """The value of a data row."""

    ingested_ms: int
    events: list[Event]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """The value of a time row: what is needed to pass a chunk over without reading it."""

    last_ms: int
    size: int
    stream: str


class Prepared(msgspec.Struct, frozen=True):
    """A chunk ready to be written: everything that a transaction does not decide."""

    first_ms: int
    last_ms: int
    size: int
    value: bytes


def group_key(account: str, region: str, name: str) -> bytes:
    return pack("logs", account, region, "g", name)


def stream_key(account: str, region: str, group_id: str, name: str) -> bytes:
    return pack("logs", account, region, "s", group_id, name)


def data_key(account: str, region: str, group_id: str, stream_id: str, first_ms: int, number: int) -> bytes:
    return pack("logs", account, region, "d", group_id, stream_id, first_ms, number)


def time_key(account: str, region: str, group_id: str, first_ms: int, stream_id: str, number: int) -> bytes:
    return pack("logs", account, region, "t", group_id, first_ms, stream_id, number)


def size_key(account: str, region: str, group_id: str) -> bytes:
    return pack("logs", account, region, "b", group_id)


def live_span(account: str, region: str, group_id: str) -> tuple[bytes, bytes]:
    return span("logs", account, region, "live", group_id)


def feed_key(account: str, region: str, group_id: str) -> bytes:
    return pack("logs", account, region, "feed", group_id)


def wake_key(account: str, region: str, group_id: str) -> bytes:
    """What whoever tails a group watches."""
    return pack("logs", account, region, "wake", group_id)


def find_group(tx: ReadTx, account: str, region: str, name: str) -> Group | None:
    value = tx.get(group_key(account, region, name))
    return None if value is None else msgspec.msgpack.decode(value, type=Group)


def put_group(tx: Tx, account: str, region: str, group: Group) -> None:
    tx.put(group_key(account, region, group.name), msgspec.msgpack.encode(group))


def find_stream(tx: ReadTx, account: str, region: str, group_id: str, name: str) -> Stream | None:
    value = tx.get(stream_key(account, region, group_id, name))
    return None if value is None else msgspec.msgpack.decode(value, type=Stream)


def put_stream(tx: Tx, account: str, region: str, group_id: str, stream: Stream) -> None:
    tx.put(stream_key(account, region, group_id, stream.name), msgspec.msgpack.encode(stream))


def prepare(events: Sequence[Event], now_ms: int) -> list[Prepared]:
    """Cut events into chunks. They are put in order of time; events of one millisecond keep their order."""
    ordered = sorted(events, key=_time)
    return [_prepared(part, now_ms) for part in _cut(ordered)]


def _time(event: Event) -> int:
    return event[0]


def _cut(events: Sequence[Event]) -> Iterator[list[Event]]:
    part: list[Event] = []
    size, window = 0, -1
    for event in events:
        length = len(event[1].encode("utf-8", "surrogatepass"))
        if part and (event[0] // WINDOW_MS != window or size + length > CHUNK_BYTES or len(part) >= CHUNK_EVENTS):
            yield part
            part, size = [], 0
        if not part:
            window = event[0] // WINDOW_MS
        part.append(event)
        size += length
    if part:
        yield part


def _prepared(events: list[Event], now_ms: int) -> Prepared:
    value = msgspec.msgpack.encode(Chunk(now_ms, events))
    size = sum(len(message.encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD for _, message in events)
    return Prepared(events[0][0], events[-1][0], size, value)


def append(
    tx: Tx, account: str, region: str, group: Group, stream: Stream, chunks: Sequence[Prepared], now_ms: int
) -> Stream:
    """Write chunks to a stream; returns its new record."""
    number = stream.chunks
    followed = bool(tx.scan(*live_span(account, region, group.id), limit=1))
    for chunk in chunks:
        key = data_key(account, region, group.id, stream.id, chunk.first_ms, number)
        tx.put(key, chunk.value)
        entry = msgspec.msgpack.encode(Entry(chunk.last_ms, chunk.size, stream.name))
        tx.put(time_key(account, region, group.id, chunk.first_ms, stream.id, number), entry)
        if followed:
            tx.append(feed_key(account, region, group.id), msgspec.msgpack.encode((stream.name, key)))
        number += 1
    firsts = [chunk.first_ms for chunk in chunks]
    lasts = [chunk.last_ms for chunk in chunks]
    grown = Stream(
        stream.name,
        stream.id,
        stream.created_ms,
        min(firsts if stream.first_ms is None else [stream.first_ms, *firsts]),
        max(lasts if stream.last_ms is None else [stream.last_ms, *lasts]),
        now_ms,
        number,
    )
    put_stream(tx, account, region, group.id, grown)
    resize(tx, account, region, group.id, sum(chunk.size for chunk in chunks))
    tx.wake(wake_key(account, region, group.id))
    return grown


def stored_bytes(tx: ReadTx, account: str, region: str, group_id: str) -> int:
    return int.from_bytes(tx.get(size_key(account, region, group_id)) or b"", "big")


def resize(tx: Tx, account: str, region: str, group_id: str, change: int) -> None:
    """Count bytes that came or went."""
    size = max(0, stored_bytes(tx, account, region, group_id) + change)
    tx.put(size_key(account, region, group_id), size.to_bytes(8, "big"))
