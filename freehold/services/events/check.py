"""EventBridge's invariants: rules stand on buses and have targets, schedules have timers, archives count their events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.rules import schedules as expressions
from freehold.rules.patterns import PatternError, eventbridge
from freehold.services.events import check_archives, rows, schedules
from freehold.services.events.destination_rows import Connection, Destination
from freehold.services.events.model import MAX_TARGETS, Bus, Rule
from freehold.services.events.names import DEFAULT, BusName
from freehold.services.events.rows import Change
from freehold.services.events.schedules import Course
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.timers import TimerRow

_bus = msgspec.msgpack.Decoder(Bus).decode
_rule = msgspec.msgpack.Decoder(Rule).decode
_change = msgspec.msgpack.Decoder(Change).decode
_course = msgspec.msgpack.Decoder(Course).decode
_timer = msgspec.msgpack.Decoder(TimerRow).decode
_NAMED: dict[str, Callable[[bytes], Any]] = {
    "connection": msgspec.msgpack.Decoder(Connection).decode,
    "destination": msgspec.msgpack.Decoder(Destination).decode,
}
_KINDS = ("bus", "rule", "change", "schedule", *_NAMED, *check_archives.KINDS)


def check(snapshot: Snapshot, report: Report) -> None:
    """Buses, rules and archives of each account and region."""
    for account, region in snapshot.spaces("events"):
        space = (account, region)
        for kind in snapshot.next_parts("events", *space):
            if kind not in _KINDS:
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")
        for key, value in snapshot.below("events", *space, "bus"):
            bus = report.decode(shown(key), value, _bus)
            if bus is not None:
                _check_bus(snapshot, report, BusName(*space, str(unpack(key)[4])), bus)
        _rules(snapshot, report, space)
        for kind, decode in _NAMED.items():
            for key, value in snapshot.below("events", *space, kind):
                found = report.decode(shown(key), value, decode)
                if found is not None and found.name != unpack(key)[4]:
                    report.broken(f"{shown(key)} is called {found.name}: it cannot be found by its name")
        check_archives.check(snapshot, report, space)


def _check_bus(snapshot: Snapshot, report: Report, name: BusName, bus: Bus) -> None:
    """Its last changes are those that lead to its version."""
    raw = snapshot.get(rows.change_key(name, bus.number))
    last = report.decode(f"the last change of bus {name.arn}", raw, _change) if raw is not None else None
    if last is None or last.token != bus.token:
        report.broken(f"bus {name.arn} is at {bus.number}, but its last change is another: it would serve old rules")
    numbers = [unpack(key)[5] for key, _ in snapshot.below("events", name.account, name.region, "change", name.name)]
    if numbers != list(range(max(1, bus.number - rows.KEEP + 1), bus.number + 1)):
        report.broken(f"bus {name.arn} at {bus.number} keeps {len(numbers)} changes, which are not its last ones")


def _rules(snapshot: Snapshot, report: Report, space: tuple[str, str]) -> None:
    for kind in ("rule", "change"):
        for bus in snapshot.next_parts("events", *space, kind):
            if snapshot.get(rows.bus_key(BusName(*space, str(bus)))) is None:
                report.broken(f"rows {kind} of {'/'.join(space)} are of bus {bus!r}, which is not there")
    for key, value in snapshot.below("events", *space, "rule"):
        rule = report.decode(shown(key), value, _rule)
        if rule is None:
            continue
        name = BusName(*space, str(unpack(key)[4]))
        if rule.name != unpack(key)[5]:
            report.broken(f"{shown(key)} is called {rule.name}: it cannot be found by its name")
        _check_rule(snapshot, report, name, rule)
    for key, _ in snapshot.below("events", *space, "schedule"):
        raw = snapshot.get(rows.rule_key(BusName(*space, DEFAULT), str(unpack(key)[4])))
        rule = report.decode(shown(key), raw, _rule) if raw is not None else None
        if rule is None or rule.schedule is None or not rule.enabled:
            report.broken(f"{shown(key)}: no rule fires at these times")


def _check_rule(snapshot: Snapshot, report: Report, bus: BusName, rule: Rule) -> None:
    what = f"rule {bus.rule_arn(rule.name)}"
    if rule.pattern is not None:
        try:
            eventbridge.read(rule.pattern)
        except PatternError as problem:
            report.broken(f"the pattern of {what} cannot be read: {problem}")
    if len(rule.targets) > MAX_TARGETS:
        report.broken(f"{what} has {len(rule.targets)} targets, more than {MAX_TARGETS}")
    for id, target in rule.targets.items():
        if target.get("Id") != id or "Arn" not in target:
            report.broken(f"{what}: target {id} is not what its id says")
    if rule.schedule is not None and rule.enabled:
        _check_schedule(snapshot, report, what, bus, rule)


def _check_schedule(snapshot: Snapshot, report: Report, what: str, bus: BusName, rule: Rule) -> None:
    raw = snapshot.get(schedules.key_of(bus, rule.name))
    if raw is None:
        parsed = report.decode(f"the schedule of {what}", str(rule.schedule).encode(), _parse)
        if parsed is not None and parsed.next_after(snapshot.now_ms, anchor_ms=snapshot.now_ms) is not None:
            report.broken(f"{what} is to fire by {rule.schedule}, but does not stand among those that do")
        return
    course = report.decode(f"the times of {what}", raw, _course)
    key = pack("timer", "by", schedules.TIMER, pack(bus.account, bus.region, rule.name))
    found = snapshot.get(key)
    timer = report.decode(shown(key), found, _timer) if found is not None else None
    if course is not None and (timer is None or timer.due_ms > course.next_ms):
        report.broken(f"{what} is to fire at {course.next_ms}, but no timer wakes for it")


def _parse(raw: bytes) -> Any:
    return expressions.parse(raw.decode())
