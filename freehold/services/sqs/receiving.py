"""What standard and FIFO queues share of receiving: the question, the answer, and what is not given out."""

from __future__ import annotations

from dataclasses import dataclass, field

from freehold.kit.faults import Fault
from freehold.services.sqs.catalog import Memory
from freehold.services.sqs.model import MAX_VISIBILITY_S, Delivery, Queue
from freehold.services.sqs.rows import State
from freehold.store.base import ReadTx

MOST_HANDLED = 250
"""Messages that one transaction handles, delivered or not (a page more at most): three rows each, six when they are dead."""
PAGE = 64
MAX_BYTES = 8 << 20
"""After so much is delivered, or moved to the dead-letter queue, a transaction ends."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A receive."""

    most: int
    visibility_ms: int
    now_ms: int
    attempt: bytes = b""
    """Digest of the ReceiveRequestAttemptId."""


@dataclass(slots=True)
class Taken:
    """What was received. `more`: the transaction had enough to do before it came to the end of what is due."""

    deliveries: list[Delivery] = field(default_factory=list)
    more: bool = False
    next_due_ms: int | None = None
    """When the next message will be receivable, where that was asked for."""


def dead_letter(tx: ReadTx, queue: Queue, known: Memory) -> Queue | None:
    """The queue that takes what was received too often; None where there is none (any more)."""
    target = known.find(tx, queue.dead_letter) if queue.dead_letter is not None else None
    return target if target is not None and target.fifo == queue.fifo else None


def is_dead(queue: Queue, state: State) -> bool:
    """Would one more receive be one too many?"""
    return queue.dead_letter is not None and state.receives - state.arrived >= queue.record.max_receives


def check_total(state: State, timeout_s: int, now_ms: int) -> None:
    """A message is invisible for twelve hours at most, counted from the receive."""
    if (now_ms - state.received_ms) // 1000 + timeout_s > MAX_VISIBILITY_S:
        raise Fault(
            "InvalidParameterValue",
            f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the "
            f"message is beyond the limit [{MAX_VISIBILITY_S} seconds].",
        )


def unavailable(handle: str) -> Fault:
    return Fault(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
        "visibility timeout change.",
    )
