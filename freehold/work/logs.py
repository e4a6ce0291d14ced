"""LogWriter: lines of functions and services into CloudWatch log streams, never in anybody's way.

`write` only appends to a buffer in memory. Buffers go to the store when they hold 64 KiB or 200 ms (real time) after
their first line, many streams in one transaction. They are bounded: under pressure the oldest lines of a stream go, and
a line says how many. A crash may lose the last 200 ms, as with any agent that ships logs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.store.base import Store, StoreError, Tx
from freehold.work import logrows
from freehold.work.logrows import Event, Group, Prepared, Stream
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

FLUSH_BYTES = 64 << 10
FLUSH_S = 0.2
MAX_LINE = 256 << 10
"""Characters of one event; a longer line becomes several events, as Lambda's are."""
MAX_BUFFER = 4 << 20
"""Characters that one stream may have waiting."""
MAX_TOTAL = 64 << 20
"""Characters that all streams may have waiting together."""
_TX_BYTES = 6 << 20
_TX_STREAMS = 200

Target = tuple[str, str, str, str]
"""(account, region, group, stream)"""


class _Buffer:
    __slots__ = ("begun", "dropped", "events", "size")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.events: deque[Event] = deque()
        self.size = 0
        self.dropped = 0


class LogWriter:
    """Buffers log lines per stream and writes them in chunks. Groups and streams come into being as they are needed."""

    def __init__(self, store: Store, clock: Clock, tasks: Tasks, ids: Ids | None = None) -> None:
        self._store, self._clock, self._tasks, self._ids = store, clock, tasks, ids or Ids()
        self._buffers: dict[Target, _Buffer] = {}
        self._total = 0
        self._timer: asyncio.TimerHandle | None = None
        self._hurried = False
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Nothing runs until something is written."""

    async def close(self) -> None:
        """Write everything that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()

    def write(self, account: str, region: str, group: str, stream: str, events: Sequence[Event]) -> None:
        """Add (milliseconds since the epoch, line) events to a stream. Never blocks, never fails; may drop, and says so.

        Call it on the event loop.
        """
        if not events:
            return
        target = (account, region, group, stream)
        buffer = self._buffers.get(target)
        if buffer is None:
            buffer = self._buffers[target] = _Buffer(self._clock.monotonic())
        before = buffer.size
        for event in events:
            length = len(event[1])
            if length > MAX_LINE:
                pieces = [(event[0], event[1][at : at + MAX_LINE]) for at in range(0, length, MAX_LINE)]
                buffer.events.extend(pieces)
            else:
                buffer.events.append(event)
            buffer.size += length + logrows.EVENT_OVERHEAD
        self._total += buffer.size - before
        if buffer.size > MAX_BUFFER or self._total > MAX_TOTAL:
            self._drop(buffer)
        if buffer.size >= FLUSH_BYTES:
            if not self._hurried:
                self._hurried = True
                self._arm(0.0)
        elif self._timer is None:
            self._arm(FLUSH_S)

    def _drop(self, buffer: _Buffer) -> None:
        while buffer.events and (buffer.size > MAX_BUFFER or self._total > MAX_TOTAL):
            size = len(buffer.events.popleft()[1]) + logrows.EVENT_OVERHEAD
            buffer.size -= size
            self._total -= size
            buffer.dropped += 1

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._tasks.closed:  # else close() writes what waits
            self._tasks.spawn("logs: flush", self._write_ripe())

    async def _write_ripe(self) -> None:
        async with self._writing:
            self._hurried = False
            ripe_since = self._clock.monotonic() - FLUSH_S * 0.9
            await self._write_out(
                [t for t, b in self._buffers.items() if b.size >= FLUSH_BYTES or b.begun <= ripe_since]
            )
        if self._buffers and self._timer is None:
            first = min(buffer.begun for buffer in self._buffers.values())
            self._arm(max(0.0, first + FLUSH_S - self._clock.monotonic()))

    async def flush(self) -> None:
        """Return when everything written before the call is in the store."""
        async with self._writing:
            await self._write_out(list(self._buffers))

    async def _write_out(self, targets: Sequence[Target]) -> None:
        now = self._clock.now_ms()
        batch: list[tuple[Target, list[Prepared]]] = []
        size = 0
        for target in targets:
            buffer = self._buffers.pop(target)
            self._total -= buffer.size
            for chunk in logrows.prepare(_with_notice(buffer, now), now):
                if batch and (size + chunk.size > _TX_BYTES or len(batch) >= _TX_STREAMS):
                    await self._commit(batch, now)
                    batch, size = [], 0
                if batch and batch[-1][0] == target:
                    batch[-1][1].append(chunk)
                else:
                    batch.append((target, [chunk]))
                size += chunk.size
        if batch:
            await self._commit(batch, now)

    async def _commit(self, batch: list[tuple[Target, list[Prepared]]], now: int) -> None:
        fresh = [(self._ids.hex(12), self._ids.hex(12)) for _ in batch]

        def body(tx: Tx) -> None:
            for ((account, region, group_name, stream_name), chunks), (group_id, stream_id) in zip(
                batch, fresh, strict=True
            ):
                group = logrows.find_group(tx, account, region, group_name)
                if group is None:
                    group = Group(group_name, group_id, now)
                    logrows.put_group(tx, account, region, group)
                stream = logrows.find_stream(tx, account, region, group.id, stream_name)
                stream = stream or Stream(stream_name, stream_id, now)
                logrows.append(tx, account, region, group, stream, chunks, now)

        try:
            await self._store.transact(body)
        except StoreError:
            log.exception("log lines of %d streams could not be written", len(batch))


def _with_notice(buffer: _Buffer, now: int) -> list[Event]:
    events = list(buffer.events)
    if buffer.dropped:
        at = events[0][0] if events else now
        events.insert(
            0,
            (
                at,
                f"[freehold] {buffer.dropped} log events were dropped here: they came faster than they could be stored",
            ),
        )
    return events
