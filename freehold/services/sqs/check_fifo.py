"""FIFO queues: every message is a member of its group, and every group stands in the index once."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import unpack
from freehold.services.sqs import groups, rows
from freehold.services.sqs.groups import Group
from freehold.services.sqs.model import Queue, decode_message
from freehold.services.sqs.rows import IN_FLIGHT
from freehold.work.checking import Report, Snapshot

_group = msgspec.msgpack.Decoder(Group).decode


def messages(snapshot: Snapshot, report: Report, queue: Queue) -> int:
    """Check bodies, members and groups; answers how many messages there are."""
    name, count = queue.arn, 0
    for key, raw in snapshot.under(queue.bodies):
        count += 1
        seq = int.from_bytes(key[-8:], "big")
        message = report.decode(f"message {seq} of {name}", raw, decode_message)
        if message is None:
            continue
        if snapshot.get(groups.member_key(queue, message.group, seq)) is None:
            report.broken(f"message {message.id} of {name} is no member of its group {message.group}")
        state = rows.get_state(snapshot.tx, queue, seq)
        if state is not None:
            report.notes.add("bucket", b"n")
            if state.group != message.group:
                report.broken(f"message {message.id} of {name} is of group {message.group}, its state of {state.group}")
            if state.received_ms:
                report.notes.add("bucket", rows.bucket(True, IN_FLIGHT, state.due_ms, ""))
    _groups(snapshot, report, queue, count)
    return count


def _groups(snapshot: Snapshot, report: Report, queue: Queue, messages: int) -> None:
    """Groups with members and groups with a row are the same ones."""
    members = with_members = 0
    last = None
    for key, _ in snapshot.under(queue.members):
        members += 1
        (group,) = unpack(key[len(queue.members) : -8])
        if group != last:
            with_members, last = with_members + 1, group
            if groups.get(snapshot.tx, queue, str(group)) is None:
                report.broken(f"group {group!r} of {queue.arn} has messages but no place in the queue")
    report.same(f"queue {queue.arn} has members of groups", members, messages)
    placed = 0
    for key, raw in snapshot.under(queue.groups):
        placed += 1
        group = groups.of_key(queue, key)
        row = report.decode(f"group {group!r} of {queue.arn}", raw, _group)
        if row is not None:
            _group_row(snapshot, report, queue, group, row)
    report.same(f"queue {queue.arn} has groups", placed, with_members)
    report.same(f"queue {queue.arn} has rows of the index", sum(1 for _ in snapshot.under(queue.index)), placed)


def _group_row(snapshot: Snapshot, report: Report, queue: Queue, group: str, row: Group) -> None:
    if snapshot.get(rows.index_key(queue, row.due_ms, row.tie) + group.encode()) is None:
        report.broken(
            f"group {group!r} of {queue.arn} is not in the index at {row.due_ms}: nothing of it can be received"
        )
    for seq, due_ms in row.in_flight:
        state = rows.get_state(snapshot.tx, queue, seq)
        if state is None or state.due_ms != due_ms or state.group != group:
            report.broken(f"group {group!r} of {queue.arn} says message {seq} is in flight until {due_ms}; it is not")
