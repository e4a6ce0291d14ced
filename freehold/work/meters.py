"""Meters: how often, how much, how long: counted in memory, flushed once a second into buckets of one minute.

`add` is made for hot paths: one dictionary look-up and four assignments. A crash loses at most the last second.
Rows: `("meter", day, account, region, meter, dimensions, minute)`; the day comes first so that old days go in one sweep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, StoreError, Tx
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

MINUTE_MS = 60_000
DAY_MS = 86_400_000
KEEP_DAYS = 15
"""Days that minutes are kept: CloudWatch's retention of one-minute data."""
FLUSH_S = 1.0
_PAGE = 400


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of one set of dimensions: what was added from `start_ms` on for a minute."""

    start_ms: int
    dimensions: Mapping[str, str]
    count: int
    sum: float
    min: float
    max: float


class Bucket(msgspec.Struct, array_like=True):
    """Readings of one minute, summed up."""

    count: int
    sum: float
    min: float
    max: float


class Meters:
    """Counts what happens, per account, region, meter, dimensions and minute of service time."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks) -> None:
        self._store, self._clock, self._tasks = store, clock, tasks
        self._now_ms = clock.now_ms
        self._buckets: dict[tuple[object, ...], Bucket] = {}
        self._sources: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing = asyncio.Lock()
        self._swept_day = -1

    async def start(self) -> None:
        """Nothing runs until something is added."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()

    def add(self, account: str, region: str, meter: str, value: float, **dimensions: str) -> None:
        """Count `value` (its unit belongs to the meter's name). It never blocks.

        Bodies of transactions may call it, also where an engine runs them in threads.
        """
        key = (self._now_ms() // MINUTE_MS, account, region, meter, *dimensions.items())
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.count += 1
            bucket.sum += value
            if value > bucket.max:
                bucket.max = value
            elif value < bucket.min:
                bucket.min = value
            return
        self._buckets[key] = Bucket(1, value, value, value)
        self.wake()

    def ask(self, source: Callable[[], None]) -> None:
        """Have `source` called whenever readings are about to be written: whoever sums up by itself calls `merge` then, and
        `wake` once it has something to tell."""
        self._sources.append(source)

    def merge(self, minute: int, account: str, region: str, meter: str, reading: Bucket, **dimensions: str) -> None:
        """Count what was summed up elsewhere in one minute (since the epoch) of service time."""
        key = (minute, account, region, meter, *dimensions.items())
        bucket = self._buckets.get(key)
        self._buckets[key] = reading if bucket is None else _together(bucket, reading)
        self.wake()

    def wake(self) -> None:
        """See to it that what was added is written."""
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._ring)
            except RuntimeError:  # in a thread of the store's
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        if self._timer is None and not self._tasks.closed:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._tasks.closed:  # else close() writes what waits
            self._tasks.spawn("meters: flush", self.flush())

    async def flush(self) -> None:
        """Return when everything added before the call is in the store."""
        async with self._writing:
            for source in self._sources:
                source()
            added, self._buckets = self._buckets, {}
            rows = [(_key(key), bucket) for key, bucket in added.items()]
            for at in range(0, len(rows), _PAGE):
                page = rows[at : at + _PAGE]
                try:
                    await self._store.transact(lambda tx, page=page: _merge(tx, page))  # type: ignore[misc]
                except StoreError:
                    log.exception("%d meter readings could not be written", len(page))
            await self._sweep()

    async def _sweep(self) -> None:
        """Once a day, drop the days that are too old."""
        today = self._clock.now_ms() // DAY_MS
        if today == self._swept_day:
            return
        self._swept_day = today
        start, end = pack("meter"), pack("meter", today - KEEP_DAYS)
        while await self._store.transact(lambda tx: tx.clear(start, end)):
            pass

    async def read(
        self,
        account: str,
        region: str,
        meter: str,
        start_ms: int,
        end_ms: int,
        dimensions: Mapping[str, str] | None = None,
    ) -> list[Point]:
        """Buckets with start_ms <= start < end_ms, in order of time; all sets of dimensions, or exactly one.

        Additions of the last second may be missing: call `flush` where that matters.
        """
        wanted = None if dimensions is None else _dimensions(tuple(dimensions.items()))
        points: list[Point] = []
        for day in range(start_ms // DAY_MS, max(start_ms, end_ms - 1) // DAY_MS + 1):
            if wanted is None:
                low, high = span("meter", day, account, region, meter)
            else:
                prefix = (day, account, region, meter, wanted)
                low, high = pack("meter", *prefix, start_ms // MINUTE_MS), span("meter", *prefix)[1]
            while rows := await self._store.read_many(_scan(low, high)):
                points += [_point(key, value) for key, value in rows]
                low = rows[-1][0] + b"\x00"
        return sorted((p for p in points if start_ms <= p.start_ms < end_ms), key=lambda p: p.start_ms)


def _key(key: tuple[object, ...]) -> bytes:
    minute, account, region, meter, *items = key
    assert isinstance(minute, int) and isinstance(account, str) and isinstance(region, str) and isinstance(meter, str)
    day = minute * MINUTE_MS // DAY_MS
    return pack("meter", day, account, region, meter, _dimensions(items), minute)


def _dimensions(items: Sequence[object]) -> bytes:
    return msgspec.msgpack.encode(sorted(items))


def _merge(tx: Tx, rows: list[tuple[bytes, Bucket]]) -> None:
    for key, added in rows:
        value = tx.get(key)  # one by one: two orders of naming dimensions are two additions to one row
        if value is not None:
            added = _together(msgspec.msgpack.decode(value, type=Bucket), added)
        tx.put(key, msgspec.msgpack.encode(added))


def _together(one: Bucket, other: Bucket) -> Bucket:
    return Bucket(one.count + other.count, one.sum + other.sum, min(one.min, other.min), max(one.max, other.max))


def _scan(low: bytes, high: bytes) -> Callable[[ReadTx], list[tuple[bytes, bytes]]]:
    return lambda tx: tx.scan(low, high)


def _point(key: bytes, value: bytes) -> Point:
    parts = unpack(key)
    dimensions, minute = parts[5], parts[6]
    assert isinstance(dimensions, bytes) and isinstance(minute, int)
    bucket = msgspec.msgpack.decode(value, type=Bucket)
    pairs = msgspec.msgpack.decode(dimensions, type=list[tuple[str, str]])
    return Point(minute * MINUTE_MS, dict(pairs), bucket.count, bucket.sum, bucket.min, bucket.max)
