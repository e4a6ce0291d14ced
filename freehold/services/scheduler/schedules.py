"""Create, get, update, delete and list schedules."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.scheduler import checks, roles, state, targets
from freehold.services.scheduler.model import DEFAULT_GROUP, DELETING, Schedule, describe, schedule_arn, summary
from freehold.services.scheduler.paging import page_start, page_token
from freehold.services.scheduler.state import Space
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
_PAGE = 100


async def create_schedule(call: Call, request: Request) -> Request:
    now_ms = call.platform.clock.now_ms()
    schedule, target = await _checked(call, request, now_ms)
    space = Space(call.account, call.region)

    def body(tx: Tx) -> None:
        state.ensure_default(tx, space, now_ms / 1000)
        _open_group(tx, space, schedule.group)
        existing = state.find(tx, space, schedule.group, schedule.name)
        if existing is not None:
            _same_request(existing, schedule, f"Schedule {schedule.name} already exists.")
            return
        _write(tx, call, space, schedule, target, now_ms - 1)

    await call.platform.store.transact(body)
    return {"ScheduleArn": schedule_arn(*space, schedule.group, schedule.name)}


async def update_schedule(call: Call, request: Request) -> Request:
    now_ms = call.platform.clock.now_ms()
    schedule, target = await _checked(call, request, now_ms)
    space = Space(call.account, call.region)

    def body(tx: Tx) -> None:
        state.group_of(tx, space, schedule.group)
        existing = state.schedule_of(tx, space, schedule.group, schedule.name)
        if existing.token is not None and _identity(existing) == _identity(schedule):
            return
        _open_group(tx, space, schedule.group)
        schedule.created = existing.created
        same = (existing.expression, existing.start_ms) == (schedule.expression, schedule.start_ms)
        if same:
            schedule.anchor_ms = existing.anchor_ms
        state.set_due(tx, space, existing, None)
        # An occurrence of this very moment may have been invoked already.
        _write(tx, call, space, schedule, target, now_ms if same else now_ms - 1)

    await call.platform.store.transact(body)
    return {"ScheduleArn": schedule_arn(*space, schedule.group, schedule.name)}


async def _checked(call: Call, request: Request, now_ms: int) -> tuple[Schedule, bytes]:
    """The schedule that a request describes, and its target."""
    schedule = checks.described(request, now_ms=now_ms, generation=call.platform.ids.hex(16))
    target = request["Target"]
    targets.check(target, call.platform.calls)
    await roles.check(call.platform, target["RoleArn"], call.account, call.region, schedule.group)
    return schedule, orjson.dumps(target)


def _open_group(tx: ReadTx, space: Space, name: str) -> None:
    if state.group_of(tx, space, name).state == DELETING:
        raise Fault("ConflictException", f"Schedule group {name} is being deleted.")


def _identity(schedule: Schedule) -> tuple[str | None, str]:
    return schedule.token, schedule.fingerprint


def _same_request(existing: Schedule, schedule: Schedule, otherwise: str) -> None:
    """A request that is repeated with its client token has already been done."""
    if existing.token is None or _identity(existing) != _identity(schedule):
        raise Fault("ConflictException", otherwise)


def _write(tx: Tx, call: Call, space: Space, schedule: Schedule, target: bytes, after_ms: int) -> None:
    """Save a new or changed schedule, whose occurrences count if they are later than `after_ms`: the moment of creation
    counts, since a rate without a start begins at once."""
    schedule.due_ms = None
    state.plan(tx, call.platform.timers, space, schedule, after_ms)
    state.save(tx, space, schedule)
    state.put_target(tx, space, schedule, target)


async def get_schedule(call: Call, request: Request) -> Request:
    space, group = Space(call.account, call.region), request.get("GroupName", DEFAULT_GROUP)

    def body(tx: ReadTx) -> tuple[Schedule, bytes]:
        schedule = state.schedule_of(tx, space, group, request["Name"])
        return schedule, state.target_of(tx, space, schedule)

    schedule, target = await call.platform.store.read(body)
    return describe(*space, schedule, orjson.loads(target))


async def delete_schedule(call: Call, request: Request) -> Request:
    space, group = Space(call.account, call.region), request.get("GroupName", DEFAULT_GROUP)
    now_ms, token = call.platform.clock.now_ms(), request.get("ClientToken")
    arn = schedule_arn(*space, group, request["Name"])

    def body(tx: Tx) -> None:
        existing = state.find(tx, space, group, request["Name"])
        if existing is None and state.was_deleted(tx, space, token, arn, now_ms):
            return
        state.delete(tx, space, state.schedule_of(tx, space, group, request["Name"]))
        state.remember_deletion(tx, space, token, arn, now_ms)

    await call.platform.store.transact(body)
    return {}


async def list_schedules(call: Call, request: Request) -> Request:
    space, limit = Space(call.account, call.region), request.get("MaxResults", _PAGE)
    start = page_start(request.get("NextToken"), 2)

    def body(tx: ReadTx) -> list[Schedule]:
        found: list[Schedule] = []
        for group in _groups(tx, space, request.get("GroupName"), start):
            after = start[1] if start and group == start[0] else None
            found.extend(_matching(tx, space, group, request, after, limit + 1 - len(found)))
            if len(found) > limit:
                break
        return found

    found = await call.platform.store.read_many(body)
    answer: Request = {"Schedules": [summary(*space, schedule) for schedule in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = page_token(found[limit - 1].group, found[limit - 1].name)
    return answer


def _groups(tx: ReadTx, space: Space, only: str | None, start: list[str] | None) -> list[str]:
    """Names of the groups that are listed, from where the page starts."""
    if only is not None:
        if only != DEFAULT_GROUP:
            state.group_of(tx, space, only)
        return [only]
    names: list[str] = []
    after = None
    while True:
        page = state.page_of_groups(tx, space, "", after, 1_000)
        names.extend(group.name for group in page)
        if len(page) < 1_000:
            return [name for name in names if start is None or name >= start[0]]
        after = names[-1]


def _matching(tx: ReadTx, space: Space, group: str, request: Request, after: str | None, wanted: int) -> list[Schedule]:
    """Up to `wanted` schedules of a group that the request's filters let through."""
    found: list[Schedule] = []
    while len(found) < wanted:
        page = state.page_of_schedules(tx, space, group, request.get("NamePrefix", ""), after, 500)
        found.extend(each for each in page if request.get("State") in (None, each.state))
        if not page:
            break
        after = page[-1].name
    return found[:wanted]
