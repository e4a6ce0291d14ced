"""Users, roles and groups: create, read, change, delete, tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.ids import ALNUM_UPPER
from freehold.ports.call import Call
from freehold.services.iam import paging, state
from freehold.services.iam.model import (
    MAX_TRUST_DOCUMENT,
    Entity,
    Group,
    Profile,
    Role,
    User,
    arn,
    check_document,
    encoded,
    listed_tags,
    new_id,
    size,
)
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]


def common(call: Call, kind: str, name: str, request: Request) -> dict[str, Any]:
    """The fields that every new identity has."""
    path = request.get("Path", "/")
    return {
        "name": name,
        "id": new_id(kind, call.platform.ids.letters(17, ALNUM_UPPER)),
        "arn": arn(call.account, kind, path, name),
        "path": path,
        "created": call.platform.clock.now(),
        "tags": {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
    }


async def change(
    call: Call, kind: type[state.R], name: str, edit: Callable[[Tx, state.R], None], *, save: bool = True
) -> state.R:
    """Edit one record in a transaction. Raises NoSuchEntity."""

    def body(tx: Tx) -> state.R:
        record = state.require(tx, kind, call.account, name)
        edit(tx, record)
        if save:
            state.save(tx, call.account, record)
        return record

    return await call.platform.store.transact(body)


async def get(call: Call, kind: type[state.R], name: str) -> state.R:
    """One record. Raises NoSuchEntity."""
    return await call.platform.store.read(lambda tx: state.require(tx, kind, call.account, name))


def described_user(user: User) -> Request:
    """A `User` shape."""
    shape = {"Path": user.path, "UserName": user.name, "UserId": user.id, "Arn": user.arn, "CreateDate": user.created}
    return shape | _optional(user)


def described_role(role: Role) -> Request:
    """A `Role` shape."""
    shape: Request = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": encoded(role.trust),
        "MaxSessionDuration": role.max_session,
    }
    if role.description is not None:
        shape["Description"] = role.description
    return shape | _optional(role)


def described_group(group: Group) -> Request:
    """A `Group` shape."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created,
    }


def _optional(entity: Entity) -> Request:
    shape: Request = {}
    if entity.tags:
        shape["Tags"] = listed_tags(entity.tags)
    if entity.boundary:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": entity.boundary,
        }
    return shape


async def create_user(call: Call, request: Request) -> Request:
    user = User(**common(call, "user", request["UserName"], request), boundary=request.get("PermissionsBoundary"))
    await call.platform.store.transact(lambda tx: _create(tx, call.account, user))
    return {"User": described_user(user)}


async def create_role(call: Call, request: Request) -> Request:
    trust = _trust(request["AssumeRolePolicyDocument"])
    role = Role(
        **common(call, "role", request["RoleName"], request),
        trust=trust,
        description=request.get("Description"),
        max_session=request.get("MaxSessionDuration", 3_600),
        boundary=request.get("PermissionsBoundary"),
    )
    await call.platform.store.transact(lambda tx: _create(tx, call.account, role))
    return {"Role": described_role(role)}


async def create_group(call: Call, request: Request) -> Request:
    group = Group(**common(call, "group", request["GroupName"], request))
    await call.platform.store.transact(lambda tx: state.create(tx, call.account, group))
    return {"Group": described_group(group)}


def _create(tx: Tx, account: str, entity: User | Role) -> None:
    if entity.boundary:
        state.require_policy(tx, account, entity.boundary)
    state.create(tx, account, entity)


def _trust(document: str) -> str:
    check_document(document, trust=True)
    if size(document) > MAX_TRUST_DOCUMENT:
        raise Fault("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {MAX_TRUST_DOCUMENT}")
    return document


async def get_user(call: Call, request: Request) -> Request:
    name = request.get("UserName")
    if name is None:
        if ":user/" not in call.principal.arn:
            # AWS describes the account's root when it asks for itself.
            root = {"UserId": call.account, "Arn": call.principal.arn, "Path": "/", "UserName": "root", "CreateDate": 0}
            return {"User": root}
        name = call.principal.arn.rpartition("/")[2]
    return {"User": described_user(await get(call, User, name))}


async def get_role(call: Call, request: Request) -> Request:
    return {"Role": described_role(await get(call, Role, request["RoleName"]))}


async def get_group(call: Call, request: Request) -> Request:
    def body(tx: ReadTx) -> tuple[Group, list[User]]:
        group = state.require(tx, Group, call.account, request["GroupName"])
        return group, [u for name in sorted(group.members) if (u := state.find(tx, User, call.account, name))]

    group, users = await call.platform.store.read(body)
    start, limit = paging.start_of(request), request.get("MaxItems", paging.DEFAULT_ITEMS)
    page, tail = paging.finish([u for u in users if u.name > start][: limit + 1], lambda u: u.name, limit)
    return {"Group": described_group(group), "Users": [described_user(u) for u in page]} | tail


async def list_users(call: Call, request: Request) -> Request:
    page, tail = await paging.records(call, User, request)
    return {"Users": [described_user(user) for user in page]} | tail


async def list_roles(call: Call, request: Request) -> Request:
    page, tail = await paging.records(call, Role, request)
    return {"Roles": [described_role(role) for role in page]} | tail


async def list_groups(call: Call, request: Request) -> Request:
    page, tail = await paging.records(call, Group, request)
    return {"Groups": [described_group(group) for group in page]} | tail


async def update_role(call: Call, request: Request) -> Request:
    def edit(_: Tx, role: Role) -> None:
        role.description = request.get("Description", role.description)
        role.max_session = request.get("MaxSessionDuration", role.max_session)

    await change(call, Role, request["RoleName"], edit)
    return {}


async def update_role_description(call: Call, request: Request) -> Request:
    def edit(_: Tx, role: Role) -> None:
        role.description = request["Description"]

    return {"Role": described_role(await change(call, Role, request["RoleName"], edit))}


async def update_assume_role_policy(call: Call, request: Request) -> Request:
    trust = _trust(request["PolicyDocument"])

    def edit(_: Tx, role: Role) -> None:
        role.trust = trust

    await change(call, Role, request["RoleName"], edit)
    return {}


async def delete_user(call: Call, request: Request) -> Request:
    def edit(tx: Tx, user: User) -> None:
        if user.keys:
            raise Fault("DeleteConflict", "Cannot delete entity, must delete access keys first.")
        if user.groups:
            raise Fault("DeleteConflict", "Cannot delete entity, must remove users from group first.")
        state.refuse_unless_bare(user)
        state.remove(tx, call.account, user)

    await change(call, User, request["UserName"], edit, save=False)
    return {}


async def delete_role(call: Call, request: Request) -> Request:
    def edit(tx: Tx, role: Role) -> None:
        if any(profile.role == role.name for profile in state.everything(tx, Profile, call.account)):
            raise Fault("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
        state.refuse_unless_bare(role)
        state.remove(tx, call.account, role)

    await change(call, Role, request["RoleName"], edit, save=False)
    return {}


async def delete_group(call: Call, request: Request) -> Request:
    def edit(tx: Tx, group: Group) -> None:
        if group.members:
            raise Fault("DeleteConflict", "Cannot delete entity, must remove users from group first.")
        state.refuse_unless_bare(group)
        state.remove(tx, call.account, group)

    await change(call, Group, request["GroupName"], edit, save=False)
    return {}


async def add_user_to_group(call: Call, request: Request) -> Request:
    await _membership(call, request, member=True)
    return {}


async def remove_user_from_group(call: Call, request: Request) -> Request:
    await _membership(call, request, member=False)
    return {}


async def _membership(call: Call, request: Request, *, member: bool) -> None:
    def edit(tx: Tx, group: Group) -> None:
        user = state.require(tx, User, call.account, request["UserName"])
        group.members = sorted({*group.members, user.name} if member else {*group.members} - {user.name})
        user.groups = sorted({*user.groups, group.name} if member else {*user.groups} - {group.name})
        state.save(tx, call.account, user)

    await change(call, Group, request["GroupName"], edit)


async def list_groups_for_user(call: Call, request: Request) -> Request:
    def body(tx: ReadTx) -> list[Group]:
        user = state.require(tx, User, call.account, request["UserName"])
        return [group for name in user.groups if (group := state.find(tx, Group, call.account, name))]

    groups = await call.platform.store.read(body)
    return {"Groups": [described_group(group) for group in groups], "IsTruncated": False}
