"""Outbox: effects outside the store (a function call, an HTTP delivery), written with the facts and performed after.

An effect is a row, added in the transaction that decides it, and performed at least once after the commit. Each kind
has its own queue and its own worker, so that a slow or failing kind never holds up another. A kind is a duty
(work/duties.py): one node works it at a time, and every acknowledging transaction checks its epoch; what a crashed worker
had begun is still in its row and is performed again.

Rows: `("outbox", "q", kind, due ms, id)` is what waits, in due order; a payload of more than 1 KiB lies beside it in
`("outbox", "p", kind, id)`, so that looking for what is due reads no payloads of what is under way. Members of a group
wait in `("outbox", "g", kind, group, n)`; only their head has a row in the queue, so the order within a group holds
across retries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, unpack
from freehold.store.base import ReadTx, Store, Tx
from freehold.store.limits import MAX_VALUE
from freehold.work.duties import Duties, Duty, Held
from freehold.work.leases import LeaseLost
from freehold.work.tasks import Tasks
from freehold.work.waiting import Alarm

log = logging.getLogger("freehold.work")

PATIENCE_S = 5.0
"""How long deliveries that are under way have to end when their kind goes to another node, or this one stops: most
endpoints are given no longer to answer."""
CONCURRENCY = 256
"""Deliveries of one kind under way at a time, unless `start` says otherwise."""
FLYING_BYTES = 32 << 20
"""Payload bytes of one kind under way at a time."""
FIRST_RETRY_MS = 1_000
MOST_RETRY_MS = 300_000
_INLINE = 1_024
_PAGE = 128
_FINISH = 300
_FINISH_GROUPS = (12 << 20) // MAX_VALUE


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at an effect. `attempt` counts from 1; `first_ms` is the service time at which it was first due."""

    id: str
    payload: bytes
    attempt: int
    first_ms: int
    kind: str = ""
    group: bytes | None = None


class Retry(Exception):
    """Raised by a deliverer: perform it again after `after_ms` milliseconds of service time. `counts`: this was an
    attempt; False where the effect only waits for its turn (a rate limit)."""

    def __init__(self, after_ms: int, *, counts: bool = True) -> None:
        super().__init__(f"again in {after_ms} ms")
        self.after_ms, self.counts = after_ms, counts


Deliverer = Callable[[Delivery], Awaitable[None]]


class OutboxRow(msgspec.Struct, frozen=True, array_like=True):
    """The value of a row of the queue."""

    payload: bytes | None
    """None: it has a row of its own."""
    first_ms: int
    attempt: int = 0
    group: bytes | None = None
    place: int = 0
    """The member of the group that this queue row stands for."""


class Member(msgspec.Struct, frozen=True, array_like=True):
    """What waits behind the head of its group."""

    id: str
    payload: bytes
    due_ms: int


class Outbox:
    """Adds effects to transactions and performs them after the commit."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, tasks: Tasks, duties: Duties | None = None) -> None:
        self._store, self._clock, self._ids, self._tasks = store, clock, ids, tasks
        self._duties = duties or Duties(store, clock, tasks)
        self._queues: dict[str, _Queue] = {}

    async def start(self, deliverers: Mapping[str, Deliverer], *, concurrency: Mapping[str, int] | None = None) -> None:
        """Begin to perform, each kind where its duty is. What earlier processes left is due at once, in its old order."""
        for kind, deliver in deliverers.items():
            most = (concurrency or {}).get(kind, CONCURRENCY)
            queue = _Queue(self._store, self._clock, self._ids, self._tasks, kind, deliver, most)
            self._queues[kind] = queue
            queue.duty = self._duties.run(f"outbox:{kind}", queue.run, patience=PATIENCE_S)

    def add(self, tx: Tx, kind: str, payload: bytes, *, id: str, due_ms: int, group: bytes | None = None) -> None:
        """Have `payload` delivered by the deliverer of `kind` at service time `due_ms` or, if that is past, at once.

        `id` is unique within the kind. Members of one `group` are delivered one at a time in the order of adding. The
        payload fits in a row: at most 1 MiB.
        """
        if self._queues and kind not in self._queues:
            raise ValueError(f"no deliverer for outbox kind {kind!r}")
        if group is None:
            _put(tx, kind, due_ms, id, OutboxRow(_payload(tx, kind, id, payload), due_ms))
        else:
            _add_member(tx, kind, group, Member(id, payload, due_ms))
        tx.wake(_wake(kind))

    async def settle(self) -> bool:
        """Return when nothing is due and nothing is under way; says whether there was anything."""
        worked, busy = False, True
        while busy:
            busy = False
            for queue in self._queues.values():
                busy = await queue.settle() or busy
            worked = worked or busy
        return worked

    async def close(self) -> None:
        """Stop. What was under way is performed again at the next start unless its end was recorded."""
        for queue in self._queues.values():
            await queue.close()


class _Queue:
    """The worker of one kind."""

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
        self._alarm = Alarm(store, clock, _wake(kind))

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
            page = await self._store.read(lambda tx, start=start: tx.scan(start, end, limit=_PAGE))  # type: ignore[misc]
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
                    payload = await self._store.read(_get(pack("outbox", "p", self._kind, _id(key))))
                if payload is not None and key not in self._flying:
                    self._launch(key, row, payload)
            if not page:
                break
            start = page[-1][0] + b"\x00"
        return False, await self._next_due(now)

    async def _next_due(self, now: int) -> int | None:
        start, end = pack("outbox", "q", self._kind, now + 1), pack("outbox", "q", self._kind) + b"\xff"
        later = await self._store.read(lambda tx: tx.scan(start, end, limit=1))
        return _due(later[0][0]) if later else None

    def _launch(self, key: bytes, row: OutboxRow, payload: bytes) -> None:
        self._flying.add(key)
        self._flying_bytes += len(payload)
        task = self._tasks.spawn(f"outbox: {self._kind}", self._perform(key, row, payload))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _perform(self, key: bytes, row: OutboxRow, payload: bytes) -> None:
        id = _id(key)
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
        for _, row, after_ms in self._ended[:_FINISH]:
            groups += row.group is not None and after_ms is None
            if groups > _FINISH_GROUPS:
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
                    _put(tx, self._kind, now + after_ms, _id(key), again)
                    continue
                if row.payload is None:
                    tx.delete(pack("outbox", "p", self._kind, _id(key)))
                if row.group is not None:
                    _next_member(tx, self._kind, row.group, row.place)

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


def _wake(kind: str) -> bytes:
    return pack("outbox", "wake", kind)


def _due(key: bytes) -> int:
    due = unpack(key)[3]
    assert isinstance(due, int)
    return due


def _id(key: bytes) -> str:
    return str(unpack(key)[4])


def _get(key: bytes) -> Callable[[ReadTx], bytes | None]:
    return lambda tx: tx.get(key)


def _payload(tx: Tx, kind: str, id: str, payload: bytes) -> bytes | None:
    """What goes into the queue row; a large payload gets a row of its own."""
    if len(payload) <= _INLINE:
        return payload
    tx.put(pack("outbox", "p", kind, id), payload)
    return None


def _put(tx: Tx, kind: str, due_ms: int, id: str, row: OutboxRow) -> None:
    tx.put(pack("outbox", "q", kind, due_ms, id), msgspec.msgpack.encode(row))


def _add_member(tx: Tx, kind: str, group: bytes, member: Member) -> None:
    """The head of a group goes into the queue, followers wait in the group's rows."""
    counter = pack("outbox", "n", kind, group)
    last = tx.get(counter)
    place = 0 if last is None else int.from_bytes(last, "big") + 1
    tx.put(counter, place.to_bytes(8, "big"))
    if last is None:
        _put(
            tx,
            kind,
            member.due_ms,
            member.id,
            OutboxRow(_payload(tx, kind, member.id, member.payload), member.due_ms, 0, group, place),
        )
    else:
        tx.put(pack("outbox", "g", kind, group, place), msgspec.msgpack.encode(member))


def _next_member(tx: Tx, kind: str, group: bytes, place: int) -> None:
    """The head is done: its follower becomes the head, or the group ends."""
    following = pack("outbox", "g", kind, group, place + 1)
    value = tx.get(following)
    if value is None:
        tx.delete(pack("outbox", "n", kind, group))
        return
    member = msgspec.msgpack.decode(value, type=Member)
    tx.delete(following)
    _put(
        tx,
        kind,
        member.due_ms,
        member.id,
        OutboxRow(_payload(tx, kind, member.id, member.payload), member.due_ms, 0, group, place + 1),
    )


def pending(tx: ReadTx, kind: str, *, limit: int = 100) -> list[tuple[int, str]]:
    """(due ms, id) of what waits, soonest first: for doctor and tests."""
    start, end = pack("outbox", "q", kind), pack("outbox", "q", kind) + b"\xff"
    return [(_due(key), _id(key)) for key, _ in tx.scan(start, end, limit=limit)]
