"""What queues do, whatever their kind: functions over standard and FIFO queues."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.kit.faults import Fault
from freehold.services.sqs import drafts, fifo, receipts, rows, standard
from freehold.services.sqs.catalog import Memory
from freehold.services.sqs.model import Draft, Queue
from freehold.services.sqs.receiving import Ask, Taken
from freehold.services.sqs.waiting import Look
from freehold.store.base import ReadTx, Tx


def send(tx: Tx, queue: Queue, messages: Sequence[Draft], now_ms: int, known: Memory) -> list[tuple[str, str | None]]:
    """Send all or raise. Answers message ids and sequence numbers."""
    for message in messages:
        drafts.check(queue, message)
    if queue.record.fifo:
        return fifo.send(tx, queue, messages, now_ms, known)
    return standard.send(tx, queue, messages, now_ms, known)


def receive(tx: Tx, queue: Queue, ask: Ask, known: Memory) -> Taken:
    return fifo.receive(tx, queue, ask, known) if queue.record.fifo else standard.receive(tx, queue, ask, known)


def delete(tx: Tx, queue: Queue, handles: Sequence[str], now_ms: int) -> list[Fault | None]:
    """Delete messages; answers what is wrong with each handle."""
    faults: list[Fault | None] = [None] * len(handles)
    good: list[tuple[int, receipts.Receipt]] = []
    for place, handle in enumerate(handles):
        try:
            good.append((place, receipts.decode(handle, queue.record.id)))
        except Fault as fault:
            faults[place] = fault
    found = (fifo if queue.fifo else standard).delete(tx, queue, [receipt for _, receipt in good], now_ms)
    for (place, _), wrong in zip(good, found, strict=True):
        if wrong is not None:
            faults[place] = Fault(wrong.code, wrong.message.format(handle=handles[place]))
    return faults


def change_visibility(tx: Tx, queue: Queue, handle: str, timeout_s: int, now_ms: int) -> None:
    receipt = receipts.decode(handle, queue.record.id)
    (fifo if queue.fifo else standard).change_visibility(tx, queue, receipt, handle, timeout_s, now_ms)


def look(tx: ReadTx, queue: Queue, most: int, now_ms: int) -> Look:
    """Is there something to receive, and if not enough, when will there be?"""
    start, end = rows.due_until(queue, now_ms)
    ready = len(tx.scan(start, end, limit=most))
    return Look(ready, next_due(tx, queue, now_ms) if ready < most else None)


def next_due(tx: ReadTx, queue: Queue, now_ms: int) -> int | None:
    """When the next message (or group) will be receivable that is not yet."""
    start, end = rows.not_yet_due(queue, now_ms)
    page = tx.scan(start, end, limit=1)
    return rows.due_of(queue, page[0][0]) if page else None


def is_ready(tx: ReadTx, queue: Queue, now_ms: int) -> bool:
    start, end = rows.due_until(queue, now_ms)
    return bool(tx.scan(start, end, limit=1))


def counts(tx: ReadTx, queue: Queue, now_ms: int) -> tuple[int, int, int]:
    """How many are visible, delayed and in flight."""
    total = rows.get_counts(tx, queue).total
    delayed, in_flight = (fifo if queue.fifo else standard).not_visible(tx, queue, now_ms)
    return max(0, total - delayed - in_flight), delayed, in_flight
