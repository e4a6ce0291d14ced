"""Tags and permissions boundaries of users, roles, policies and instance profiles."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.iam import entities, state
from freehold.services.iam.model import Policy, Profile, Role, User, listed_tags
from freehold.store.base import Tx

Request = dict[str, Any]
MAX_TAGS = 50


async def _tag(call: Call, kind: type[state.R], name: str, request: Request) -> Request:
    def edit(_: Tx, record: state.R) -> None:
        record.tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
        if len(record.tags) > MAX_TAGS:
            raise Fault("LimitExceeded", f"Cannot exceed quota for TagsPer{kind.__name__}: {MAX_TAGS}")

    await entities.change(call, kind, name, edit)
    return {}


async def _untag(call: Call, kind: type[state.R], name: str, request: Request) -> Request:
    def edit(_: Tx, record: state.R) -> None:
        for key in request["TagKeys"]:
            record.tags.pop(key, None)

    await entities.change(call, kind, name, edit)
    return {}


async def _list(call: Call, kind: type[state.R], name: str) -> Request:
    return {"Tags": listed_tags((await entities.get(call, kind, name)).tags), "IsTruncated": False}


def _policy_name(request: Request) -> str:
    return str(request["PolicyArn"]).rpartition("/")[2]


async def tag_user(call: Call, request: Request) -> Request:
    return await _tag(call, User, request["UserName"], request)


async def untag_user(call: Call, request: Request) -> Request:
    return await _untag(call, User, request["UserName"], request)


async def list_user_tags(call: Call, request: Request) -> Request:
    return await _list(call, User, request["UserName"])


async def tag_role(call: Call, request: Request) -> Request:
    return await _tag(call, Role, request["RoleName"], request)


async def untag_role(call: Call, request: Request) -> Request:
    return await _untag(call, Role, request["RoleName"], request)


async def list_role_tags(call: Call, request: Request) -> Request:
    return await _list(call, Role, request["RoleName"])


async def tag_policy(call: Call, request: Request) -> Request:
    return await _tag(call, Policy, _policy_name(request), request)


async def untag_policy(call: Call, request: Request) -> Request:
    return await _untag(call, Policy, _policy_name(request), request)


async def list_policy_tags(call: Call, request: Request) -> Request:
    return await _list(call, Policy, _policy_name(request))


async def tag_instance_profile(call: Call, request: Request) -> Request:
    return await _tag(call, Profile, request["InstanceProfileName"], request)


async def untag_instance_profile(call: Call, request: Request) -> Request:
    return await _untag(call, Profile, request["InstanceProfileName"], request)


async def list_instance_profile_tags(call: Call, request: Request) -> Request:
    return await _list(call, Profile, request["InstanceProfileName"])


async def _bound(call: Call, kind: type[User] | type[Role], name: str, boundary: str | None) -> Request:
    def edit(tx: Tx, record: User | Role) -> None:
        if boundary is not None:
            state.require_policy(tx, call.account, boundary)
        record.boundary = boundary

    if kind is User:
        await entities.change(call, User, name, edit)
    else:
        await entities.change(call, Role, name, edit)
    return {}


async def put_user_permissions_boundary(call: Call, request: Request) -> Request:
    return await _bound(call, User, request["UserName"], request["PermissionsBoundary"])


async def delete_user_permissions_boundary(call: Call, request: Request) -> Request:
    return await _bound(call, User, request["UserName"], None)


async def put_role_permissions_boundary(call: Call, request: Request) -> Request:
    return await _bound(call, Role, request["RoleName"], request["PermissionsBoundary"])


async def delete_role_permissions_boundary(call: Call, request: Request) -> Request:
    return await _bound(call, Role, request["RoleName"], None)
