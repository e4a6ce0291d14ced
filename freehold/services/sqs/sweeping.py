"""What goes in the background, each a durable timer: expired messages, rows of purged and deleted queues, what FIFO queues
need not remember any more, groups whose delay was changed, and message move tasks."""

from __future__ import annotations

from collections.abc import Callable

from freehold.kit.tuples import after, unpack
from freehold.ports.platform import Platform
from freehold.services.sqs import fifo, groups, moving, rows, standard, timing
from freehold.services.sqs.catalog import Memory, memory
from freehold.services.sqs.model import DEDUPLICATION_MS, Place, decode_message, generation_prefix, remembered_prefix
from freehold.services.sqs.rows import Shifts
from freehold.store.base import Tx

_PAGE = 200


async def due(platform: Platform, key: bytes) -> int | None:
    """The handler of the service's timers."""
    kind, *rest = unpack(key)
    if kind in (timing.SWEEP, timing.FORGET):
        (number,) = rest
        assert isinstance(number, int)
        if kind == timing.FORGET:
            return await _forget(platform, number)
        start, end = generation_prefix(number), after(generation_prefix(number))
        while await platform.store.transact(lambda tx: tx.clear(start, end)):
            pass
        return None
    if kind == timing.MOVE:
        account, region, name, number, task_id = rest
        assert isinstance(number, int)
        return await moving.run(platform, str(account), str(region), str(name), number, str(task_id))
    account, region, name = (str(part) for part in rest)
    place = Place(account, region, name)
    return await (_expire(platform, place) if kind == timing.EXPIRE else _regroup(platform, place))


async def _expire(platform: Platform, place: Place) -> int | None:
    """Remove what has expired; look again when the oldest message will have."""
    known = memory(platform)
    while True:
        now_ms = platform.clock.now_ms()

        def body(tx: Tx, now_ms: int = now_ms) -> tuple[bool, int | None]:
            return _expire_page(tx, known, place, now_ms)

        more, again_ms = await platform.store.transact(body, lane=place.watch_key)
        if not more:
            return again_ms


def _expire_page(tx: Tx, known: Memory, place: Place, now_ms: int) -> tuple[bool, int | None]:
    queue = known.find(tx, place)
    if queue is None:
        return False, None
    retention_ms = 1000 * queue.record.retention_s
    end = rows.body_key(queue, (now_ms - retention_ms + 1) << rows.SEQ_SHIFT)
    page = tx.scan(queue.bodies, end, limit=_PAGE)
    shifts = Shifts(queue)
    for key, raw in page:
        seq = int.from_bytes(key[-8:], "big")
        state = rows.get_state(tx, queue, seq)
        message = decode_message(raw)
        if queue.fifo:
            fifo.remove(tx, queue, seq, message.group, state, shifts)
            groups.leave(tx, queue, message.group, seq, now_ms)
        else:
            standard.remove(tx, queue, seq, message, state, shifts)
    if page:
        shifts.write(tx)
        rows.add_to_total(tx, queue, -len(page))
        return True, None
    oldest = tx.scan(queue.bodies, queue.bodies + b"\xff", limit=1, max_bytes=1)
    if not oldest:
        return False, None  # the next message sets the timer
    return False, max(now_ms + 1, rows.sent_ms(int.from_bytes(oldest[0][0][-8:], "big")) + retention_ms)


async def _forget(platform: Platform, queue_id: int) -> int | None:
    """Remove the buckets that are over; look again when the next will be."""
    bucket = platform.clock.now_ms() // DEDUPLICATION_MS - 1
    prefix = remembered_prefix(queue_id)

    def clear(kind: bytes) -> Callable[[Tx], int]:
        return lambda tx: tx.clear(prefix + kind, prefix + kind + bucket.to_bytes(5, "big"))

    def oldest(tx: Tx) -> int | None:
        firsts = [tx.scan(prefix + kind, prefix + kind + b"\xff", limit=1) for kind in (b"a", b"d")]
        buckets = [int.from_bytes(first[0][0][len(prefix) + 1 :][:5], "big") for first in firsts if first]
        return (min(buckets) + 2) * DEDUPLICATION_MS if buckets else None

    for kind in (b"a", b"d"):
        while await platform.store.transact(clear(kind)):
            pass
    return await platform.store.transact(oldest)


async def _regroup(platform: Platform, place: Place) -> int | None:
    known, now_ms = memory(platform), platform.clock.now_ms()
    start = b""

    def body(tx: Tx) -> bytes:
        queue = known.find(tx, place)
        if queue is None:
            return b""
        page = tx.scan(start or queue.groups, queue.groups + b"\xff", limit=_PAGE)
        for key, _ in page:
            groups.again(tx, queue, groups.of_key(queue, key), now_ms)
        tx.wake(queue.watch_key)
        return page[-1][0] + b"\x00" if page else b""

    while start := await platform.store.transact(body, lane=place.watch_key):
        pass
    return None
