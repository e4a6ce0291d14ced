"""Events in order of time, forwards and backwards, out of chunks that may overlap.

Chunks come in the order of their first events. Going forwards, an event can be told once the next chunk begins later
than it; going backwards, once no chunk further back can reach it, since none is longer than `longest_ms`.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from freehold.kit.tuples import pack, span, unpack
from freehold.services.logs.model import Space
from freehold.store.base import ReadTx, Store
from freehold.work import logrows
from freehold.work.logrows import Chunk, Entry

PAGE = 32
FIRST_PAGE = 4
ENTRIES = 500
"""Rows of the time index that one page may pass over."""
END_OF_TIME = 1 << 53


class Position(NamedTuple):
    """Where an event stands. Positions of a stream's events sort as the events do; so do those of a group's."""

    at_ms: int
    stream_id: str
    number: int
    place: int


class Found(NamedTuple):
    position: Position
    message: str
    ingested_ms: int
    stream: str


@dataclass(slots=True)
class Loaded:
    """A chunk read from the store."""

    first_ms: int
    stream_id: str
    number: int
    stream: str
    chunk: Chunk

    def events(self) -> Iterator[Found]:
        for place, (at, message) in enumerate(self.chunk.events):
            yield Found(Position(at, self.stream_id, self.number, place), message, self.chunk.ingested_ms, self.stream)


@dataclass(frozen=True, slots=True)
class Source:
    """What is read: one stream of a group, or (stream_id None) all those that `wanted` accepts by name."""

    space: Space
    group_id: str
    longest_ms: int
    stream_id: str | None = None
    stream: str = ""
    hidden: frozenset[str] = frozenset()
    wanted: Callable[[str], bool] | None = None

    def load(
        self, tx: ReadTx, start: bytes, end: bytes, limit: int, reverse: bool, reach: tuple[int, int]
    ) -> tuple[list[Loaded], bytes | None]:
        """A page of chunks, and the key of the last row looked at (None: there was none)."""
        if self.stream_id is not None:
            rows = tx.scan(start, end, limit=limit, reverse=reverse)
            return [self._of_stream(key, value) for key, value in rows], rows[-1][0] if rows else None
        picked: list[tuple[int, str, int, str]] = []
        last: bytes | None = None
        for last, value in tx.scan(start, end, limit=ENTRIES, reverse=reverse):
            first, stream_id, number = unpack(last)[5:8]
            assert isinstance(first, int) and isinstance(stream_id, str) and isinstance(number, int)
            entry = msgspec.msgpack.decode(value, type=Entry)
            if entry.last_ms < reach[0] or stream_id in self.hidden:
                continue
            if self.wanted is None or self.wanted(entry.stream):
                picked.append((first, stream_id, number, entry.stream))
                if len(picked) == limit:
                    break
        keys = [logrows.data_key(*self.space, self.group_id, sid, first, number) for first, sid, number, _ in picked]
        loaded = []
        for (first, stream_id, number, name), found in zip(picked, tx.get_many(keys), strict=True):
            if found is not None:
                loaded.append(Loaded(first, stream_id, number, name, msgspec.msgpack.decode(found, type=Chunk)))
        return loaded, last

    def _of_stream(self, key: bytes, value: bytes) -> Loaded:
        first, number = unpack(key)[6:8]
        assert isinstance(first, int) and isinstance(number, int) and self.stream_id is not None
        return Loaded(first, self.stream_id, number, self.stream, msgspec.msgpack.decode(value, type=Chunk))

    def keys(self, first_ms: int, before_ms: int) -> tuple[bytes, bytes]:
        """The range of chunks that begin in [first_ms, before_ms)."""
        kind: Sequence[str] = ("t", self.group_id) if self.stream_id is None else ("d", self.group_id, self.stream_id)
        low = pack("logs", *self.space, *kind, max(0, first_ms))
        return low, min(pack("logs", *self.space, *kind, before_ms), span("logs", *self.space, *kind)[1])


async def _chunks(store: Store, source: Source, reach: tuple[int, int], *, reverse: bool) -> AsyncIterator[Loaded]:
    """Chunks that may touch [reach[0], reach[1]), in (reversed) order of their first events."""
    low, high = source.keys(reach[0] - source.longest_ms, reach[1])
    limit = FIRST_PAGE
    while low < high:
        loaded, last = await store.read_many(_loader(source, low, high, limit, reverse, reach))
        for chunk in loaded:
            yield chunk
        if last is None:
            return
        low, high = (low, last) if reverse else (last + b"\x00", high)
        limit = PAGE


def _loader(
    source: Source, low: bytes, high: bytes, limit: int, reverse: bool, reach: tuple[int, int]
) -> Callable[[ReadTx], tuple[list[Loaded], bytes | None]]:
    return lambda tx: source.load(tx, low, high, limit, reverse, reach)


async def forwards(
    store: Store, source: Source, start_ms: int, end_ms: int, after: Position | None
) -> AsyncIterator[Found]:
    """Events with start_ms <= time < end_ms and behind `after`, earliest first."""
    low = start_ms if after is None else max(start_ms, after.at_ms)
    heap: list[Found] = []
    async for chunk in _chunks(store, source, (low, end_ms), reverse=False):
        while heap and heap[0].position.at_ms < chunk.first_ms:
            yield heapq.heappop(heap)
        for event in chunk.events():
            if low <= event.position.at_ms < end_ms and (after is None or event.position > after):
                heapq.heappush(heap, event)
    while heap:
        yield heapq.heappop(heap)


class _Latest(NamedTuple):
    """Sorts the other way round."""

    order: tuple[int, list[int], int, int]
    event: Found


def _latest(event: Found) -> _Latest:
    at, stream_id, number, place = event.position
    # Strings of different lengths cannot simply be negated: ids are ASCII of one length, so their letters can.
    return _Latest((-at, [-ord(letter) for letter in stream_id], -number, -place), event)


async def backwards(
    store: Store, source: Source, start_ms: int, end_ms: int, before: Position | None
) -> AsyncIterator[Found]:
    """Events with start_ms <= time < end_ms and in front of `before`, latest first."""
    high = end_ms if before is None else min(end_ms, before.at_ms + 1)
    heap: list[_Latest] = []
    async for chunk in _chunks(store, source, (start_ms, high), reverse=True):
        while heap and heap[0].event.position.at_ms > chunk.first_ms + source.longest_ms:
            yield heapq.heappop(heap).event
        for event in chunk.events():
            if start_ms <= event.position.at_ms < high and (before is None or event.position < before):
                heapq.heappush(heap, _latest(event))
    while heap:
        yield heapq.heappop(heap).event
