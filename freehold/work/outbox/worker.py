"""The worker of one kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Store, Tx
from freehold.store.limits import MAX_VALUE
from freehold.work.duties import Duty, Held
from freehold.work.leases import LeaseLost
from freehold.work.outbox.delivery import Deliverer, Delivery, Retry
from freehold.work.outbox.rows import OutboxRow, due_of, id_of, next_member, put, wake_key
from freehold.work.tasks import Tasks
from freehold.work.waiting import Alarm

log = logging.getLogger("freehold.work")

FLYING_BYTES = 32 << 20
"""Payload bytes of one kind under way at a time."""
FIRST_RETRY_MS = 1_000
MOST_RETRY_MS = 300_000
PAGE = 128
FINISH = 300
"""Ends that are written in one transaction; of heads of groups, fewer: each writes its follower, which may be large."""
FINISH_GROUPS = (12 << 20) // MAX_VALUE


class Worker:
    """Performs what is due of one kind while this node has its duty."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        kind: str,
        deliver: Deliverer,
        concurrency: int,
    ) -> None:
        self._store, self._clock, self._ids, self._tasks = store, clock, ids, tasks
        self._kind, self._deliver, self._concurrency = kind, deliver, concurrency
        self._flying: set[bytes] = set()
        self._flying_bytes = 0
        self._full = False
        self._landed = 0
        self._lease: Held | None = None
        self.duty: Duty | None = None
        self._ended: list[tuple[bytes, OutboxRow, int | None]] = []
        self._recording: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._alarm = Alarm(store, clock, wake_key(kind))

    async def run(self, lease: Held) -> None:
        """Perform while this node has the duty; then leave what is under way time to end and to be recorded."""
        self._lease = lease
        lease.when_ending(self._alarm.ring)
        try:
            await self._work(lease)
            if not lease.lost and self._running:
                await asyncio.wait(self._running)
            while self._recording is not None and not lease.lost:
                await asyncio.wait([self._recording])
        finally:
            self._lease = None
            await self._drop()

    async def _drop(self) -> None:
        """What is still under way is performed again, by whoever has the duty next."""
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        if self._recording is not None:
            await asyncio.wait([self._recording])
        self._ended.clear()
        self._flying.clear()
        self._flying_bytes, self._full = 0, False

    async def _work(self, lease: Held) -> None:
        async with self._alarm as alarm:
            while not lease.ending:
                if not self._has_room():
                    await alarm.wait(None)
                    continue
                self._full, next_due = await self._begin()
                if not self._full:
                    await alarm.wait(next_due)

    def _has_room(self) -> bool:
        """Once full, wait until an eighth is free: every look passes over all that is under way."""
        free = self._concurrency - len(self._flying)
        if self._flying_bytes >= FLYING_BYTES and self._flying:
            return False
        return free >= max(1, self._concurrency // 8) if self._full else free > 0

    async def _begin(self) -> tuple[bool, int | None]:
        """Start what is due and not under way. (is there more than there is room for, when the next is due)"""
        now = self._clock.now_ms()
        start, end = pack("outbox", "q", self._kind), pack("outbox", "q", self._kind, now + 1)
        while True:
            landed = self._landed
            page = await self._store.read(lambda tx, start=start: tx.scan(start, end, limit=PAGE))  # type: ignore[misc]
            if landed != self._landed:
                continue  # this page may show deliveries whose end was recorded while it was read
            fresh = [
                (key, msgspec.msgpack.decode(value, type=OutboxRow)) for key, value in page if key not in self._flying
            ]
            for key, row in fresh:
                if len(self._flying) >= self._concurrency or self._flying_bytes >= FLYING_BYTES:
                    return True, None
                payload = row.payload
                if payload is None:
                    payload = await self._store.read(_get(pack("outbox", "p", self._kind, id_of(key))))
                if payload is not None and key not in self._flying:
                    self._launch(key, row, payload)
            if not page:
                break
            start = page[-1][0] + b"\x00"
        return False, await self._next_due(now)

    async def _next_due(self, now: int) -> int | None:
        start, end = pack("outbox", "q", self._kind, now + 1), pack("outbox", "q", self._kind) + b"\xff"
        later = await self._store.read(lambda tx: tx.scan(start, end, limit=1))
        return due_of(later[0][0]) if later else None

    def _launch(self, key: bytes, row: OutboxRow, payload: bytes) -> None:
        self._flying.add(key)
        self._flying_bytes += len(payload)
        task = self._tasks.spawn(f"outbox: {self._kind}", self._perform(key, row, payload))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _perform(self, key: bytes, row: OutboxRow, payload: bytes) -> None:
        id = id_of(key)
        delivery = Delivery(id, payload, row.attempt + 1, row.first_ms, self._kind, row.group)
        after_ms: int | None = None
        try:
            await self._deliver(delivery)
        except Retry as retry:
            after_ms = max(1, retry.after_ms)
            if not retry.counts:
                row = msgspec.structs.replace(row, attempt=row.attempt - 1)
        except Exception:
            after_ms = self._backoff(row.attempt)
            log.exception(
                "outbox %s %s failed on attempt %d; again in %d ms", self._kind, id, row.attempt + 1, after_ms
            )
        self._ended.append((key, row, after_ms))
        self._flying_bytes -= len(payload)
        if self._recording is None:
            self._recording = self._tasks.spawn(f"outbox: ends of {self._kind}", self._record())

    def _backoff(self, attempts: int) -> int:
        most = min(FIRST_RETRY_MS << min(attempts, 20), MOST_RETRY_MS)
        return int(self._ids.uniform(most / 2, most))

    async def _record(self) -> None:
        """Write how deliveries ended: everything that gathered during the last commit in one transaction."""
        try:
            while self._ended:
                batch = self._batch()
                try:
                    if self._lease is not None:
                        await self._store.transact(self._recorder(self._lease, batch, self._clock.now_ms()))
                except LeaseLost:
                    log.warning("another node performs outbox %s now", self._kind)
                    if self._lease is not None:
                        self._lease.end()
                finally:
                    self._flying.difference_update(key for key, _, _ in batch)
                    self._landed += 1
                    self._alarm.ring()
        finally:
            self._recording = None

    def _batch(self) -> list[tuple[bytes, OutboxRow, int | None]]:
        """Ends that fit into one transaction: the end of a group's head writes its follower."""
        groups, count = 0, 0
        for _, row, after_ms in self._ended[:FINISH]:
            groups += row.group is not None and after_ms is None
            if groups > FINISH_GROUPS:
                break
            count += 1
        batch, self._ended = self._ended[:count], self._ended[count:]
        return batch

    def _recorder(
        self, lease: Held, batch: list[tuple[bytes, OutboxRow, int | None]], now: int
    ) -> Callable[[Tx], None]:
        def body(tx: Tx) -> None:
            lease.check(tx)
            for key, row, after_ms in batch:
                tx.delete(key)
                if after_ms is not None:
                    again = OutboxRow(row.payload, row.first_ms, row.attempt + 1, row.group, row.place)
                    put(tx, self._kind, now + after_ms, id_of(key), again)
                    continue
                if row.payload is None:
                    tx.delete(pack("outbox", "p", self._kind, id_of(key)))
                if row.group is not None:
                    next_member(tx, self._kind, row.group, row.place)

        return body

    async def settle(self) -> bool:
        """Wait until nothing is due and nothing is under way; says whether there was anything."""
        worked = False
        while self.duty is not None and self.duty.lease is not None and not self.duty.lease.ending:
            if self._flying:
                worked = True
                await self._alarm.rung()
                continue
            self._alarm.ring()
            await self._alarm.rung()
            start, end = pack("outbox", "q", self._kind), pack("outbox", "q", self._kind, self._clock.now_ms() + 1)
            due = await self._store.read(lambda tx, start=start, end=end: tx.scan(start, end, limit=1))  # type: ignore[misc]
            if not due and not self._flying:
                return worked
            worked = True
        return False

    async def close(self) -> None:
        await self._drop()


def _get(key: bytes) -> Callable[[ReadTx], bytes | None]:
    return lambda tx: tx.get(key)
