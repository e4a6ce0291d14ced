"""The outbox: payloads belong to what waits, and each group has one head and its followers without a gap."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.outbox import Member, OutboxRow

_decode_row = msgspec.msgpack.Decoder(OutboxRow).decode
_decode_member = msgspec.msgpack.Decoder(Member).decode


def check(rows: Snapshot, report: Report, kinds: Collection[str]) -> None:
    """`kinds` are those that have a deliverer."""
    aside = 0
    report.notes.forget("head")
    for key, value in rows.below("outbox", "q"):
        _, _, kind, _, id = unpack(key)
        assert isinstance(kind, str)
        if kind not in kinds:
            report.broken(f"{shown(key)} is of kind {kind}, which nobody delivers")
        row = report.decode(shown(key), value, _decode_row)
        if row is None:
            continue
        if row.payload is None:
            aside += 1
            if rows.get(pack("outbox", "p", kind, id)) is None:
                report.broken(f"{shown(key)} has no payload")
        if row.group is not None and not report.notes.put("head", pack(kind, row.group), row.place):
            report.broken(f"{shown(key)}: its group has another head, so its order is lost")
    report.same("outbox payloads of their own row", sum(1 for _ in rows.below("outbox", "p")), aside)
    _groups(rows, report)


def _groups(rows: Snapshot, report: Report) -> None:
    groups = 0
    for key, value in rows.below("outbox", "n"):
        groups += 1
        _, _, kind, group = unpack(key)
        head, last = report.notes.get("head", pack(kind, group)), int.from_bytes(value, "big")
        if head is None:
            report.broken(f"group {shown(key)} has members but no head: nothing of it will be delivered")
            continue
        waiting = 0
        for member, content in rows.below("outbox", "g", kind, group):
            waiting += 1
            report.decode(shown(member), content, _decode_member)
            if unpack(member)[4] != head + waiting:
                report.broken(f"{shown(member)} waits, but its group {shown(key)} goes on at {head + waiting}")
        if waiting != last - head:
            report.broken(f"group {shown(key)} goes from {head} to {last}, but {waiting} followers wait")
    report.same("heads of outbox groups", sum(1 for _ in report.notes.all("head")), groups)
    for kind in rows.next_parts("outbox", "g"):
        for group in rows.next_parts("outbox", "g", kind):
            if rows.get(pack("outbox", "n", kind, group)) is None:
                report.broken(f"followers of outbox group {kind!r}/{group!r} wait, but the group has ended")
