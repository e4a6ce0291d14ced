"""Log groups: create, describe, delete, tag, retain."""

from __future__ import annotations

import re
from collections.abc import Callable

from freehold.kit.faults import not_implemented
from freehold.ports.call import Call
from freehold.services.logs import state, sweeping
from freehold.services.logs.model import (
    DAY_MS,
    Request,
    Space,
    check_retention,
    decode_token,
    describe_group,
    encode_token,
    group_arn,
    group_name,
    group_of_arn,
    invalid,
)
from freehold.store.base import ReadTx, Tx
from freehold.work import logrows
from freehold.work.logrows import Group

_PAGE = 200
CLASSES = ("STANDARD", "INFREQUENT_ACCESS")


def space(call: Call) -> Space:
    return Space(call.account, call.region)


async def create_log_group(call: Call, request: Request) -> Request:
    name = request["logGroupName"]
    if name.lower().startswith("aws/"):
        raise invalid("Log groups starting with AWS/ are reserved for AWS.")
    if "kmsKeyId" in request:
        raise not_implemented("encryption of log groups by KMS keys (kmsKeyId of logs:CreateLogGroup)")
    log_class = request.get("logGroupClass", "STANDARD")
    if log_class not in CLASSES:
        raise not_implemented(f"log groups of class {log_class} (logGroupClass of logs:CreateLogGroup)")
    group = Group(
        name,
        call.platform.ids.hex(12),
        call.platform.clock.now_ms(),
        log_class,
        None,
        request.get("tags", {}),
        request.get("deletionProtectionEnabled", False),
    )
    where = space(call)
    await call.platform.store.transact(lambda tx: state.create_group(tx, where, group))
    return {}


async def delete_log_group(call: Call, request: Request) -> Request:
    where, now = space(call), call.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        old = state.delete_group(tx, where, request["logGroupName"])
        sweeping.later(call.platform.timers, tx, sweeping.GROUP, where, old.id, "", now)

    await call.platform.store.transact(body)
    return {}


async def describe_log_groups(call: Call, request: Request) -> Request:
    _own_account_only(request)
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    log_class, where = request.get("logGroupClass"), space(call)
    identifiers = request.get("logGroupIdentifiers")
    named: set[str] | None = None
    if identifiers is not None:
        named = {group_of_arn(where, text) if text.startswith("arn:") else text for text in identifiers}

    def wanted(group: Group) -> bool:
        if named is not None and group.name not in named:
            return False
        return (not pattern or pattern in group.name) and log_class in (None, group.log_class)

    groups, token = await _page(call, prefix or "", wanted, request)
    totals = await call.platform.store.read_many(lambda tx: [logrows.totals(tx, *where, group.id) for group in groups])
    shapes = [describe_group(where, group, total) for group, total in zip(groups, totals, strict=True)]
    return {"logGroups": shapes} | ({"nextToken": token} if token else {})


async def list_log_groups(call: Call, request: Request) -> Request:
    _own_account_only(request)
    for member in ("dataSources", "fieldIndexNames", "logGroupTags"):
        if member in request:
            raise not_implemented(f"{member} of logs:ListLogGroups")
    matches = re.compile(request["logGroupNamePattern"]) if "logGroupNamePattern" in request else None
    log_class, where = request.get("logGroupClass"), space(call)

    def wanted(group: Group) -> bool:
        return (matches is None or matches.search(group.name) is not None) and log_class in (None, group.log_class)

    groups, token = await _page(call, "", wanted, request)
    shapes = [
        {"logGroupName": g.name, "logGroupArn": group_arn(where, g.name), "logGroupClass": g.log_class} for g in groups
    ]
    return {"logGroups": shapes} | ({"nextToken": token} if token else {})


async def _page(
    call: Call, prefix: str, wanted: Callable[[Group], bool], request: Request
) -> tuple[list[Group], str | None]:
    limit, where = request.get("limit", 50), space(call)
    token = decode_token(request.get("nextToken"), str)
    last: str | None = token[0] if token else None
    found: list[Group] = []
    while True:
        rows = await call.platform.store.read_many(_groups(where, prefix, last))
        for group in rows:
            if wanted(group):
                if len(found) == limit:
                    return found, encode_token(found[-1].name)
                found.append(group)
        if not rows:
            return found, None
        last = rows[-1].name


def _groups(where: Space, prefix: str, last: str | None) -> Callable[[ReadTx], list[Group]]:
    return lambda tx: state.groups(tx, where, prefix, last, _PAGE)


def _own_account_only(request: Request) -> None:
    if request.get("includeLinkedAccounts"):
        raise not_implemented("log groups of linked accounts (includeLinkedAccounts)")


async def put_log_group_deletion_protection(call: Call, request: Request) -> Request:
    where, name, protected = space(call), group_name(space(call), request), request["deletionProtectionEnabled"]
    await call.platform.store.transact(lambda tx: state.change_group(tx, where, name, protected=protected))
    return {}


async def put_retention_policy(call: Call, request: Request) -> Request:
    days = check_retention(request["retentionInDays"])
    where, name, now = space(call), request["logGroupName"], call.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        group = state.change_group(tx, where, name, retention_days=days)
        sweeping.later(call.platform.timers, tx, sweeping.RETENTION, where, group.id, name, now)

    await call.platform.store.transact(body)
    return {}


async def delete_retention_policy(call: Call, request: Request) -> Request:
    where, name = space(call), request["logGroupName"]

    def body(tx: Tx) -> None:
        group = state.change_group(tx, where, name, retention_days=None)
        sweeping.later(call.platform.timers, tx, sweeping.RETENTION, where, group.id, name, None)

    await call.platform.store.transact(body)
    return {}


def oldest_kept(group: Group, now_ms: int) -> int:
    """Events before this time have expired."""
    return 0 if group.retention_days is None else now_ms - group.retention_days * DAY_MS


async def tag_resource(call: Call, request: Request) -> Request:
    return await _tag(call, _tagged(call, request), request["tags"], [], "TooManyTagsException")


async def untag_resource(call: Call, request: Request) -> Request:
    return await _tag(call, _tagged(call, request), {}, request["tagKeys"], "TooManyTagsException")


async def list_tags_for_resource(call: Call, request: Request) -> Request:
    return await _tags(call, _tagged(call, request))


async def tag_log_group(call: Call, request: Request) -> Request:
    return await _tag(call, request["logGroupName"], request["tags"], [], "InvalidParameterException")


async def untag_log_group(call: Call, request: Request) -> Request:
    return await _tag(call, request["logGroupName"], {}, request["tags"], "InvalidParameterException")


async def list_tags_log_group(call: Call, request: Request) -> Request:
    return await _tags(call, request["logGroupName"])


def _tagged(call: Call, request: Request) -> str:
    return group_of_arn(space(call), request["resourceArn"])


async def _tag(call: Call, name: str, add: dict[str, str], remove: list[str], too_many: str) -> Request:
    where = space(call)
    await call.platform.store.transact(lambda tx: state.tag(tx, where, name, add, remove, too_many))
    return {}


async def _tags(call: Call, name: str) -> Request:
    where = space(call)
    return {"tags": (await call.platform.store.read(lambda tx: state.group(tx, where, name))).tags}
