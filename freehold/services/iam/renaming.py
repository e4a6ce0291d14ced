"""New names and paths of users and groups: ids stay, ARNs follow."""

from __future__ import annotations

from typing import Any, TypeVar

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.iam import state
from freehold.services.iam.model import Group, User, arn
from freehold.store.base import Tx

Request = dict[str, Any]
R = TypeVar("R", User, Group)


def _move(tx: Tx, account: str, record: R, name: str, path: str) -> str:
    """Give a record its new name and path. Returns the old name. Raises EntityAlreadyExists."""
    old = record.name
    if name.lower() != old.lower() and state.find(tx, type(record), account, name) is not None:
        raise Fault("EntityAlreadyExists", f"{type(record).__name__} with name {name} already exists.")
    state.remove(tx, account, record)
    record.name, record.path = name, path
    record.arn = arn(account, state.KINDS[type(record)], path, name)
    state.save(tx, account, record)
    return old


def _renamed(names: list[str], old: str, new: str) -> list[str]:
    return sorted(new if name == old else name for name in names)


async def update_user(call: Call, request: Request) -> Request:
    def body(tx: Tx) -> None:
        user = state.require(tx, User, call.account, request["UserName"])
        name, path = request.get("NewUserName", user.name), request.get("NewPath", user.path)
        old = _move(tx, call.account, user, name, path)
        for key_id in user.keys:
            record = state.key(tx, key_id, old)
            record.user, record.user_arn = user.name, user.arn
            state.save_key(tx, record)
        for group_name in user.groups:
            group = state.require(tx, Group, call.account, group_name)
            group.members = _renamed(group.members, old, user.name)
            state.save(tx, call.account, group)

    await call.platform.store.transact(body)
    return {}


async def update_group(call: Call, request: Request) -> Request:
    def body(tx: Tx) -> None:
        group = state.require(tx, Group, call.account, request["GroupName"])
        name, path = request.get("NewGroupName", group.name), request.get("NewPath", group.path)
        old = _move(tx, call.account, group, name, path)
        for user_name in group.members:
            user = state.require(tx, User, call.account, user_name)
            user.groups = _renamed(user.groups, old, group.name)
            state.save(tx, call.account, user)

    await call.platform.store.transact(body)
    return {}
