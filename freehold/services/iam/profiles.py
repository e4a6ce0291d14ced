"""Instance profiles, and the summary of an account."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.iam import entities, paging, state
from freehold.services.iam.model import Group, Policy, Profile, Role, User, listed_tags
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]


def _described(tx: ReadTx, account: str, profile: Profile) -> Request:
    role = state.find(tx, Role, account, profile.role) if profile.role else None
    shape: Request = {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created,
        "Roles": [entities.described_role(role)] if role else [],
    }
    if profile.tags:
        shape["Tags"] = listed_tags(profile.tags)
    return shape


async def create_instance_profile(call: Call, request: Request) -> Request:
    profile = Profile(**entities.common(call, "profile", request["InstanceProfileName"], request))

    def body(tx: Tx) -> Request:
        state.create(tx, call.account, profile)
        return {"InstanceProfile": _described(tx, call.account, profile)}

    return await once.transact(call, body)


async def get_instance_profile(call: Call, request: Request) -> Request:
    def body(tx: ReadTx) -> Request:
        profile = state.require(tx, Profile, call.account, request["InstanceProfileName"])
        return _described(tx, call.account, profile)

    return {"InstanceProfile": await call.platform.store.read(body)}


async def list_instance_profiles(call: Call, request: Request) -> Request:
    page, tail = await paging.records(call, Profile, request)
    shapes = await call.platform.store.read(lambda tx: [_described(tx, call.account, profile) for profile in page])
    return {"InstanceProfiles": shapes} | tail


async def list_instance_profiles_for_role(call: Call, request: Request) -> Request:
    def body(tx: ReadTx) -> list[Request]:
        role = state.require(tx, Role, call.account, request["RoleName"])
        profiles = state.everything(tx, Profile, call.account)
        return [_described(tx, call.account, profile) for profile in profiles if profile.role == role.name]

    return {"InstanceProfiles": await call.platform.store.read(body), "IsTruncated": False}


async def delete_instance_profile(call: Call, request: Request) -> Request:
    def edit(tx: Tx, profile: Profile) -> None:
        if profile.role:
            raise Fault("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
        state.remove(tx, call.account, profile)

    await entities.change(call, Profile, request["InstanceProfileName"], edit, save=False)
    return {}


async def add_role_to_instance_profile(call: Call, request: Request) -> Request:
    def edit(tx: Tx, profile: Profile) -> None:
        role = state.require(tx, Role, call.account, request["RoleName"])
        if profile.role:
            raise Fault("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        profile.role = role.name

    await entities.change(call, Profile, request["InstanceProfileName"], edit)
    return {}


async def remove_role_from_instance_profile(call: Call, request: Request) -> Request:
    def edit(tx: Tx, profile: Profile) -> None:
        if profile.role != request["RoleName"]:
            raise Fault("NoSuchEntity", f"The role with name {request['RoleName']} cannot be found.")
        profile.role = None

    await entities.change(call, Profile, request["InstanceProfileName"], edit)
    return {}


async def get_account_summary(call: Call, request: Request) -> Request:
    """Counts of what there is; quotas as AWS documents them by default."""

    def body(tx: ReadTx) -> dict[str, int]:
        users = state.everything(tx, User, call.account)
        return {
            "Users": len(users),
            "Roles": len(state.everything(tx, Role, call.account)),
            "Groups": len(state.everything(tx, Group, call.account)),
            "Policies": len(state.everything(tx, Policy, call.account)),
            "InstanceProfiles": len(state.everything(tx, Profile, call.account)),
        }

    quotas = {"UsersQuota": 5000, "RolesQuota": 1000, "GroupsQuota": 300, "PoliciesQuota": 1500}
    return {"SummaryMap": await call.platform.store.read_many(body) | quotas}
