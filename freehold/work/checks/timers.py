"""Timers: the two rows of each agree, and somebody handles it."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.timers import TimerRow

_decode = msgspec.msgpack.Decoder(TimerRow).decode


def check(rows: Snapshot, report: Report, owners: Collection[str]) -> None:
    """`owners` are those who have a handler."""
    timers = 0
    for key, value in rows.below("timer", "by"):
        timers += 1
        _, _, owner, name = unpack(key)
        row = report.decode(f"timer {shown(key)}", value, _decode)
        if row is not None and rows.get(pack("timer", "due", row.due_ms, owner, name)) is None:
            report.broken(f"timer {shown(key)} is due at {row.due_ms} but does not stand in the order of due times")
        if owner not in owners:
            report.broken(f"timer {shown(key)} is of {owner!r}, which handles none")
    report.same("timers in the order of due times", sum(1 for _ in rows.below("timer", "due")), timers)
