"""Messages of standard queues: at least once, in the order of sending as far as nothing intervenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from freehold.kit.faults import Fault
from freehold.services.sqs import receiving, rows, tenants, timing
from freehold.services.sqs.catalog import Memory
from freehold.services.sqs.model import MAX_ENTRIES, Delivery, Draft, Message, Queue, decode_message, encode_message
from freehold.services.sqs.receipts import Receipt
from freehold.services.sqs.receiving import Ask, Taken
from freehold.services.sqs.rows import DELAYED, IN_FLIGHT, Shifts, State
from freehold.services.sqs.tenants import TENANT
from freehold.store.base import ReadTx, Tx

_NEW = b""
_SEEN = b"r"
"""Value of an index row whose message has a state."""


def send(tx: Tx, queue: Queue, drafts: Sequence[Draft], now_ms: int, known: Memory) -> list[tuple[str, str | None]]:
    """Answers message ids, and sequence numbers (none)."""
    total, last = rows.get_counts(tx, queue)
    if not total:
        timing.expire_by(known.timers, tx, queue.place, now_ms + 1000 * queue.record.retention_s)
    shifts, sent = None, []
    for draft in drafts:
        last = rows.next_seq(last, now_ms)
        delay_ms = 1000 * (queue.record.delay_s if draft.delay_s is None else draft.delay_s)
        group = draft.group
        message = Message(
            draft.id,
            draft.body,
            draft.md5,
            now_ms,
            draft.sender,
            draft.attributes,
            delay_ms,
            group,
            "",
            draft.trace,
        )
        tx.put(rows.body_key(queue, last), encode_message(message))
        if group:
            tenants.place(tx, queue, group, now_ms + delay_ms, last, _NEW)
        else:
            tx.put(rows.index_key(queue, now_ms + delay_ms, last), _NEW)
        if delay_ms:
            shifts = shifts or Shifts(queue)
            shifts.add(DELAYED, now_ms + delay_ms, 1, group)
        sent.append((draft.id, None))
    rows.put_counts(tx, queue, total + len(drafts), last)
    if shifts is not None:
        shifts.write(tx)
    tx.wake(queue.watch_key)
    return [(draft.id, None) for draft in drafts]


def _index(tx: Tx, queue: Queue, group: str, due_ms: int, seq: int, mark: bytes) -> None:
    """A message is receivable at `due_ms`."""
    if group:
        tenants.place(tx, queue, group, due_ms, seq, mark)
    else:
        tx.put(rows.index_key(queue, due_ms, seq), mark)


def _unindex(tx: Tx, queue: Queue, group: str, due_ms: int, seq: int) -> None:
    if group:
        tenants.remove(tx, queue, group, due_ms, seq)
    else:
        tx.delete(rows.index_key(queue, due_ms, seq))


def arrive(tx: Tx, queue: Queue, message: Message, state: State, now_ms: int, known: Memory) -> None:
    """A message that a redrive policy moves here: it keeps its time of sending, and can be received at once."""
    seq = rows.moved_seq(tx, queue, message.sent_ms, int(message.id[:8], 16))
    tx.put(rows.body_key(queue, seq), encode_message(message))
    _index(tx, queue, message.group, now_ms, seq, _SEEN)
    rows.put_state(tx, queue, seq, State(now_ms, state.receives, state.receives, state.first_ms, 0, message.group))
    rows.add_to_total(tx, queue, 1)
    timing.expire_by(known.timers, tx, queue.place, message.sent_ms + 1000 * queue.record.retention_s)
    tx.wake(queue.watch_key)


def remove(tx: Tx, queue: Queue, seq: int, message: Message | None, state: State | None, shifts: Shifts) -> None:
    """Take the rows of a message away; the caller counts it out. `message` is needed where there is no state."""
    if state is not None:
        due_ms, group = state.due_ms, state.group
        tx.delete(rows.state_key(queue, seq))
        if state.received_ms:
            shifts.add(IN_FLIGHT, due_ms, -1, group)
    else:
        assert message is not None
        due_ms, group = message.sent_ms + message.delay_ms, message.group
        if message.delay_ms:
            shifts.add(DELAYED, due_ms, -1, group)
    _unindex(tx, queue, group, due_ms, seq)
    tx.delete(rows.body_key(queue, seq))


def ready(tx: ReadTx, queue: Queue, most: int, now_ms: int) -> Iterator[tuple[int, Message]]:
    """What could be received, one after the other."""
    start, end = rows.due_until(queue, now_ms)
    left = most
    for key, mark in tx.scan(start, end, limit=most):
        if mark == TENANT:
            found = [seq for _, seq, _ in tenants.due(tx, queue, tenants.of_index(queue, key), left, now_ms)]
        else:
            found = [int.from_bytes(key[-8:], "big")]
        for seq in found[: max(left, 0)]:
            left -= 1
            raw = tx.get(rows.body_key(queue, seq))
            assert raw is not None
            yield seq, decode_message(raw)


def take(tx: Tx, queue: Queue, seq: int, message: Message, shifts: Shifts, now_ms: int) -> None:
    """Take a message away that is not in flight."""
    remove(tx, queue, seq, message, rows.get_state(tx, queue, seq), shifts)
    rows.add_to_total(tx, queue, -1)


class _Receive:
    """One receive: what it gathers while it goes through what is due."""

    def __init__(self, tx: Tx, queue: Queue, ask: Ask, known: Memory) -> None:
        self.tx, self.queue, self.ask, self.known = tx, queue, ask, known
        self.taken, self.shifts = Taken(), Shifts(queue)
        self.due_again = ask.now_ms + ask.visibility_ms
        self.moves: list[tuple[int, State]] = []
        self.again = False
        """Could a group have another turn at once?"""
        self.gone = self.handled = self.size = 0

    @property
    def full(self) -> bool:
        """Has the transaction enough to do?"""
        return self.handled >= receiving.MOST_HANDLED or self.size > receiving.MAX_BYTES

    def page(self, page: list[tuple[bytes, bytes]]) -> None:
        """Handle rows of the index."""
        seqs = [int.from_bytes(key[-8:], "big") for key, mark in page if mark != TENANT]
        bodies = iter(self.tx.get_many([rows.body_key(self.queue, seq) for seq in seqs]))
        self.handled += len(page)
        for key, mark in page:
            if self.size > receiving.MAX_BYTES:
                return
            if mark == TENANT:
                self._turn(tenants.of_index(self.queue, key))
            else:
                seq = int.from_bytes(key[-8:], "big")
                self._message(rows.due_of(self.queue, key), seq, next(bodies), mark)

    def _turn(self, group: str) -> None:
        """Let a group have its turn."""
        for due_ms, seq, mark in tenants.due(self.tx, self.queue, group, 1, self.ask.now_ms):
            self._message(due_ms, seq, self.tx.get(rows.body_key(self.queue, seq)), mark)
        if tenants.turn(self.tx, self.queue, group, self.ask.now_ms):
            self.again = True

    def _message(self, due_ms: int, seq: int, raw: bytes | None, mark: bytes) -> None:
        assert raw is not None
        queue, now_ms = self.queue, self.ask.now_ms
        message = decode_message(raw)
        state = rows.get_state(self.tx, queue, seq) if mark else None
        if message.sent_ms + 1000 * queue.record.retention_s <= now_ms:
            remove(self.tx, queue, seq, message, state, self.shifts)
            self.gone += 1
            return
        if state is not None and receiving.is_dead(queue, state) and self._bury(seq, message, state, len(raw)):
            return
        if state is None:
            if message.delay_ms:
                self.shifts.add(DELAYED, due_ms, -1, message.group)
            state = State(self.due_again, 1, 0, now_ms, now_ms, message.group)
        else:
            if state.received_ms:
                self.shifts.add(IN_FLIGHT, due_ms, -1, message.group)
            count = state.receives + 1
            state = State(self.due_again, count, state.arrived, state.first_ms, now_ms, message.group)
        _unindex(self.tx, queue, message.group, due_ms, seq)
        self.moves.append((seq, state))
        # A receive by the API is answered whole: ten messages are ten megabytes at most, and none of them is written.
        self.size += len(raw) if self.ask.most > MAX_ENTRIES else 0
        self.taken.deliveries.append(Delivery(message, seq, state.receives, state.first_ms))

    def _bury(self, seq: int, message: Message, state: State, size: int) -> bool:
        """Move a message to the dead-letter queue, if that is there."""
        dead = receiving.dead_letter(self.tx, self.queue, self.known)
        if dead is None:
            return False
        remove(self.tx, self.queue, seq, message, state, self.shifts)
        self.gone += 1
        self.size += size
        message.source = self.queue.arn
        arrive(self.tx, dead, message, state, self.ask.now_ms, self.known)
        return True

    def write(self) -> None:
        """Put what was delivered where it is due again: when all is read, since that may be at once."""
        for seq, state in self.moves:
            _index(self.tx, self.queue, state.group, self.due_again, seq, _SEEN)
            rows.put_state(self.tx, self.queue, seq, state)
            self.shifts.add(IN_FLIGHT, self.due_again, 1, state.group)
        if self.moves and (self.again or not self.ask.visibility_ms):
            self.tx.wake(self.queue.watch_key)
        self.shifts.write(self.tx)


def receive(tx: Tx, queue: Queue, ask: Ask, known: Memory) -> Taken:
    """Give out what is due, soonest due first."""
    total, last = rows.get_counts(tx, queue)
    room = rows.room_in_flight(tx, queue, total, ask.now_ms)
    start, end = rows.due_until(queue, ask.now_ms)
    most = min(ask.most, room) if room > 0 else ask.most
    receive = _Receive(tx, queue, ask, known)
    while len(receive.moves) < most and not receive.full:
        page = tx.scan(start, end, limit=min(most - len(receive.moves), receiving.PAGE))
        if not page and receive.again:
            start, receive.again = queue.index, False
            continue
        if not page:
            break
        if room <= 0:
            raise Fault("OverLimit", f"Too many messages are in flight in the queue {queue.place.name}.")
        start = page[-1][0] + b"\x00"
        receive.page(page)
    receive.taken.more = receive.full
    receive.write()
    if receive.gone:
        rows.put_counts(tx, queue, total - receive.gone, last)
    return receive.taken


def delete(tx: Tx, queue: Queue, receipts: Sequence[Receipt], now_ms: int) -> list[Fault | None]:
    """Any handle of a message deletes it; a message that is gone is no error."""
    shifts = Shifts(queue)
    gone = 0
    for receipt in receipts:
        state = rows.get_state(tx, queue, receipt.seq)
        if state is not None:
            remove(tx, queue, receipt.seq, None, state, shifts)
            gone += 1
    if gone:
        shifts.write(tx)
        rows.add_to_total(tx, queue, -gone)
    return [None] * len(receipts)


def change_visibility(tx: Tx, queue: Queue, receipt: Receipt, handle: str, timeout_s: int, now_ms: int) -> None:
    """The message is due `timeout_s` from now, if it is in flight. Raises InvalidParameterValue."""
    state = rows.get_state(tx, queue, receipt.seq)
    if state is None:
        raise receiving.unavailable(handle)
    if state.due_ms <= now_ms:
        return  # AWS documents MessageNotInflight, and answers 200 without doing anything
    receiving.check_total(state, timeout_s, now_ms)
    due_ms = now_ms + 1000 * timeout_s
    shifts = Shifts(queue)
    shifts.add(IN_FLIGHT, state.due_ms, -1, state.group)
    shifts.add(IN_FLIGHT, due_ms, 1, state.group)
    shifts.write(tx)
    _unindex(tx, queue, state.group, state.due_ms, receipt.seq)
    _index(tx, queue, state.group, due_ms, receipt.seq, _SEEN)
    rows.put_state(tx, queue, receipt.seq, state._replace(due_ms=due_ms))
    tx.wake(queue.watch_key)


def not_visible(tx: ReadTx, queue: Queue, now_ms: int) -> tuple[int, int]:
    """How many are delayed, and how many in flight: later buckets as counted, the rest of the current one row by row."""
    delayed, in_flight = (rows.coming(tx, queue, kind, now_ms) for kind in (DELAYED, IN_FLIGHT))
    start = rows.due_until(queue, now_ms)[1]
    end = queue.index + ((now_ms // rows.BUCKET_MS + 1) * rows.BUCKET_MS).to_bytes(6, "big")
    for _ in range(_PAGES):
        page = tx.scan(start, end)
        in_flight += sum(mark == _SEEN for _, mark in page)
        delayed += sum(mark == _NEW for _, mark in page)
        if len(page) < _FULL:
            break
        start = page[-1][0] + b"\x00"
    return delayed, in_flight


_FULL = 1_000
_PAGES = 50
"""Pages read at most to count what comes due within seconds; beyond that the count is low by the rest."""
