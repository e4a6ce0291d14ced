"""What identities may do: inline policies and attached managed policies of users, roles and groups."""

from __future__ import annotations

from typing import Any

from freehold.ports.call import Call
from freehold.services.iam import paging, state
from freehold.services.iam.model import Group, Role, User, check_document, encoded
from freehold.store.base import Tx

Request = dict[str, Any]
Holder = type[User] | type[Role] | type[Group]
_NAME = {User: "UserName", Role: "RoleName", Group: "GroupName"}


def _name(kind: Holder, request: Request) -> str:
    return str(request[_NAME[kind]])


async def _read(call: Call, kind: Holder, request: Request) -> User | Role | Group:
    name = _name(kind, request)
    return await call.platform.store.read(lambda tx: state.require(tx, kind, call.account, name))  # type: ignore[type-var]


async def _put(call: Call, kind: Holder, request: Request) -> Request:
    check_document(request["PolicyDocument"])
    name = _name(kind, request)

    def body(tx: Tx) -> None:
        entity = state.require(tx, kind, call.account, name)  # type: ignore[type-var]
        state.put_inline(tx, call.account, entity, request["PolicyName"], request["PolicyDocument"])

    await call.platform.store.transact(body)
    return {}


async def _get(call: Call, kind: Holder, request: Request) -> Request:
    entity = await _read(call, kind, request)
    document = state.inline(entity, request["PolicyName"])
    return {_NAME[kind]: entity.name, "PolicyName": request["PolicyName"], "PolicyDocument": encoded(document)}


async def _delete(call: Call, kind: Holder, request: Request) -> Request:
    name = _name(kind, request)

    def body(tx: Tx) -> None:
        entity = state.require(tx, kind, call.account, name)  # type: ignore[type-var]
        state.inline(entity, request["PolicyName"])
        del entity.inline[request["PolicyName"]]
        state.save(tx, call.account, entity)

    await call.platform.store.transact(body)
    return {}


async def _list(call: Call, kind: Holder, request: Request) -> Request:
    entity = await _read(call, kind, request)
    names, tail = paging.cut(sorted(entity.inline), request)
    return {"PolicyNames": names} | tail


async def _attach(call: Call, kind: Holder, request: Request) -> Request:
    name = _name(kind, request)

    def body(tx: Tx) -> None:
        entity = state.require(tx, kind, call.account, name)  # type: ignore[type-var]
        state.attach(tx, call.account, entity, request["PolicyArn"])

    await call.platform.store.transact(body)
    return {}


async def _detach(call: Call, kind: Holder, request: Request) -> Request:
    name = _name(kind, request)

    def body(tx: Tx) -> None:
        entity = state.require(tx, kind, call.account, name)  # type: ignore[type-var]
        state.detach(tx, call.account, entity, request["PolicyArn"])

    await call.platform.store.transact(body)
    return {}


async def _list_attached(call: Call, kind: Holder, request: Request) -> Request:
    entity = await _read(call, kind, request)
    prefix = request.get("PathPrefix", "/")
    matching = sorted(arn for arn in entity.attached if arn.partition(":policy")[2].startswith(prefix))
    page, tail = paging.cut(matching, request)
    return {"AttachedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in page]} | tail


async def put_user_policy(call: Call, request: Request) -> Request:
    return await _put(call, User, request)


async def put_role_policy(call: Call, request: Request) -> Request:
    return await _put(call, Role, request)


async def put_group_policy(call: Call, request: Request) -> Request:
    return await _put(call, Group, request)


async def get_user_policy(call: Call, request: Request) -> Request:
    return await _get(call, User, request)


async def get_role_policy(call: Call, request: Request) -> Request:
    return await _get(call, Role, request)


async def get_group_policy(call: Call, request: Request) -> Request:
    return await _get(call, Group, request)


async def delete_user_policy(call: Call, request: Request) -> Request:
    return await _delete(call, User, request)


async def delete_role_policy(call: Call, request: Request) -> Request:
    return await _delete(call, Role, request)


async def delete_group_policy(call: Call, request: Request) -> Request:
    return await _delete(call, Group, request)


async def list_user_policies(call: Call, request: Request) -> Request:
    return await _list(call, User, request)


async def list_role_policies(call: Call, request: Request) -> Request:
    return await _list(call, Role, request)


async def list_group_policies(call: Call, request: Request) -> Request:
    return await _list(call, Group, request)


async def attach_user_policy(call: Call, request: Request) -> Request:
    return await _attach(call, User, request)


async def attach_role_policy(call: Call, request: Request) -> Request:
    return await _attach(call, Role, request)


async def attach_group_policy(call: Call, request: Request) -> Request:
    return await _attach(call, Group, request)


async def detach_user_policy(call: Call, request: Request) -> Request:
    return await _detach(call, User, request)


async def detach_role_policy(call: Call, request: Request) -> Request:
    return await _detach(call, Role, request)


async def detach_group_policy(call: Call, request: Request) -> Request:
    return await _detach(call, Group, request)


async def list_attached_user_policies(call: Call, request: Request) -> Request:
    return await _list_attached(call, User, request)


async def list_attached_role_policies(call: Call, request: Request) -> Request:
    return await _list_attached(call, Role, request)


async def list_attached_group_policies(call: Call, request: Request) -> Request:
    return await _list_attached(call, Group, request)
