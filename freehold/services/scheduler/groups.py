"""Schedule groups and their tags."""

from __future__ import annotations

from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, unpack
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.scheduler import state
from freehold.services.scheduler.model import DEFAULT_GROUP, DELETING, Group, describe_group, group_arn
from freehold.services.scheduler.paging import page_start, page_token
from freehold.services.scheduler.state import Space
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
TIMER = "scheduler.groups"
MAX_TAGS = 50
_PAGE = 100
_SWEPT = 400
"""Schedules deleted in one transaction."""


async def create_schedule_group(call: Call, request: Request) -> Request:
    space, now = Space(call.account, call.region), call.platform.clock.now()
    group = Group(request["Name"], now, now, tags=_tags(request), token=request.get("ClientToken"))
    _check_tags(group.tags)

    def body(tx: Tx) -> None:
        state.ensure_default(tx, space, now)
        existing = state.find_group(tx, space, group.name)
        if existing is None:
            state.put_group(tx, space, group)
        elif existing.token is None or (existing.token, existing.tags) != (group.token, group.tags):
            raise Fault("ConflictException", f"Schedule group {group.name} already exists.")

    await call.platform.store.transact(body)
    return {"ScheduleGroupArn": group_arn(*space, group.name)}


async def get_schedule_group(call: Call, request: Request) -> Request:
    space = Space(call.account, call.region)
    if request["Name"] == DEFAULT_GROUP:
        await _ensure_default(call, space)
    group = await call.platform.store.read(lambda tx: state.group_of(tx, space, request["Name"]))
    return describe_group(*space, group)


async def list_schedule_groups(call: Call, request: Request) -> Request:
    space, limit = Space(call.account, call.region), request.get("MaxResults", _PAGE)
    await _ensure_default(call, space)
    start = page_start(request.get("NextToken"), 1)

    def body(tx: ReadTx) -> list[Group]:
        return state.page_of_groups(tx, space, request.get("NamePrefix", ""), start[0] if start else None, limit + 1)

    found = await call.platform.store.read(body)
    answer: Request = {"ScheduleGroups": [describe_group(*space, group) for group in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = page_token(found[limit - 1].name)
    return answer


async def delete_schedule_group(call: Call, request: Request) -> Request:
    """The group is DELETING until a timer has deleted its schedules, page by page, whatever happens meanwhile."""
    space, name = Space(call.account, call.region), request["Name"]
    now_ms, token = call.platform.clock.now_ms(), request.get("ClientToken")
    if name == DEFAULT_GROUP:
        raise Fault("ValidationException", "The default schedule group cannot be deleted.")

    def body(tx: Tx) -> None:
        existing = state.find_group(tx, space, name)
        if existing is None and state.was_deleted(tx, space, token, group_arn(*space, name), now_ms):
            return
        group = state.group_of(tx, space, name)
        if group.state == DELETING:
            return
        group.state, group.modified = DELETING, now_ms / 1000
        state.put_group(tx, space, group)
        state.remember_deletion(tx, space, token, group_arn(*space, name), now_ms)
        call.platform.timers.set(tx, TIMER, pack(*space, name), now_ms)

    await call.platform.store.transact(body)
    return {}


async def sweep(platform: Platform, key: bytes) -> int | None:
    """Delete the schedules of a group, and then the group."""
    account, region, name = (str(part) for part in unpack(key))
    space = Space(account, region)

    def body(tx: Tx) -> bool:
        page = state.page_of_schedules(tx, space, name, "", None, _SWEPT)
        for schedule in page:
            state.delete(tx, space, schedule)
        if not page:
            state.delete_group(tx, space, name)
        return not page

    while not await platform.store.transact(body):
        pass
    return None


async def tag_resource(call: Call, request: Request) -> Request:
    space, name = _group_named(call, request["ResourceArn"])
    added, now = _tags(request), call.platform.clock.now()

    def body(tx: Tx) -> None:
        group = _tagged(tx, space, name, now)
        group.tags = group.tags | added
        _check_tags(group.tags)
        state.put_group(tx, space, group)

    await call.platform.store.transact(body)
    return {}


async def untag_resource(call: Call, request: Request) -> Request:
    space, name = _group_named(call, request["ResourceArn"])
    gone, now = set(request["TagKeys"]), call.platform.clock.now()

    def body(tx: Tx) -> None:
        group = _tagged(tx, space, name, now)
        group.tags = {key: value for key, value in group.tags.items() if key not in gone}
        state.put_group(tx, space, group)

    await call.platform.store.transact(body)
    return {}


async def list_tags_for_resource(call: Call, request: Request) -> Request:
    space, name = _group_named(call, request["ResourceArn"])
    if name == DEFAULT_GROUP:
        await _ensure_default(call, space)
    group = await call.platform.store.read(lambda tx: state.group_of(tx, space, name))
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(group.tags.items())]}


async def _ensure_default(call: Call, space: Space) -> None:
    if await call.platform.store.read(lambda tx: state.find_group(tx, space, DEFAULT_GROUP)) is None:
        now = call.platform.clock.now()
        await call.platform.store.transact(lambda tx: state.ensure_default(tx, space, now))


def _tagged(tx: Tx, space: Space, name: str, now: float) -> Group:
    if name == DEFAULT_GROUP:
        state.ensure_default(tx, space, now)
    return state.group_of(tx, space, name)


def _group_named(call: Call, arn: str) -> tuple[Space, str]:
    """The caller's group of this ARN. Raises ResourceNotFoundException for groups of others."""
    parsed = arns.parse(arn)
    if parsed is None or (parsed.account, parsed.region) != (call.account, call.region):
        raise Fault("ResourceNotFoundException", f"Resource {arn} does not exist.")
    return Space(call.account, call.region), parsed.resource.partition("/")[2]


def _tags(request: Request) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def _check_tags(tags: dict[str, str]) -> None:
    if any(key.lower().startswith("aws:") for key in tags):
        raise Fault("ValidationException", "Tag keys must not begin with aws:.")
    if len(tags) > MAX_TAGS:
        raise Fault("ServiceQuotaExceededException", f"A schedule group can have at most {MAX_TAGS} tags.")
