"""Message move tasks: what carries a dead-letter queue's messages back, page by page, at the rate that was asked for."""

from __future__ import annotations

import base64
import binascii

import msgspec
import orjson

from freehold.kit.ids import derived
from freehold.kit.tuples import after, pack
from freehold.ports.platform import Platform
from freehold.services.sqs import fifo, standard, timing
from freehold.services.sqs.catalog import Memory, memory
from freehold.services.sqs.model import Draft, Message, Place, Queue, place_of_arn
from freehold.services.sqs.rows import Shifts
from freehold.store.base import ReadTx, Tx
from freehold.work.timers import Timers

RUNNING, COMPLETED, CANCELLED, FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"
KEPT = 10
"""Tasks of a queue that are remembered: as many as can be listed."""
_PAGE = 100
_PAGE_BYTES = 4 << 20
_STEP_MS = 100


class Task(msgspec.Struct):
    """A move task. Times are service time in ms."""

    id: str
    source: str
    destination: str
    """Empty: each message goes back to the queue it came from."""
    rate: int
    """Messages a second; 0: as fast as it goes."""
    started_ms: int
    to_move: int
    status: str = RUNNING
    moved: int = 0
    failure: str = ""
    number: int = 0
    """Of the queue's tasks, in the order of their beginnings."""


_decode = msgspec.msgpack.Decoder(Task).decode
_encode = msgspec.msgpack.Encoder().encode


def _prefix(place: Place) -> bytes:
    return pack("sqs", place.account, place.region, "t", place.name)


def _key(place: Place, task: Task) -> bytes:
    return _prefix(place) + pack(task.number)


def save(tx: Tx, place: Place, task: Task) -> None:
    tx.put(_key(place, task), _encode(task))


def tasks(tx: ReadTx, place: Place) -> list[Task]:
    """The tasks of a queue, the latest first."""
    prefix = _prefix(place)
    return [_decode(row) for _, row in tx.scan(prefix, after(prefix), limit=4 * KEPT, reverse=True)]


def begin(timers: Timers, tx: Tx, place: Place, task: Task) -> None:
    """Record a task and have it run; the oldest that are remembered give way."""
    earlier = tasks(tx, place)
    for old in earlier[KEPT - 1 :]:
        tx.delete(_key(place, old))
    task.number = earlier[0].number + 1 if earlier else 0
    save(tx, place, task)
    timing.move(timers, tx, place, task.number, task.id, task.started_ms)


def forget(tx: Tx, place: Place) -> None:
    """A deleted queue has no tasks."""
    prefix = _prefix(place)
    tx.clear(prefix, after(prefix))


def handle_of(task: Task) -> str:
    return base64.b64encode(orjson.dumps({"taskId": task.id, "sourceArn": task.source})).decode()


def parse_handle(handle: str) -> tuple[str, Place] | None:
    """Task id and source queue of a task handle."""
    try:
        found = orjson.loads(base64.b64decode(handle, validate=True))
        place = place_of_arn(found["sourceArn"])
        return (found["taskId"], place) if place is not None else None
    except (binascii.Error, ValueError, TypeError, KeyError, AttributeError):
        return None


async def run(platform: Platform, account: str, region: str, name: str, number: int, task_id: str) -> int | None:
    """The timer of a task: move what its rate allows; answers when to go on."""
    place, known = Place(account, region, name), memory(platform)
    while True:
        now_ms = platform.clock.now_ms()

        def body(tx: Tx, now_ms: int = now_ms) -> Task | None:
            raw = tx.get(_prefix(place) + pack(number))
            task = _decode(raw) if raw is not None else None
            if task is None or task.id != task_id or task.status != RUNNING:
                return None
            _step(tx, known, place, task, now_ms)
            save(tx, place, task)
            return task

        task = await platform.store.transact(body, lane=place.watch_key)
        if task is None or task.status != RUNNING:
            return None
        if task.rate:
            return now_ms + 1000 * _batch(task) // task.rate


def _batch(task: Task) -> int:
    """Messages in one step: those of a tenth of a second."""
    return max(1, task.rate * _STEP_MS // 1000) if task.rate else _PAGE


def _step(tx: Tx, known: Memory, place: Place, task: Task, now_ms: int) -> None:
    queue = known.find(tx, place)
    if queue is None:
        task.status, task.failure = FAILED, "AWS.SimpleQueueService.NonExistentQueue"
        return
    size = moved = 0
    shifts = Shifts(queue)
    most = min(_batch(task), task.to_move - task.moved)
    messages = (fifo if queue.fifo else standard).ready(tx, queue, most, now_ms)
    for seq, message in messages:
        if size > _PAGE_BYTES:
            break
        target, failure = _target(tx, known, queue, task, message)
        if target is None:
            task.status, task.failure = FAILED, failure
            break
        (fifo if queue.fifo else standard).take(tx, queue, seq, message, shifts, now_ms)
        _resend(tx, known, target, task, message, now_ms)
        size += len(message.body)
        moved += 1
    shifts.write(tx)
    task.moved += moved
    if task.status == RUNNING and (task.moved >= task.to_move or not moved):
        task.status = COMPLETED


def _target(tx: ReadTx, known: Memory, queue: Queue, task: Task, message: Message) -> tuple[Queue | None, str]:
    arn = task.destination or message.source
    if not arn:
        return None, "CouldNotDetermineMessageSource"
    place = place_of_arn(arn)
    target = known.find(tx, place) if place is not None else None
    if target is None or target.fifo != queue.fifo:
        return None, "AWS.SimpleQueueService.NonExistentQueue"
    return target, ""


def _resend(tx: Tx, known: Memory, target: Queue, task: Task, message: Message, now_ms: int) -> None:
    """A moved message is a new one: with an id of its own, sent now."""
    draft = Draft(
        derived(task.id, message.id),
        message.body,
        message.md5,
        0,
        message.sender,
        message.attributes,
        message.group,
        message.deduplication,
        None,
        message.trace,
    )
    if target.fifo:
        fifo.send_again(tx, target, draft, now_ms, known)
    else:
        standard.send(tx, target, [draft], now_ms, known)
