"""SQS's invariants: counts, index, bodies and states of each queue agree; what nothing names is being swept."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.sqs import check_fifo, rows, tenants
from freehold.services.sqs.fifo import Attempt, Sent
from freehold.services.sqs.model import Place, Queue, decode_message, place_of_arn
from freehold.services.sqs.moving import Task
from freehold.services.sqs.rows import DELAYED, IN_FLIGHT
from freehold.services.sqs.timing import EXPIRE, FORGET, OWNER, SWEEP
from freehold.work.checking import Report, Snapshot, shown

_task = msgspec.msgpack.Decoder(Task).decode
_sent = msgspec.msgpack.Decoder(Sent).decode
_attempt = msgspec.msgpack.Decoder(Attempt).decode


def check(snapshot: Snapshot, report: Report) -> None:
    """Queues one after the other, then what belongs to none."""
    for account, region in snapshot.spaces("sqs"):
        for kind in snapshot.next_parts("sqs", account, region):
            for key, value in snapshot.below("sqs", account, region, kind):
                if kind == "q":
                    _queue(snapshot, report, Place(account, region, str(unpack(key)[4])), value)
                elif kind == "t":
                    report.decode(shown(key), value, _task)
                elif kind == "d":
                    _link(snapshot, report, key)
                else:
                    report.broken(f"{shown(key)} is a row of unknown kind")
    _unnamed(snapshot, report)


def _queue(snapshot: Snapshot, report: Report, place: Place, raw: bytes) -> None:
    name = place.arn
    queue = report.decode(f"queue {name}", raw, lambda raw: Queue(place, raw))
    if queue is None:
        return
    record = queue.record
    report.notes.put("generation", pack(record.generation))
    report.notes.put("queue id", pack(record.id))
    if queue.dead_letter is not None:
        dead = queue.dead_letter
        if snapshot.get(pack("sqs", place.account, place.region, "d", dead.name, place.name)) is None:
            report.broken(f"queue {name} has the dead-letter queue {dead.name}, which does not list it")
    report.notes.forget("bucket")
    messages = check_fifo.messages(snapshot, report, queue) if queue.fifo else _messages(snapshot, report, queue)
    counts = rows.get_counts(snapshot.tx, queue)
    report.same(f"queue {name} counts messages", counts.total, messages)
    report.same(
        f"queue {name} has states", sum(1 for _ in snapshot.under(queue.states)), report.notes.get("bucket", b"n") or 0
    )
    report.notes.add("bucket", b"n", 0)
    _buckets(snapshot, report, queue)
    if messages and not snapshot.has_timer(OWNER, EXPIRE, *place):
        report.broken(f"queue {name} has messages, but no timer that lets them expire")


def _messages(snapshot: Snapshot, report: Report, queue: Queue) -> int:
    """Each message has one row of the index, where its state says. Answers how many there are."""
    name, messages = queue.arn, 0
    last = rows.get_counts(snapshot.tx, queue).last
    alone = 0
    for key, raw in snapshot.under(queue.bodies):
        messages += 1
        seq = int.from_bytes(key[-8:], "big")
        message = report.decode(f"message {seq} of {name}", raw, decode_message)
        if message is None:
            continue
        if seq > last and not (seq >> 19) & 1:
            report.broken(f"message {seq} of {name} is beyond the last number that was given out, {last}")
        state = rows.get_state(snapshot.tx, queue, seq)
        due_ms = message.sent_ms + message.delay_ms if state is None else state.due_ms
        group = message.group
        alone += not group
        row = tenants.key(queue, group, due_ms, seq) if group else rows.index_key(queue, due_ms, seq)
        mark = snapshot.get(row)
        if mark is None:
            report.broken(f"message {message.id} of {name} is not in the index at {due_ms}: it cannot be received")
        elif bool(mark) != (state is not None):
            report.broken(f"message {message.id} of {name}: its row of the index does not say whether it has a state")
        if state is not None:
            report.notes.add("bucket", b"n")
            if state.received_ms:
                report.notes.add("bucket", rows.bucket(False, IN_FLIGHT, due_ms, group))
        elif message.delay_ms:
            report.notes.add("bucket", rows.bucket(False, DELAYED, due_ms, group))
    standing = _tenants(snapshot, report, queue, messages - alone)
    report.same(f"queue {name} has rows of the index", sum(1 for _ in snapshot.under(queue.index)), alone + standing)
    return messages


def _tenants(snapshot: Snapshot, report: Report, queue: Queue, messages: int) -> int:
    """Messages with a group stand in their group's index, and the group in the queue's. Answers how many groups stand."""
    rows_of_groups, with_rows, last = 0, 0, b""
    for key, _ in snapshot.under(queue.tenants):
        rows_of_groups += 1
        if key[:-14] != last:
            with_rows, last = with_rows + 1, key[:-14]
    report.same(f"queue {queue.arn} has rows of groups", rows_of_groups, messages)
    standing = 0
    for key, _ in snapshot.under(queue.groups):
        standing += 1
        group = str(unpack(key[len(queue.groups) :])[0])
        stand = tenants.get(snapshot.tx, queue, group)
        if stand is None or snapshot.get(tenants.index_key(queue, group, stand)) is None:
            report.broken(f"group {group} of {queue.arn} is not in the index: nothing of it can be received")
    report.same(f"queue {queue.arn} has groups", standing, with_rows)
    return standing


def _buckets(snapshot: Snapshot, report: Report, queue: Queue) -> None:
    """What is counted by time agrees with the states."""
    counted = 0
    prefix = queue.prefix + b"c"
    for key, value in snapshot.under(prefix):
        counted += 1
        expected = report.notes.get("bucket", key[len(prefix) :]) or 0
        report.same(
            f"queue {queue.arn} counts in bucket {key[len(prefix) :].hex()}", int.from_bytes(value, "big"), expected
        )
    buckets = sum(1 for key, _ in report.notes.all("bucket") if key != b"n")
    report.same(f"queue {queue.arn} has buckets of counts", counted, buckets)


def _link(snapshot: Snapshot, report: Report, key: bytes) -> None:
    """`d target source`: the source has the target as its dead-letter queue."""
    _, account, region, _, target, source = (str(part) for part in unpack(key))
    place = Place(account, region, source)
    raw = snapshot.get(place.key)
    queue = report.decode(f"queue {place.arn}", raw, lambda raw: Queue(place, raw)) if raw is not None else None
    named = place_of_arn(queue.record.dead_letter_arn) if queue is not None else None
    if named is None or named.name != target:
        report.broken(f"{shown(key)}: the queue {source} does not have {target} as its dead-letter queue")


def _unnamed(snapshot: Snapshot, report: Report) -> None:
    """Rows of purged and deleted queues are there only as long as a timer is to remove them."""
    for number in snapshot.next_parts("sqs", None, "g"):
        if report.notes.get("generation", pack(number)) is None and not snapshot.has_timer(OWNER, SWEEP, number):
            report.broken(f"messages of generation {number!r} belong to no queue, and nothing removes them")
    for number in snapshot.next_parts("sqs", None, "r"):
        if not snapshot.has_timer(OWNER, FORGET, number):
            report.broken(f"what the FIFO queue with id {number!r} remembers will never be forgotten")
        prefix = pack("sqs", None, "r", number)
        for key, value in snapshot.under(prefix):
            kind = key[len(prefix) : len(prefix) + 1]
            if kind == b"d":
                report.decode(f"a deduplication id of the queue with id {number!r}", value, _sent)
            else:
                report.decode(f"a receive attempt of the queue with id {number!r}", value, _attempt)
