"""The timers of queues: when something is to be done in the background, and what (sweeping.py does it)."""

from __future__ import annotations

from freehold.kit.tuples import pack
from freehold.services.sqs.model import DEDUPLICATION_MS, Place, Queue
from freehold.store.base import Tx
from freehold.work.timers import Timers

OWNER = "sqs"
EXPIRE, SWEEP, FORGET, REGROUP, MOVE = "expire", "sweep", "forget", "regroup", "move"


def expire_from(timers: Timers, tx: Tx, place: Place, due_ms: int | None) -> None:
    """Look for expired messages at `due_ms`."""
    timers.set(tx, OWNER, pack(EXPIRE, *place), due_ms)


def expire_by(timers: Timers, tx: Tx, place: Place, due_ms: int) -> None:
    """Look for expired messages at `due_ms` at the latest."""
    key = pack(EXPIRE, *place)
    planned = timers.due(tx, OWNER, key)
    if planned is None or planned > due_ms:
        timers.set(tx, OWNER, key, due_ms)


def sweep(timers: Timers, tx: Tx, generation: int, now_ms: int) -> None:
    """Remove the messages of a generation that nothing names any more."""
    timers.set(tx, OWNER, pack(SWEEP, generation), now_ms)


def forget_later(timers: Timers, tx: Tx, queue: Queue, now_ms: int) -> None:
    """Forget what a FIFO queue remembers from now on, when its bucket is old enough."""
    key = pack(FORGET, queue.record.id)
    if timers.due(tx, OWNER, key) is None:
        timers.set(tx, OWNER, key, (now_ms // DEDUPLICATION_MS + 2) * DEDUPLICATION_MS)


def regroup(timers: Timers, tx: Tx, place: Place, now_ms: int) -> None:
    """Place the groups of a FIFO queue anew: its delay was changed, which acts on messages that are there."""
    timers.set(tx, OWNER, pack(REGROUP, *place), now_ms)


def move(timers: Timers, tx: Tx, place: Place, number: int, task_id: str, due_ms: int) -> None:
    """Run a message move task."""
    timers.set(tx, OWNER, pack(MOVE, *place, number, task_id), due_ms)


def forget(timers: Timers, tx: Tx, queue: Queue, now_ms: int) -> None:
    """Everything of a queue that is deleted goes."""
    expire_from(timers, tx, queue.place, None)
    timers.set(tx, OWNER, pack(REGROUP, *queue.place), None)
    sweep(timers, tx, queue.record.generation, now_ms)
    timers.set(tx, OWNER, pack(FORGET, queue.record.id), now_ms + 2 * DEDUPLICATION_MS)
