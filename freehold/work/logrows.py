"""How logs lie in the store: shared by the LogWriter (functions) and CloudWatch Logs (everybody else).

Events are kept in chunks, many events in one row, ordered inside by time:

- `("logs", account, region, "g", group name)`                           Group
- `("logs", account, region, "s", group id, stream name)`                Stream
- `("logs", account, region, "d", group id, stream id, first ms, n)`     Chunk: the events
- `("logs", account, region, "t", group id, first ms, stream id, n)`     Entry: which chunks of a group touch a time
- `("logs", account, region, "b", group id)`                             Totals of the group
- `("logs", account, region, "x", group id, stream id)`                  a deleted stream whose chunks are being removed
- `("logs-due", account, region, group name, stream id, n)`               a chunk that subscription filters have not seen
- `("logs-live", account, region, group id, session)`                    somebody tails the group: his node
- `("logs-feed", account, region, group id, session)` + stamp            new chunks for who tails, in commit order

`n` counts the chunks of a stream in the order of their commits. Chunks are short in time (CHUNK_MS, or WIDE_CHUNK_MS in a
batch that spans hours), and stream and group remember the longest: whoever wants events from a time on begins to look
that much earlier and misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Tx

EVENT_OVERHEAD = 26
"""Bytes that CloudWatch Logs counts for an event beyond its UTF-8 message."""
CHUNK_MS = 10_000
WIDE_BATCH_MS = 3_600_000
WIDE_CHUNK_MS = 300_000
CHUNK_BYTES = 256 << 10
CHUNK_EVENTS = 4_000

DUE = pack("logs-due")
"""Woken when subscription filters have something to look at."""

Event = tuple[int, str]
"""(milliseconds since the epoch, message)"""


class Group(msgspec.Struct, frozen=True, array_like=True):
    name: str
    id: str
    created_ms: int
    log_class: str = "STANDARD"
    retention_days: int | None = None
    tags: dict[str, str] = {}
    protected: bool = False
    subscribed: bool = False
    """It has subscription filters, which are to see each new chunk."""


class Stream(msgspec.Struct, frozen=True, array_like=True):
    name: str
    id: str
    created_ms: int
    first_ms: int | None = None
    last_ms: int | None = None
    ingested_ms: int | None = None
    chunks: int = 0
    longest_ms: int = 0


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """What a group holds, and how long in time its longest chunk is."""

    size: int = 0
    longest_ms: int = 0


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


def totals_key(account: str, region: str, group_id: str) -> bytes:
    return pack("logs", account, region, "b", group_id)


def gone_key(account: str, region: str, group_id: str, stream_id: str) -> bytes:
    return pack("logs", account, region, "x", group_id, stream_id)


def live_span(account: str, region: str, group_id: str) -> tuple[bytes, bytes]:
    return span("logs-live", account, region, group_id)


def live_key(account: str, region: str, group_id: str, session: str) -> bytes:
    return pack("logs-live", account, region, group_id, session)


def feed_key(account: str, region: str, group_id: str, session: str) -> bytes:
    return pack("logs-feed", account, region, group_id, session)


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
    return [_prepared(part, size, now_ms) for part, size in _cut(ordered)]


def _time(event: Event) -> int:
    return event[0]


def _cut(events: Sequence[Event]) -> Iterator[tuple[list[Event], int]]:
    """Parts, each with the bytes of its messages."""
    wide = bool(events) and events[-1][0] - events[0][0] > WIDE_BATCH_MS
    longest = WIDE_CHUNK_MS if wide else CHUNK_MS
    part: list[Event] = []
    size = 0
    for event in events:
        message = event[1]
        length = len(message if message.isascii() else message.encode("utf-8", "surrogatepass"))
        if part and (event[0] - part[0][0] > longest or size + length > CHUNK_BYTES or len(part) >= CHUNK_EVENTS):
            yield part, size
            part, size = [], 0
        part.append(event)
        size += length
    if part:
        yield part, size


def _prepared(events: list[Event], size: int, now_ms: int) -> Prepared:
    value = msgspec.msgpack.encode(Chunk(now_ms, events))
    return Prepared(events[0][0], events[-1][0], size + EVENT_OVERHEAD * len(events), value)


def append(
    tx: Tx, account: str, region: str, group: Group, stream: Stream, chunks: Sequence[Prepared], now_ms: int
) -> Stream:
    """Write chunks to a stream; returns its new record."""
    number = stream.chunks
    feeds = [
        feed_key(account, region, group.id, str(unpack(key)[4]))
        for key, _ in tx.scan(*live_span(account, region, group.id))
    ]
    for chunk in chunks:
        key = data_key(account, region, group.id, stream.id, chunk.first_ms, number)
        tx.put(key, chunk.value)
        entry = msgspec.msgpack.encode(Entry(chunk.last_ms, chunk.size, stream.name))
        tx.put(time_key(account, region, group.id, chunk.first_ms, stream.id, number), entry)
        for feed in feeds:
            tx.append(feed, msgspec.msgpack.encode((stream.name, key)))
        if group.subscribed:
            due = pack("logs-due", account, region, group.name, stream.id, number)
            tx.put(due, msgspec.msgpack.encode((stream.name, key)))
            tx.wake(DUE)
        number += 1
    longest = max((chunk.last_ms - chunk.first_ms for chunk in chunks), default=0)
    firsts = [chunk.first_ms for chunk in chunks] + ([] if stream.first_ms is None else [stream.first_ms])
    lasts = [chunk.last_ms for chunk in chunks] + ([] if stream.last_ms is None else [stream.last_ms])
    grown = Stream(
        stream.name,
        stream.id,
        stream.created_ms,
        min(firsts, default=None),
        max(lasts, default=None),
        now_ms,
        number,
        max(stream.longest_ms, longest),
    )
    put_stream(tx, account, region, group.id, grown)
    resize(tx, account, region, group.id, sum(chunk.size for chunk in chunks), longest)
    tx.wake(wake_key(account, region, group.id))
    return grown


def totals(tx: ReadTx, account: str, region: str, group_id: str) -> Totals:
    value = tx.get(totals_key(account, region, group_id))
    return Totals() if value is None else msgspec.msgpack.decode(value, type=Totals)


def resize(tx: Tx, account: str, region: str, group_id: str, change: int, longest_ms: int = 0) -> None:
    """Count bytes that came or went."""
    old = totals(tx, account, region, group_id)
    new = Totals(max(0, old.size + change), max(old.longest_ms, longest_ms))
    if new != old:
        tx.put(totals_key(account, region, group_id), msgspec.msgpack.encode(new))
