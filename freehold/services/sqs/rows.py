"""How a queue's messages lie in the store, and how they are counted.

Below the prefix of the queue's generation (big-endian numbers; `seq` is 8 bytes, a time in ms 6):

    n                     total of messages and the last seq that was given out
    b seq                 the message (never changes)
    s seq                 its state, from the first receive on
    i due seq             when it can be received (standard queues): the future for what is delayed or in flight. The
                          value is empty until the message is received for the first time
    c kind bucket         how many are to come due in a bucket of time: kind `d` delayed, `f` in flight. Buckets are ten
                          seconds wide; a millisecond (`D`, `F`) for groups, which stand in the index themselves
    (standard queues: tenants.py has the rows of messages with a group)
    m group seq           (FIFO) the messages of a group, in order
    g group               (FIFO) what of the group is in flight, and where the group stands in the index
    i due seq group       (FIFO) when the group can be received from

`seq` is the time of sending (ms << 20) plus a counter, so that a scan over bodies is in the order of sending, and one
over the index stops at what is due. Receiving is one short scan however long the queue is.

Below the queue's own id, for five minutes, in buckets of five minutes:

    d bucket hash         (FIFO) a deduplication id: the message it was sent with
    a bucket hash         (FIFO) a receive attempt: what it received
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from freehold.services.sqs.model import DEDUPLICATION_MS, MAX_IN_FLIGHT, Queue
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN

SEQ_SHIFT = 20
_MOVED = 1 << 19
"""Seqs of messages that kept their time of sending when they were moved here have this bit."""

_COUNTS = struct.Struct(">qQ")
_STATE = struct.Struct(">QIIQQ")


class State(NamedTuple):
    """Of a message that was received before."""

    due_ms: int
    """When it can be received again."""
    receives: int
    """How often it was received, in all queues it has been in."""
    arrived: int
    """How often when it came into this queue."""
    first_ms: int
    received_ms: int
    """When it was last received here; 0: never."""
    group: str = ""
    """The message's."""


def index_key(queue: Queue, due_ms: int, seq: int) -> bytes:
    return b"%b%b%b" % (queue.index, due_ms.to_bytes(6, "big"), seq.to_bytes(8, "big"))


def due_until(queue: Queue, now_ms: int) -> tuple[bytes, bytes]:
    """The range of the index of what is due."""
    return queue.index, queue.index + (now_ms + 1).to_bytes(6, "big")


def not_yet_due(queue: Queue, now_ms: int) -> tuple[bytes, bytes]:
    return queue.index + (now_ms + 1).to_bytes(6, "big"), queue.index + b"\xff"


def due_of(queue: Queue, key: bytes) -> int:
    """When a row of the index is due."""
    at = len(queue.index)
    return int.from_bytes(key[at : at + 6], "big")


def body_key(queue: Queue, seq: int) -> bytes:
    return queue.bodies + seq.to_bytes(8, "big")


def state_key(queue: Queue, seq: int) -> bytes:
    return queue.states + seq.to_bytes(8, "big")


def sent_ms(seq: int) -> int:
    return seq >> SEQ_SHIFT


def get_state(tx: ReadTx, queue: Queue, seq: int) -> State | None:
    raw = tx.get(state_key(queue, seq))
    return None if raw is None else unpack_state(raw)


def unpack_state(raw: bytes) -> State:
    return State._make((*_STATE.unpack_from(raw), raw[_STATE.size :].decode()))


def put_state(tx: Tx, queue: Queue, seq: int, state: State) -> None:
    tx.put(state_key(queue, seq), _STATE.pack(*state[:5]) + state.group.encode())


class Counts(NamedTuple):
    """The total of messages, and the last seq."""

    total: int
    last: int


def get_counts(tx: ReadTx, queue: Queue) -> Counts:
    raw = tx.get(queue.counts)
    return Counts(0, 0) if raw is None else Counts._make(_COUNTS.unpack(raw))


def put_counts(tx: Tx, queue: Queue, total: int, last: int) -> None:
    tx.put(queue.counts, _COUNTS.pack(total, last))


def add_to_total(tx: Tx, queue: Queue, by: int) -> None:
    """Count messages that came (moved) or went."""
    counts = get_counts(tx, queue)
    put_counts(tx, queue, counts.total + by, counts.last)


def next_seq(last: int, now_ms: int) -> int:
    return max(last + 1, now_ms << SEQ_SHIFT)


def moved_seq(tx: ReadTx, queue: Queue, sent: int, salt: int) -> int:
    """A free seq for a message that keeps its time of sending."""
    at = salt % _MOVED
    while tx.get(body_key(queue, seq := (sent << SEQ_SHIFT) | _MOVED | at)) is not None:
        at = (at + 1) % _MOVED
    return seq


BUCKET_MS = 10_000


def bucket(fifo: bool, kind: bytes, due_ms: int, group: str) -> bytes:
    """Where below `c` is counted what of a kind comes due at `due_ms`."""
    if group or fifo:
        return kind.upper() + due_ms.to_bytes(6, "big")
    return kind + (due_ms // BUCKET_MS).to_bytes(6, "big")


class Shifts:
    """Changes to the counts of what is delayed and in flight, gathered over a transaction's messages."""

    __slots__ = ("_by", "_fifo", "_prefix")

    def __init__(self, queue: Queue) -> None:
        self._by: dict[bytes, int] = {}
        self._prefix = queue.prefix + b"c"
        self._fifo = queue.fifo

    def add(self, kind: bytes, due_ms: int, by: int, group: str = "") -> None:
        key = self._prefix + bucket(self._fifo, kind, due_ms, group)
        self._by[key] = self._by.get(key, 0) + by

    def write(self, tx: Tx) -> None:
        for key, by in self._by.items():
            if not by:
                continue
            raw = tx.get(key)
            count = by if raw is None else int.from_bytes(raw, "big") + by
            if count > 0:
                tx.put(key, count.to_bytes(5, "big"))
            elif raw is not None:
                tx.delete(key)


DELAYED, IN_FLIGHT = b"d", b"f"


def coming(tx: ReadTx, queue: Queue, kind: bytes, now_ms: int) -> int:
    """How many of a kind come due later: those in buckets of ten seconds from the next bucket on."""
    exact = _sum(tx, queue.prefix + b"c" + kind.upper(), now_ms + 1)
    return exact if queue.fifo else exact + _sum(tx, queue.prefix + b"c" + kind, now_ms // BUCKET_MS + 1)


def _sum(tx: ReadTx, prefix: bytes, first: int) -> int:
    start, end = prefix + first.to_bytes(6, "big"), prefix + b"\xff"
    total = 0
    while True:
        page = tx.scan(start, end)
        total += sum(int.from_bytes(value, "big") for _, value in page)
        if len(page) < MAX_SCAN:
            return total
        start = page[-1][0] + b"\x00"


def room_in_flight(tx: ReadTx, queue: Queue, total: int, now_ms: int) -> int:
    """How many more messages may be in flight. The sum is made only for queues that are long enough to have too many."""
    return MAX_IN_FLIGHT if total < MAX_IN_FLIGHT else MAX_IN_FLIGHT - coming(tx, queue, IN_FLIGHT, now_ms)


def memory_keys(queue: Queue, kind: bytes, digest: bytes, now_ms: int) -> list[bytes]:
    """Where a FIFO queue remembers a thing: where to write it, and where it may have been written before."""
    bucket = now_ms // DEDUPLICATION_MS
    return [queue.remembered + kind + at.to_bytes(5, "big") + digest for at in (bucket, bucket - 1)]
