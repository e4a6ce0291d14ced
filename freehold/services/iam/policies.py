"""Managed policies: the customer's own, in versions, and AWS's, to read."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.ids import ALNUM_UPPER
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.iam import managed, paging, state
from freehold.services.iam.model import (
    MAX_MANAGED_DOCUMENT,
    MAX_POLICY_VERSIONS,
    Group,
    Policy,
    PolicyVersion,
    Role,
    User,
    arn,
    check_document,
    encoded,
    listed_tags,
    new_id,
    no_entity,
    size,
)
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
AWS_CREATED = 1_423_198_800.0
"""When AWS's managed policies came into being (February 2015); AWS gives each its own date."""


def _document(text: str) -> str:
    check_document(text)
    if size(text) > MAX_MANAGED_DOCUMENT:
        raise Fault("LimitExceeded", f"Cannot exceed quota for PolicySize: {MAX_MANAGED_DOCUMENT}")
    return text


def _described(policy: Policy) -> Request:
    shape: Request = {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default,
        "AttachmentCount": policy.attached,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    if policy.description is not None:
        shape["Description"] = policy.description
    if policy.tags:
        shape["Tags"] = listed_tags(policy.tags)
    return shape


def _described_aws(policy_arn: str) -> Request:
    path, _, name = policy_arn.removeprefix(managed.PREFIX).rpartition("/")
    return {
        "PolicyName": name,
        "PolicyId": "ANPA" + name.upper().replace("_", "").replace("-", "").ljust(17, "Z")[:17],
        "Arn": policy_arn,
        "Path": f"/{path}/" if path else "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": AWS_CREATED,
        "UpdateDate": AWS_CREATED,
    }


def _version(policy: Policy, number: str, *, document: bool) -> Request:
    version = policy.versions[number]
    shape: Request = {
        "VersionId": number,
        "IsDefaultVersion": number == policy.default,
        "CreateDate": version.created,
    }
    return {"Document": encoded(version.document), **shape} if document else shape


async def create_policy(call: Call, request: Request) -> Request:
    now, name, path = call.platform.clock.now(), request["PolicyName"], request.get("Path", "/")
    policy = Policy(
        name=name,
        id=new_id("policy", call.platform.ids.letters(17, ALNUM_UPPER)),
        arn=arn(call.account, "policy", path, name),
        path=path,
        created=now,
        updated=now,
        description=request.get("Description"),
        versions={"v1": PolicyVersion(_document(request["PolicyDocument"]), now)},
        tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
    )

    def body(tx: Tx) -> Request:
        state.create(tx, call.account, policy)
        return {"Policy": _described(policy)}

    return await once.transact(call, body)


async def get_policy(call: Call, request: Request) -> Request:
    policy_arn = request["PolicyArn"]
    policy = await call.platform.store.read(lambda tx: state.require_policy(tx, call.account, policy_arn))
    return {"Policy": _described(policy) if policy else _described_aws(policy_arn)}


async def list_policies(call: Call, request: Request) -> Request:
    """Scope, OnlyAttached and PathPrefix act; AWS's own policies come after the customer's."""

    def body(tx: ReadTx) -> list[Policy]:
        return state.everything(tx, Policy, call.account)

    if request.get("PolicyUsageFilter") == "PermissionsBoundary":
        raise not_implemented("PolicyUsageFilter PermissionsBoundary of iam:ListPolicies")
    shapes = []
    scope = request.get("Scope", "All")
    if scope in ("All", "Local"):
        shapes += [_described(policy) for policy in await call.platform.store.read(body)]
    if scope in ("All", "AWS"):
        shapes += [_described_aws(policy_arn) for policy_arn in managed.arns()]
    prefix = request.get("PathPrefix", "/")
    shapes = [shape for shape in shapes if shape["Path"].startswith(prefix)]
    if request.get("OnlyAttached"):
        shapes = [shape for shape in shapes if shape["AttachmentCount"]]
    shapes.sort(key=lambda shape: str(shape["Arn"]))
    start, limit = paging.start_of(request), request.get("MaxItems", paging.DEFAULT_ITEMS)
    page, tail = paging.finish(
        [shape for shape in shapes if shape["Arn"] > start][: limit + 1], lambda shape: str(shape["Arn"]), limit
    )
    return {"Policies": list(page)} | tail


async def _edit(call: Call, policy_arn: str, edit: Any) -> Any:
    def body(tx: Tx) -> Any:
        policy = state.require_policy(tx, call.account, policy_arn)
        if policy is None:
            raise Fault("AccessDenied", f"Cannot change the AWS managed policy {policy_arn}.", status=403)
        result = edit(tx, policy)
        return result

    return await call.platform.store.transact(body)


async def delete_policy(call: Call, request: Request) -> Request:
    def edit(tx: Tx, policy: Policy) -> None:
        if policy.attached:
            raise Fault("DeleteConflict", "Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise Fault(
                "DeleteConflict",
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                "The default version is deleted with the policy.",
            )
        state.remove(tx, call.account, policy)

    await _edit(call, request["PolicyArn"], edit)
    return {}


async def create_policy_version(call: Call, request: Request) -> Request:
    document, now = _document(request["PolicyDocument"]), call.platform.clock.now()

    def edit(tx: Tx, policy: Policy) -> Request:
        if len(policy.versions) >= MAX_POLICY_VERSIONS:
            raise Fault(
                "LimitExceeded",
                f"A managed policy can have up to {MAX_POLICY_VERSIONS} versions. Before you create a new version, you "
                "must delete an existing version.",
            )
        number = f"v{policy.next}"
        policy.next += 1
        policy.versions[number] = PolicyVersion(document, now)
        policy.updated = now
        if request.get("SetAsDefault"):
            policy.default = number
        state.save(tx, call.account, policy)
        return _version(policy, number, document=False)

    return {"PolicyVersion": await _edit(call, request["PolicyArn"], edit)}


async def get_policy_version(call: Call, request: Request) -> Request:
    policy_arn, number = request["PolicyArn"], request["VersionId"]
    policy = await call.platform.store.read(lambda tx: state.require_policy(tx, call.account, policy_arn))
    if policy is None and number == "v1":
        shape = {"Document": encoded(managed.document(policy_arn)), "VersionId": "v1", "IsDefaultVersion": True}
        return {"PolicyVersion": {**shape, "CreateDate": AWS_CREATED}}
    if policy is None or number not in policy.versions:
        raise _no_version(policy_arn, number)
    return {"PolicyVersion": _version(policy, number, document=True)}


async def list_policy_versions(call: Call, request: Request) -> Request:
    policy_arn = request["PolicyArn"]
    policy = await call.platform.store.read(lambda tx: state.require_policy(tx, call.account, policy_arn))
    if policy is None:
        version: Request = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": AWS_CREATED}
        return {"Versions": [version], "IsTruncated": False}
    newest_first = sorted(policy.versions, key=lambda number: int(number[1:]), reverse=True)
    return {"Versions": [_version(policy, number, document=False) for number in newest_first], "IsTruncated": False}


async def delete_policy_version(call: Call, request: Request) -> Request:
    number = request["VersionId"]

    def edit(tx: Tx, policy: Policy) -> None:
        if number not in policy.versions:
            raise _no_version(policy.arn, number)
        if number == policy.default:
            raise Fault("DeleteConflict", "Cannot delete the default version of a policy.")
        del policy.versions[number]
        state.save(tx, call.account, policy)

    await _edit(call, request["PolicyArn"], edit)
    return {}


async def set_default_policy_version(call: Call, request: Request) -> Request:
    number = request["VersionId"]

    def edit(tx: Tx, policy: Policy) -> None:
        if number not in policy.versions:
            raise _no_version(policy.arn, number)
        policy.default = number
        state.save(tx, call.account, policy)

    await _edit(call, request["PolicyArn"], edit)
    return {}


def _no_version(policy_arn: str, number: str) -> Fault:
    return no_entity(f"Policy {policy_arn} version {number} does not exist or is not attachable.")


async def list_entities_for_policy(call: Call, request: Request) -> Request:
    policy_arn, kind = request["PolicyArn"], request.get("EntityFilter")
    boundaries = request.get("PolicyUsageFilter") == "PermissionsBoundary"

    def uses(entity: User | Role | Group) -> bool:
        return entity.boundary == policy_arn if boundaries else policy_arn in entity.attached

    def body(tx: ReadTx) -> tuple[list[User], list[Role], list[Group]]:
        state.require_policy(tx, call.account, policy_arn)
        return (
            [u for u in state.everything(tx, User, call.account) if uses(u)],
            [r for r in state.everything(tx, Role, call.account) if uses(r)],
            [g for g in state.everything(tx, Group, call.account) if uses(g)],
        )

    users, roles, groups = await call.platform.store.read_many(body)
    return {
        "PolicyUsers": [{"UserName": u.name, "UserId": u.id} for u in users] if kind in (None, "User") else [],
        "PolicyRoles": [{"RoleName": r.name, "RoleId": r.id} for r in roles] if kind in (None, "Role") else [],
        "PolicyGroups": [{"GroupName": g.name, "GroupId": g.id} for g in groups] if kind in (None, "Group") else [],
        "IsTruncated": False,
    }
