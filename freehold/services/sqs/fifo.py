"""Messages of FIFO queues: in order within their group, once within the deduplication interval."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after
from freehold.services.sqs import groups, receiving, rows, timing
from freehold.services.sqs.catalog import Memory
from freehold.services.sqs.model import (
    DEDUPLICATION_MS,
    MAX_ENTRIES,
    Delivery,
    Draft,
    Message,
    Queue,
    decode_message,
    encode_message,
)
from freehold.services.sqs.receipts import Receipt
from freehold.services.sqs.receiving import Ask, Taken
from freehold.services.sqs.rows import IN_FLIGHT, Shifts, State
from freehold.store.base import ReadTx, Tx

FIRST_SEQUENCE = 18_850_000_000_000_000_000
"""Makes sequence numbers twenty digits long, as AWS's are."""
MOST_OF_GROUP = 10
"""Messages of one group in flight by one receive."""


class Sent(msgspec.Struct, array_like=True):
    """What is remembered of a deduplication id."""

    sent_ms: int
    id: str
    seq: int


_decode_sent = msgspec.msgpack.Decoder(Sent).decode
_encode = msgspec.msgpack.Encoder().encode


def send(tx: Tx, queue: Queue, drafts: Sequence[Draft], now_ms: int, known: Memory) -> list[tuple[str, str | None]]:
    """Answers message ids and sequence numbers; of a duplicate, those of the message that was taken first."""
    total, last = rows.get_counts(tx, queue)
    if not total:
        timing.expire_by(known.timers, tx, queue.place, now_ms + 1000 * queue.record.retention_s)
    answers: list[tuple[str, str | None]] = []
    for draft in drafts:
        deduplication = draft.deduplication or hashlib.sha256(draft.body.encode()).hexdigest()
        scope = draft.group if queue.record.scope_group else ""
        digest = hashlib.sha256(f"{scope}\x00{deduplication}".encode()).digest()[:20]
        keys = rows.memory_keys(queue, b"d", digest, now_ms)
        sent = _remembered(tx, keys, now_ms)
        if sent is None:
            if rows.sent_ms(last) // DEDUPLICATION_MS != now_ms // DEDUPLICATION_MS:
                timing.forget_later(known.timers, tx, queue, now_ms)  # the first in its bucket
            last = rows.next_seq(last, now_ms)
            sent = Sent(now_ms, draft.id, last)
            tx.put(keys[0], _encode(sent))
            _put(tx, queue, draft, deduplication, last, now_ms)
            total += 1
        answers.append((sent.id, str(FIRST_SEQUENCE + sent.seq)))
    rows.put_counts(tx, queue, total, last)
    tx.wake(queue.watch_key)
    return answers


def _remembered(tx: ReadTx, keys: list[bytes], now_ms: int) -> Sent | None:
    for raw in tx.get_many(keys):
        if raw is not None and now_ms - (sent := _decode_sent(raw)).sent_ms < DEDUPLICATION_MS:
            return sent
    return None


def _put(tx: Tx, queue: Queue, draft: Draft, deduplication: str, seq: int, now_ms: int) -> None:
    message = Message(
        draft.id,
        draft.body,
        draft.md5,
        now_ms,
        draft.sender,
        draft.attributes,
        0,
        draft.group,
        deduplication,
        draft.trace,
    )
    tx.put(rows.body_key(queue, seq), encode_message(message))
    groups.join(tx, queue, draft.group, seq, now_ms + 1000 * queue.record.delay_s)


def arrive(tx: Tx, queue: Queue, message: Message, state: State, now_ms: int, known: Memory) -> None:
    """A message that a redrive policy moves here: it is taken as sent now, with its id as deduplication id ("Learn how to
    configure a dead-letter queue redrive")."""
    total, last = rows.get_counts(tx, queue)
    seq = rows.next_seq(last, now_ms)
    message.sent_ms, message.deduplication = now_ms, message.id
    tx.put(rows.body_key(queue, seq), encode_message(message))
    rows.put_state(tx, queue, seq, State(now_ms, state.receives, state.receives, state.first_ms, 0, message.group))
    groups.join(tx, queue, message.group, seq, now_ms)
    rows.put_counts(tx, queue, total + 1, seq)
    timing.expire_by(known.timers, tx, queue.place, now_ms + 1000 * queue.record.retention_s)
    tx.wake(queue.watch_key)


def remove(tx: Tx, queue: Queue, seq: int, group: str, state: State | None, shifts: Shifts) -> None:
    """Take the rows of a message away; the caller counts it out and places the group anew."""
    if state is not None:
        tx.delete(rows.state_key(queue, seq))
        if state.received_ms:
            shifts.add(IN_FLIGHT, state.due_ms, -1)
    tx.delete(rows.body_key(queue, seq))
    tx.delete(groups.member_key(queue, group, seq))


def send_again(tx: Tx, queue: Queue, draft: Draft, now_ms: int, known: Memory) -> None:
    """Send a message that a move task brings back: it is no duplicate of itself."""
    total, last = rows.get_counts(tx, queue)
    seq = rows.next_seq(last, now_ms)
    _put(tx, queue, draft, draft.deduplication, seq, now_ms)
    rows.put_counts(tx, queue, total + 1, seq)
    timing.expire_by(known.timers, tx, queue.place, now_ms + 1000 * queue.record.retention_s)
    tx.wake(queue.watch_key)


def ready(tx: ReadTx, queue: Queue, most: int, now_ms: int) -> Iterator[tuple[int, Message]]:
    """What could be received, one after the other, groups in order."""
    start, end = rows.due_until(queue, now_ms)
    for key, _ in tx.scan(start, end, limit=most):
        prefix = groups.member_prefix(queue, groups.of_index(queue, key))
        for member, _ in tx.scan(prefix, after(prefix), limit=most):
            seq = int.from_bytes(member[-8:], "big")
            if groups.head_due(tx, queue, seq) > now_ms:
                break
            if most <= 0:
                return
            most -= 1
            raw = tx.get(rows.body_key(queue, seq))
            assert raw is not None
            yield seq, decode_message(raw)


def take(tx: Tx, queue: Queue, seq: int, message: Message, shifts: Shifts, now_ms: int) -> None:
    """Take a message away that is not in flight."""
    remove(tx, queue, seq, message.group, rows.get_state(tx, queue, seq), shifts)
    groups.leave(tx, queue, message.group, seq, now_ms)
    rows.add_to_total(tx, queue, -1)


class _Receive:
    """One receive: what it gathers while it goes from group to group."""

    def __init__(self, tx: Tx, queue: Queue, ask: Ask, known: Memory) -> None:
        self.tx, self.queue, self.ask, self.known = tx, queue, ask, known
        self.taken, self.shifts = Taken(), Shifts(queue)
        self.gone = self.handled = self.size = 0
        self.due_again = ask.now_ms + ask.visibility_ms

    @property
    def full(self) -> bool:
        """Has the transaction enough to do?"""
        return self.handled >= receiving.MOST_HANDLED or self.size > receiving.MAX_BYTES

    def group(self, group: str, most: int) -> None:
        """Give out what of a group can be, and place it anew."""
        in_flight: list[tuple[int, int]] = []
        placed = groups.get(self.tx, self.queue, group)
        assert placed is not None
        prefix = groups.member_prefix(self.queue, group)
        start, end = prefix, after(prefix)
        held_ms: int | None = None
        while len(in_flight) < most and not self.full and held_ms is None:
            page = self.tx.scan(start, end, limit=most - len(in_flight))
            if not page:
                break
            start = page[-1][0] + b"\x00"
            for key, _ in page:
                seq = int.from_bytes(key[-8:], "big")
                self.handled += 1
                held_ms = self._message(group, seq, in_flight)
                if held_ms is not None or self.full:
                    break
        groups.place(self.tx, self.queue, group, placed, in_flight, self.ask.now_ms, self.due_again, held_ms)

    def _message(self, group: str, seq: int, in_flight: list[tuple[int, int]]) -> int | None:
        """Give one out, unless it is expired or dead. Answers until when it is held back, if it is."""
        tx, queue, now_ms = self.tx, self.queue, self.ask.now_ms
        raw = tx.get(rows.body_key(queue, seq))
        assert raw is not None
        state = rows.get_state(tx, queue, seq)
        message = decode_message(raw)
        if message.sent_ms + 1000 * queue.record.retention_s <= now_ms:
            remove(tx, queue, seq, group, state, self.shifts)
            self.gone += 1
            return None
        if state is None:
            due_ms = message.sent_ms + 1000 * queue.record.delay_s
            if due_ms > now_ms:
                return due_ms
            state = State(self.due_again, 1, 0, now_ms, now_ms, group)
        else:
            if receiving.is_dead(queue, state) and self._bury(seq, message, state, len(raw)):
                return None
            if state.received_ms:
                self.shifts.add(IN_FLIGHT, state.due_ms, -1)
            state = State(self.due_again, state.receives + 1, state.arrived, state.first_ms, now_ms, group)
        rows.put_state(tx, queue, seq, state)
        self.shifts.add(IN_FLIGHT, self.due_again, 1)
        in_flight.append((seq, self.due_again))
        self.size += len(raw) if self.ask.most > MAX_ENTRIES else 0
        self.taken.deliveries.append(Delivery(message, seq, state.receives, state.first_ms))
        return None

    def _bury(self, seq: int, message: Message, state: State, size: int) -> bool:
        """Move a message to the dead-letter queue, if that is there."""
        dead = receiving.dead_letter(self.tx, self.queue, self.known)
        if dead is None:
            return False
        remove(self.tx, self.queue, seq, message.group, state, self.shifts)
        self.gone += 1
        self.size += size
        message.source = self.queue.arn
        arrive(self.tx, dead, message, state, self.ask.now_ms, self.known)
        return True


def receive(tx: Tx, queue: Queue, ask: Ask, known: Memory) -> Taken:
    """Give out what is due, group by group, as many of a group as possible."""
    if ask.attempt and (again := _again(tx, queue, ask)) is not None:
        return again
    total, last = rows.get_counts(tx, queue)
    most = min(ask.most, rows.room_in_flight(tx, queue, total, ask.now_ms))
    receive = _Receive(tx, queue, ask, known)
    taken = receive.taken
    start, end = rows.due_until(queue, ask.now_ms)
    seen: set[str] = set()  # with a visibility timeout of 0 a group would come again
    while len(taken.deliveries) < most and not receive.full:
        page = tx.scan(start, end, limit=min(most - len(taken.deliveries), receiving.PAGE))
        if not page:
            break
        start = page[-1][0] + b"\x00"
        for key, _ in page:
            left = most - len(taken.deliveries)
            if left <= 0 or receive.full:
                break
            group = groups.of_index(queue, key)
            if group not in seen:
                seen.add(group)
                receive.group(group, min(left, MOST_OF_GROUP))
    taken.more = receive.full
    receive.shifts.write(tx)
    if receive.gone:
        rows.put_counts(tx, queue, total - receive.gone, last)
    if taken.deliveries:
        if ask.attempt:
            _remember_attempt(tx, queue, ask, taken, known)
        if not ask.visibility_ms:
            tx.wake(queue.watch_key)
    return taken


class Attempt(msgspec.Struct, array_like=True):
    """What a receive attempt received: seq, receive count and due time of each."""

    made_ms: int
    received: list[tuple[int, int, int]]


_decode_attempt = msgspec.msgpack.Decoder(Attempt).decode


def _remember_attempt(tx: Tx, queue: Queue, ask: Ask, taken: Taken, known: Memory) -> None:
    due_ms = ask.now_ms + ask.visibility_ms
    attempt = Attempt(ask.now_ms, [(delivery.seq, delivery.receives, due_ms) for delivery in taken.deliveries])
    tx.put(rows.memory_keys(queue, b"a", ask.attempt, ask.now_ms)[0], _encode(attempt))
    timing.forget_later(known.timers, tx, queue, ask.now_ms)


def _again(tx: Tx, queue: Queue, ask: Ask) -> Taken | None:
    """The same messages under the same handles, invisible from now on anew; None where the attempt is not known, is too
    old, or something was done with one of its messages."""
    for key in rows.memory_keys(queue, b"a", ask.attempt, ask.now_ms):
        raw = tx.get(key)
        if raw is None:
            continue
        attempt = _decode_attempt(raw)
        if ask.now_ms - attempt.made_ms >= DEDUPLICATION_MS:
            continue
        states = [rows.get_state(tx, queue, seq) for seq, _, _ in attempt.received]
        taken, shifts, due_ms = Taken(), Shifts(queue), ask.now_ms + ask.visibility_ms
        for (_, count, due_then), state in zip(attempt.received, states, strict=True):
            if state is None or (state.receives, state.due_ms) != (count, due_then) or due_then <= ask.now_ms:
                return None
        for (seq, count, due_then), state in zip(attempt.received, states, strict=True):
            assert state is not None
            body = tx.get(rows.body_key(queue, seq))
            assert body is not None
            shifts.add(IN_FLIGHT, due_then, -1)
            shifts.add(IN_FLIGHT, due_ms, 1)
            rows.put_state(tx, queue, seq, state._replace(due_ms=due_ms, received_ms=ask.now_ms))
            groups.move(tx, queue, state.group, seq, due_ms, ask.now_ms)
            taken.deliveries.append(Delivery(decode_message(body), seq, count, state.first_ms))
        shifts.write(tx)
        attempt.received = [(seq, count, due_ms) for seq, count, _ in attempt.received]
        tx.put(key, _encode(attempt))
        return taken
    return None


def delete(tx: Tx, queue: Queue, receipts: Sequence[Receipt], now_ms: int) -> list[Fault | None]:
    """Only the handle of the latest receive deletes, and only until the message is visible again. A message that is gone
    is no error."""
    faults: list[Fault | None] = []
    shifts = Shifts(queue)
    gone = 0
    for receipt in receipts:
        state = rows.get_state(tx, queue, receipt.seq)
        if state is None:
            faults.append(None)
        elif state.receives != receipt.receives or state.due_ms <= now_ms:
            faults.append(Fault("InvalidParameterValue", _EXPIRED))
        else:
            remove(tx, queue, receipt.seq, state.group, state, shifts)
            groups.leave(tx, queue, state.group, receipt.seq, now_ms)
            gone += 1
            faults.append(None)
    if gone:
        shifts.write(tx)
        rows.add_to_total(tx, queue, -gone)
        tx.wake(queue.watch_key)
    return faults


_EXPIRED = "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."


def change_visibility(tx: Tx, queue: Queue, receipt: Receipt, handle: str, timeout_s: int, now_ms: int) -> None:
    """The message is due `timeout_s` from now. Raises InvalidParameterValue."""
    state = rows.get_state(tx, queue, receipt.seq)
    if state is None or state.receives != receipt.receives or state.due_ms <= now_ms:
        raise receiving.unavailable(handle)
    receiving.check_total(state, timeout_s, now_ms)
    due_ms = now_ms + 1000 * timeout_s
    shifts = Shifts(queue)
    shifts.add(IN_FLIGHT, state.due_ms, -1)
    shifts.add(IN_FLIGHT, due_ms, 1)
    shifts.write(tx)
    rows.put_state(tx, queue, receipt.seq, state._replace(due_ms=due_ms))
    groups.move(tx, queue, state.group, receipt.seq, due_ms, now_ms)
    tx.wake(queue.watch_key)


def not_visible(tx: ReadTx, queue: Queue, now_ms: int) -> tuple[int, int]:
    """How many are delayed (sent within the queue's delay and never received), and how many in flight."""
    in_flight = rows.coming(tx, queue, IN_FLIGHT, now_ms)
    if not queue.record.delay_s:
        return 0, in_flight
    first = (now_ms - 1000 * queue.record.delay_s + 1) << rows.SEQ_SHIFT
    delayed = _count(tx, rows.body_key(queue, first), queue.bodies + b"\xff")
    return delayed - _count(tx, rows.state_key(queue, first), queue.states + b"\xff"), in_flight


def _count(tx: ReadTx, start: bytes, end: bytes) -> int:
    total = 0
    while page := tx.scan(start, end):
        total += len(page)
        start = page[-1][0] + b"\x00"
    return total
