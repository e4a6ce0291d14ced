"""Schedules in the store.

("scheduler", account, region, "g", group)             a Group
("scheduler", account, region, "s", group, name)       a Schedule
("scheduler", account, region, "t", group, name)       its Target, JSON
("scheduler", account, region, "due", ms, group, name) what the timer must look at, in due order
("scheduler", account, region, "run", id)              an Execution until it has ended, whichever way
("scheduler", account, region, "gone", hour, token)    client tokens of deletions of the last hours

One timer per account and region wakes for the first row of its due index: schedules that wait cost nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, span, unpack
from freehold.services.scheduler.model import DEFAULT_GROUP, DELETE, Execution, Group, Schedule
from freehold.store.base import ReadTx, Tx
from freehold.work.timers import Timers

TIMER = "scheduler"
HOUR_MS = 3_600_000
_encode = msgspec.msgpack.Encoder().encode
_group = msgspec.msgpack.Decoder(Group).decode
_schedule = msgspec.msgpack.Decoder(Schedule).decode
_execution = msgspec.msgpack.Decoder(Execution).decode


class Space(NamedTuple):
    """Whose schedules."""

    account: str
    region: str

    def key(self, *parts: str | int) -> bytes:
        return pack("scheduler", self.account, self.region, *parts)

    def span(self, *parts: str | int) -> tuple[bytes, bytes]:
        return span("scheduler", self.account, self.region, *parts)

    @property
    def timer(self) -> bytes:
        return pack(self.account, self.region)


def space_of(timer: bytes) -> Space:
    """The space whose timer this is."""
    account, region = unpack(timer)
    return Space(str(account), str(region))


def find_group(tx: ReadTx, space: Space, name: str) -> Group | None:
    value = tx.get(space.key("g", name))
    return None if value is None else _group(value)


def group_of(tx: ReadTx, space: Space, name: str) -> Group:
    """Raises ResourceNotFoundException."""
    found = find_group(tx, space, name)
    if found is None:
        raise Fault("ResourceNotFoundException", f"Schedule group {name} does not exist.")
    return found


def put_group(tx: Tx, space: Space, group: Group) -> None:
    tx.put(space.key("g", group.name), _encode(group))


def ensure_default(tx: Tx, space: Space, now: float) -> None:
    """Every account has a default group in every region."""
    if tx.get(space.key("g", DEFAULT_GROUP)) is None:
        put_group(tx, space, Group(DEFAULT_GROUP, now, now))


def delete_group(tx: Tx, space: Space, name: str) -> None:
    tx.delete(space.key("g", name))


def page_of_groups(tx: ReadTx, space: Space, prefix: str, start_after: str | None, limit: int) -> list[Group]:
    """Groups in the order of their names."""
    start, end = _named(space.key("g"), prefix)
    if start_after is not None:
        start = max(start, space.key("g", start_after) + b"\x00")
    return [_group(value) for _, value in tx.scan(start, end, limit=limit)]


def find(tx: ReadTx, space: Space, group: str, name: str) -> Schedule | None:
    value = tx.get(space.key("s", group, name))
    return None if value is None else _schedule(value)


def schedule_of(tx: ReadTx, space: Space, group: str, name: str) -> Schedule:
    """Raises ResourceNotFoundException."""
    found = find(tx, space, group, name)
    if found is None:
        raise Fault("ResourceNotFoundException", f"Schedule {name} does not exist.")
    return found


def target_of(tx: ReadTx, space: Space, schedule: Schedule) -> bytes:
    """The target of a schedule that is there, JSON."""
    value = tx.get(space.key("t", schedule.group, schedule.name))
    assert value is not None
    return value


def page_of_schedules(
    tx: ReadTx, space: Space, group: str, prefix: str, start_after: str | None, limit: int
) -> list[Schedule]:
    """Schedules of one group in the order of their names."""
    start, end = _named(space.key("s", group), prefix)
    if start_after is not None:
        start = max(start, space.key("s", group, start_after) + b"\x00")
    return [_schedule(value) for _, value in tx.scan(start, end, limit=limit)]


def _named(parent: bytes, prefix: str) -> tuple[bytes, bytes]:
    """All keys below `parent` whose next part is a text that begins with `prefix`."""
    below = parent + pack(prefix)[:-1]
    return below, after(below)


def save(tx: Tx, space: Space, schedule: Schedule) -> None:
    """Write the schedule's row and nothing else."""
    tx.put(space.key("s", schedule.group, schedule.name), _encode(schedule))


def put_target(tx: Tx, space: Space, schedule: Schedule, target: bytes) -> None:
    tx.put(space.key("t", schedule.group, schedule.name), target)


def set_due(tx: Tx, space: Space, schedule: Schedule, due_ms: int | None) -> None:
    """Move a schedule in the due index. Its row is for the caller to save."""
    if schedule.due_ms is not None:
        tx.delete(space.key("due", schedule.due_ms, schedule.group, schedule.name))
    schedule.due_ms = due_ms
    if due_ms is not None:
        tx.put(space.key("due", due_ms, schedule.group, schedule.name), b"")


def plan(tx: Tx, timers: Timers, space: Space, schedule: Schedule, after_ms: int) -> None:
    """Decide when a new or changed schedule is next due, and have the timer wake for it.

    One that is to be deleted after completion and has no occurrence left is due at its end, to be deleted.
    """
    schedule.next_ms = due = schedule.occurrence(after_ms)
    if due is None and schedule.after == DELETE and schedule.end_ms is not None and schedule.state == "ENABLED":
        due = max(schedule.end_ms, after_ms)
    set_due(tx, space, schedule, due)
    if due is not None:
        wake_at(tx, timers, space, due)


def wake_at(tx: Tx, timers: Timers, space: Space, due_ms: int) -> None:
    """Set even where an earlier time stands: the timer's handler may be running, and must then run again."""
    standing = timers.due(tx, TIMER, space.timer)
    timers.set(tx, TIMER, space.timer, due_ms if standing is None else min(due_ms, standing))


def delete(tx: Tx, space: Space, schedule: Schedule) -> None:
    """Schedule, target and place in the due index."""
    set_due(tx, space, schedule, None)
    tx.delete(space.key("s", schedule.group, schedule.name))
    tx.delete(space.key("t", schedule.group, schedule.name))


def due(tx: ReadTx, space: Space, now_ms: int, limit: int) -> list[tuple[int, str, str]]:
    """(due, group, name) of what is due, in due order."""
    rows = tx.scan(space.span("due")[0], space.key("due", now_ms + 1), limit=limit)
    return [_due(key) for key, _ in rows]


def next_due(tx: ReadTx, space: Space) -> int | None:
    rows = tx.scan(*space.span("due"), limit=1)
    return _due(rows[0][0])[0] if rows else None


def _due(key: bytes) -> tuple[int, str, str]:
    _, _, _, _, due_ms, group, name = unpack(key)
    assert isinstance(due_ms, int)
    return due_ms, str(group), str(name)


def begin(tx: Tx, space: Space, execution: Execution) -> int:
    """Keep an execution until it ends; how many bytes that takes."""
    value = _encode(execution)
    tx.put(space.key("run", execution.id), value)
    return len(value)


def execution(tx: ReadTx, space: Space, id: str) -> Execution | None:
    """An execution that has not ended."""
    value = tx.get(space.key("run", id))
    return None if value is None else _execution(value)


def end(tx: Tx, space: Space, execution: Execution) -> bool:
    """The execution ends here, False if it had ended already. After its last one a schedule with ActionAfterCompletion
    DELETE goes, unless it was changed meanwhile."""
    key = space.key("run", execution.id)
    if tx.get(key) is None:
        return False
    tx.delete(key)
    if execution.last:
        schedule = find(tx, space, execution.group, execution.name)
        if schedule is not None and schedule.generation == execution.generation:
            delete(tx, space, schedule)
    return True


def remember_deletion(tx: Tx, space: Space, token: str | None, arn: str, now_ms: int) -> None:
    """A deletion that is asked for again with its client token succeeds again, for at least an hour."""
    hour = now_ms // HOUR_MS
    tx.clear(space.span("gone")[0], space.key("gone", hour - 1))
    if token:
        tx.put(space.key("gone", hour, token), arn.encode())


def was_deleted(tx: ReadTx, space: Space, token: str | None, arn: str, now_ms: int) -> bool:
    """Did a deletion with this client token delete this resource?"""
    hour = now_ms // HOUR_MS
    return token is not None and arn.encode() in (
        tx.get(space.key("gone", hour, token)),
        tx.get(space.key("gone", hour - 1, token)),
    )
