"""Create, find, change and delete queues."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, unpack
from freehold.ports.call import Call
from freehold.services.sqs import access, attributes, moving, naming, rows, state, timing
from freehold.services.sqs.catalog import memory, no_queue, place_of, save, url_of
from freehold.services.sqs.model import Place, Queue, Record
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]

MAX_RESULTS = 1_000
PURGE_MS = 60_000


async def create_queue(call: Call, request: Request) -> Request:
    given: dict[str, str] = request.get("Attributes") or {}
    name: str = request["QueueName"]
    fifo = given.get("FifoQueue", "").lower() == "true"
    naming.check(name, fifo=fifo)
    place = Place(call.account, call.region, name)
    platform = call.platform
    now_ms = platform.clock.now_ms()
    record = Record(_number(call), _number(call), now_ms, now_ms, fifo=fifo)
    attributes.apply(record, place, given, create=True)
    record.tags = naming.check_tags(request.get("tags") or {}, reserved=call.http is None)
    known = memory(platform)

    def body(tx: Tx) -> None:
        existing = known.find(tx, place)
        if existing is not None:
            _check_same(existing, given, record)
            return
        if record.dead_letter_arn:
            _dead_letter(call, tx, record, place)
        save(tx, place, record)
        _link(tx, place, "", record.dead_letter_arn)

    await platform.store.transact(body)
    return {"QueueUrl": url_of(call, place)}


def _number(call: Call) -> int:
    return int(call.platform.ids.hex(15), 16)


def _check_same(existing: Queue, given: dict[str, str], record: Record) -> None:
    """The attributes that are given have to be those of the queue that exists."""
    have, asked = attributes.settings(existing.record), attributes.settings(record)
    for name in given:
        if have.get(name, "") != asked.get(name, ""):
            raise Fault(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {name}",
            )


def _dead_letter(call: Call, tx: ReadTx, record: Record, place: Place) -> None:
    queue = Place(place.account, place.region, record.dead_letter_arn.rpartition(":")[2])
    attributes.check_dead_letter(record, place.arn, memory(call.platform).find(tx, queue))


def _link_key(account: str, region: str, target: str, source: str) -> bytes:
    return pack("sqs", account, region, "d", target, source)


def _link(tx: Tx, place: Place, old_arn: str, new_arn: str) -> None:
    """Note under the dead-letter queue which queues name it."""
    if old_arn != new_arn:
        if old_arn:
            tx.delete(_link_key(place.account, place.region, old_arn.rpartition(":")[2], place.name))
        if new_arn:
            tx.put(_link_key(place.account, place.region, new_arn.rpartition(":")[2], place.name), b"")


def sources(tx: ReadTx, place: Place, start_after: str, limit: int) -> list[str]:
    """Names of the queues whose redrive policies name this one."""
    prefix = pack("sqs", place.account, place.region, "d", place.name)
    start = prefix + pack(start_after) + b"\x00" if start_after else prefix
    return [str(unpack(key)[-1]) for key, _ in tx.scan(start, after(prefix), limit=limit)]


async def get_queue_url(call: Call, request: Request) -> Request:
    place = Place(request.get("QueueOwnerAWSAccountId") or call.account, call.region, request["QueueName"])
    queue = await call.platform.store.read(lambda tx: memory(call.platform).existing(tx, place))
    if place.account != call.principal.account:
        try:
            access.check_call(call, queue, "GetQueueUrl")
        except Fault:
            raise no_queue() from None
    return {"QueueUrl": url_of(call, place)}


async def list_queues(call: Call, request: Request) -> Request:
    prefix: str = request.get("QueueNamePrefix") or ""
    limit, start_after = naming.page(request)
    base = pack("sqs", call.account, call.region, "q")
    first = pack(prefix)[:-1]  # without its end: a prefix of every name that begins so
    start = base + (pack(start_after) + b"\x00" if start_after else first)
    end = after(base + first)
    found = await call.platform.store.read_many(
        lambda tx: (
            [key for key, _ in tx.scan(start, end, limit=limit + 1)]
            if limit < MAX_RESULTS
            else [key for key, _ in tx.scan(start, end, limit=limit)]
        )
    )
    names = [str(unpack(key)[-1]) for key in found]
    answer: Request = {}
    if names:
        answer["QueueUrls"] = [url_of(call, Place(call.account, call.region, name)) for name in names[:limit]]
    return answer | naming.next_token(request, names, limit)


async def list_dead_letter_source_queues(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    limit, start_after = naming.page(request)

    def body(tx: ReadTx) -> list[str]:
        access.check_call(call, memory(call.platform).existing(tx, place), "ListDeadLetterSourceQueues")
        return sources(tx, place, start_after, min(limit + 1, MAX_RESULTS))

    names = await call.platform.store.read_many(body)
    urls = [url_of(call, Place(place.account, place.region, name)) for name in names[:limit]]
    return {"queueUrls": urls} | naming.next_token(request, names, limit)


async def get_queue_attributes(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    wanted = set(request.get("AttributeNames") or ())
    for name in wanted:
        if name not in attributes.NAMES:
            raise Fault("InvalidAttributeName", f"Unknown Attribute {name}.")
    platform = call.platform
    now_ms = platform.clock.now_ms()

    def body(tx: ReadTx) -> dict[str, str]:
        queue = memory(platform).existing(tx, place)
        access.check_call(call, queue, "GetQueueAttributes")
        return attributes.described(queue, state.counts(tx, queue, now_ms)) if wanted else {}

    found = await platform.store.read_many(body)
    shown = {name: value for name, value in found.items() if "All" in wanted or name in wanted}
    return {"Attributes": shown} if shown else {}


async def set_queue_attributes(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    platform = call.platform
    now_ms = platform.clock.now_ms()

    def body(tx: Tx) -> None:
        queue = memory(platform).existing(tx, place)
        access.check_call(call, queue, "SetQueueAttributes")
        old, record = queue.record, Queue(place, queue.raw).record
        attributes.apply(record, place, request["Attributes"], create=False)
        if record.dead_letter_arn and "RedrivePolicy" in request["Attributes"]:
            _dead_letter(call, tx, record, place)
        record.modified_ms = now_ms
        save(tx, place, record)
        _link(tx, place, old.dead_letter_arn, record.dead_letter_arn)
        if record.retention_s != old.retention_s:
            timing.expire_from(platform.timers, tx, place, now_ms)
        if record.fifo and record.delay_s != old.delay_s:
            timing.regroup(platform.timers, tx, place, now_ms)
        tx.wake(place.watch_key)

    await platform.store.transact(body, lane=place.watch_key)
    return {}


async def delete_queue(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    platform = call.platform
    now_ms = platform.clock.now_ms()

    def body(tx: Tx) -> None:
        queue = memory(platform).existing(tx, place)
        access.check_call(call, queue, "DeleteQueue")
        tx.delete(place.key)
        _link(tx, place, queue.record.dead_letter_arn, "")
        timing.forget(platform.timers, tx, queue, now_ms)
        moving.forget(tx, place)
        tx.wake(place.watch_key)

    await platform.store.transact(body, lane=place.watch_key)
    memory(platform).forget(place)
    return {}


async def purge_queue(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])
    platform = call.platform
    now_ms, generation = platform.clock.now_ms(), _number(call)

    def body(tx: Tx) -> None:
        queue = memory(platform).existing(tx, place)
        access.check_call(call, queue, "PurgeQueue")
        record = Queue(place, queue.raw).record
        if record.purged_ms and now_ms - record.purged_ms < PURGE_MS:
            raise Fault(
                "PurgeQueueInProgress", f"Only one PurgeQueue operation on {place.name} is allowed every 60 seconds."
            )
        last = rows.get_counts(tx, queue).last
        timing.sweep(platform.timers, tx, record.generation, now_ms)
        record.generation, record.purged_ms = generation, now_ms
        save(tx, place, record)
        # The new generation goes on counting: no handle of the old one may name a message of the new one.
        rows.put_counts(tx, memory(platform).existing(tx, place), 0, last)

    await platform.store.transact(body, lane=place.watch_key)
    return {}


async def tag_queue(call: Call, request: Request) -> Request:
    tags = naming.check_tags(request["Tags"], reserved=call.http is None)
    await _retag(call, request, "TagQueue", tags, ())
    return {}


async def untag_queue(call: Call, request: Request) -> Request:
    await _retag(call, request, "UntagQueue", {}, tuple(request["TagKeys"]))
    return {}


async def _retag(call: Call, request: Request, action: str, add: dict[str, str], remove: tuple[str, ...]) -> None:
    place = place_of(call, request["QueueUrl"])

    def body(tx: Tx) -> None:
        queue = memory(call.platform).existing(tx, place)
        access.check_call(call, queue, action)
        record = Queue(place, queue.raw).record
        record.tags = {key: value for key, value in (record.tags | add).items() if key not in remove}
        naming.check_tag_count(record.tags)
        save(tx, place, record)

    await call.platform.store.transact(body)


async def list_queue_tags(call: Call, request: Request) -> Request:
    place = place_of(call, request["QueueUrl"])

    def body(tx: ReadTx) -> dict[str, str]:
        queue = memory(call.platform).existing(tx, place)
        access.check_call(call, queue, "ListQueueTags")
        return queue.record.tags

    tags = await call.platform.store.read(body)
    return {"Tags": dict(tags)} if tags else {}
