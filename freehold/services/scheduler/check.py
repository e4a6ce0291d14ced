"""Scheduler's invariants: schedules stand in the order of due times, a timer wakes for them, executions are on their way."""

from __future__ import annotations

import msgspec
import orjson

from freehold.kit.tuples import pack, unpack
from freehold.services.scheduler import firing, groups, state
from freehold.services.scheduler.model import DEFAULT_GROUP, DELETING, Execution, Group, Schedule
from freehold.services.scheduler.state import Space
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.timers import TimerRow

_group = msgspec.msgpack.Decoder(Group).decode
_schedule = msgspec.msgpack.Decoder(Schedule).decode
_execution = msgspec.msgpack.Decoder(Execution).decode
_timer = msgspec.msgpack.Decoder(TimerRow).decode
_KINDS = ("g", "s", "t", "due", "run", "gone")


def check(snapshot: Snapshot, report: Report) -> None:
    """Groups, schedules and executions of each account and region."""
    for key, _ in snapshot.below("outbox", "q", firing.KIND):
        report.notes.put("on its way", str(unpack(key)[4]).encode())
    for account, region in snapshot.spaces("scheduler"):
        space = Space(account, region)
        for kind in snapshot.next_parts("scheduler", *space):
            if kind not in _KINDS:
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")
        _groups(snapshot, report, space)
        _schedules(snapshot, report, space)
        _executions(snapshot, report, space)


def _groups(snapshot: Snapshot, report: Report, space: Space) -> None:
    for key, value in snapshot.below("scheduler", *space, "g"):
        group = report.decode(shown(key), value, _group)
        if group is not None and group.state == DELETING and not snapshot.has_timer(groups.TIMER, *space, group.name):
            report.broken(f"schedule group {group.name} of {'/'.join(space)} is being deleted, but by nobody")


def _schedules(snapshot: Snapshot, report: Report, space: Space) -> None:
    schedules = due = 0
    first: int | None = None
    for key, value in snapshot.below("scheduler", *space, "s"):
        schedules += 1
        schedule = report.decode(shown(key), value, _schedule)
        if schedule is None:
            continue
        what = f"schedule {schedule.group}/{schedule.name} of {'/'.join(space)}"
        if space.key("s", schedule.group, schedule.name) != key:
            report.broken(f"{shown(key)} is called {schedule.group}/{schedule.name}: it cannot be found by its name")
        if schedule.group != DEFAULT_GROUP and state.find_group(snapshot.tx, space, schedule.group) is None:
            report.broken(f"{what}: its group is not there")
        target = snapshot.get(space.key("t", schedule.group, schedule.name))
        if target is None:
            report.broken(f"{what} has no target")
        else:
            report.decode(f"the target of {what}", target, orjson.loads)
        if schedule.due_ms is not None:
            due += 1
            first = schedule.due_ms if first is None else min(first, schedule.due_ms)
            if snapshot.get(space.key("due", schedule.due_ms, schedule.group, schedule.name)) is None:
                report.broken(f"{what} is due at {schedule.due_ms}, but does not stand in the order of due times")
    report.same(f"schedules of {'/'.join(space)} that are due", _count(snapshot, space, "due"), due)
    report.same(f"targets of schedules of {'/'.join(space)}", _count(snapshot, space, "t"), schedules)
    if first is not None:
        _wakes(snapshot, report, space, first)


def _count(snapshot: Snapshot, space: Space, kind: str) -> int:
    return sum(1 for _ in snapshot.below("scheduler", *space, kind))


def _wakes(snapshot: Snapshot, report: Report, space: Space, first: int) -> None:
    """A timer for the first that is due."""
    raw = snapshot.get(pack("timer", "by", state.TIMER, space.timer))
    timer = report.decode(f"the timer of {'/'.join(space)}", raw, _timer) if raw is not None else None
    if timer is None or timer.due_ms > first:
        report.broken(f"a schedule of {'/'.join(space)} is due at {first}, but no timer wakes for it")


def _executions(snapshot: Snapshot, report: Report, space: Space) -> None:
    for key, value in snapshot.below("scheduler", *space, "run"):
        execution = report.decode(shown(key), value, _execution)
        if execution is not None and report.notes.get("on its way", execution.id.encode()) is None:
            report.broken(f"an invocation of {execution.arn} was decided, but nothing carries it out")
