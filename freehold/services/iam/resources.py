"""CloudFormation types of IAM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, INTEGER, STRING, Physical, ResourceContext, ResourceType, Schema
from freehold.services.iam import resource_policies
from freehold.services.iam.resource_policies import gone, text_of

Properties = dict[str, Any]
TAGS: Schema = [{"Key": STRING, "Value": STRING}]
INLINE: Schema = [{"PolicyName": STRING, "PolicyDocument": ANY}]


def _tags(ctx: ResourceContext, properties: Properties) -> list[dict[str, str]]:
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    return [{"Key": key, "Value": value} for key, value in {**ctx.tags, **own}.items()]


class Kind:
    """What differs between users, roles and groups where policies hang on them."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self.member = f"{noun}Name"

    async def set_policies(self, ctx: ResourceContext, name: str, old: Properties, new: Properties) -> None:
        """Bring attached and inline policies from `old` to `new`."""
        who = {self.member: name}
        before, after = set(old.get("ManagedPolicyArns", [])), new.get("ManagedPolicyArns", [])
        for arn in after:
            if arn not in before:
                await ctx.call("iam", f"Attach{self.noun}Policy", **who, PolicyArn=arn)
        for arn in sorted(before - set(after)):
            await gone(ctx, f"Detach{self.noun}Policy", **who, PolicyArn=arn)
        named = {policy["PolicyName"]: policy["PolicyDocument"] for policy in new.get("Policies", [])}
        for policy, document in named.items():
            request = {**who, "PolicyName": policy, "PolicyDocument": text_of(document)}
            await ctx.call("iam", f"Put{self.noun}Policy", **request)
        for policy in old.get("Policies", []):
            if policy["PolicyName"] not in named:
                await gone(ctx, f"Delete{self.noun}Policy", **who, PolicyName=policy["PolicyName"])

    async def strip(self, ctx: ResourceContext, name: str, properties: Properties) -> None:
        """Take off what the template put on, so that the identity can be deleted."""
        await self.set_policies(ctx, name, properties, {})

    async def bound(self, ctx: ResourceContext, name: str, old: Properties, new: Properties) -> None:
        """Bring the permissions boundary from `old` to `new`."""
        who, boundary = {self.member: name}, new.get("PermissionsBoundary")
        if boundary and boundary != old.get("PermissionsBoundary"):
            await ctx.call("iam", f"Put{self.noun}PermissionsBoundary", **who, PermissionsBoundary=boundary)
        elif not boundary and old.get("PermissionsBoundary"):
            await ctx.call("iam", f"Delete{self.noun}PermissionsBoundary", **who)

    async def retag(self, ctx: ResourceContext, name: str, old: Properties, new: Properties) -> None:
        """Bring tags from `old` to `new`."""
        kept = {tag["Key"] for tag in new.get("Tags", [])}
        lost = [tag["Key"] for tag in old.get("Tags", []) if tag["Key"] not in kept]
        if lost:
            await ctx.call("iam", f"Untag{self.noun}", **{self.member: name}, TagKeys=lost)
        if new.get("Tags"):
            await ctx.call("iam", f"Tag{self.noun}", **{self.member: name}, Tags=new["Tags"])


ROLE, USER, GROUP = Kind("Role"), Kind("User"), Kind("Group")


async def _create_role(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("RoleName") or ctx.name(64)
    optional = ("Path", "Description", "MaxSessionDuration", "PermissionsBoundary")
    copied = {key: properties[key] for key in optional if key in properties}
    trust = text_of(properties["AssumeRolePolicyDocument"])
    answer = await ctx.call(
        "iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust, Tags=_tags(ctx, properties), **copied
    )
    await ROLE.set_policies(ctx, name, {}, properties)
    return Physical(name, {"Arn": answer["Role"]["Arn"], "RoleId": answer["Role"]["RoleId"]})


async def _update_role(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.id
    if old["AssumeRolePolicyDocument"] != new["AssumeRolePolicyDocument"]:
        trust = text_of(new["AssumeRolePolicyDocument"])
        await ctx.call("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=trust)
    settings = {"Description": new.get("Description", ""), "MaxSessionDuration": new.get("MaxSessionDuration", 3600)}
    await ctx.call("iam", "UpdateRole", RoleName=name, **settings)
    await ROLE.bound(ctx, name, old, new)
    await ROLE.set_policies(ctx, name, old, new)
    await ROLE.retag(ctx, name, old, new)
    return physical


async def _delete_role(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ROLE.strip(ctx, physical.id, properties))
    await gone(ctx, "DeleteRole", RoleName=physical.id)


async def _unless_gone(work: Any) -> None:
    try:
        await work
    except Fault as fault:
        if fault.code != "NoSuchEntity":
            raise


async def _create_user(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("UserName") or ctx.name(64)
    copied = {key: properties[key] for key in ("Path", "PermissionsBoundary") if key in properties}
    answer = await ctx.call("iam", "CreateUser", UserName=name, Tags=_tags(ctx, properties), **copied)
    await USER.set_policies(ctx, name, {}, properties)
    for group in properties.get("Groups", []):
        await ctx.call("iam", "AddUserToGroup", UserName=name, GroupName=group)
    return Physical(name, {"Arn": answer["User"]["Arn"]})


async def _update_user(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    if old.get("Path") != new.get("Path"):
        await ctx.call("iam", "UpdateUser", UserName=physical.id, NewPath=new.get("Path", "/"))
    await USER.bound(ctx, physical.id, old, new)
    await USER.set_policies(ctx, physical.id, old, new)
    await USER.retag(ctx, physical.id, old, new)
    await _regroup(ctx, physical.id, old.get("Groups", []), new.get("Groups", []))
    user = (await ctx.call("iam", "GetUser", UserName=physical.id))["User"]
    return Physical(physical.id, {"Arn": user["Arn"]})


async def _regroup(ctx: ResourceContext, user: str, old: Iterable[str], new: Iterable[str]) -> None:
    for group in sorted(set(new) - set(old)):
        await ctx.call("iam", "AddUserToGroup", UserName=user, GroupName=group)
    for group in sorted(set(old) - set(new)):
        await gone(ctx, "RemoveUserFromGroup", UserName=user, GroupName=group)


async def _delete_user(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(USER.strip(ctx, physical.id, properties))
    await _regroup(ctx, physical.id, properties.get("Groups", []), [])
    await gone(ctx, "DeleteUser", UserName=physical.id)


async def _create_group(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("GroupName") or ctx.name(128)
    copied = {"Path": properties["Path"]} if "Path" in properties else {}
    answer = await ctx.call("iam", "CreateGroup", GroupName=name, **copied)
    await GROUP.set_policies(ctx, name, {}, properties)
    return Physical(name, {"Arn": answer["Group"]["Arn"]})


async def _update_group(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    if old.get("Path") != new.get("Path"):
        await ctx.call("iam", "UpdateGroup", GroupName=physical.id, NewPath=new.get("Path", "/"))
    await GROUP.set_policies(ctx, physical.id, old, new)
    group = (await ctx.call("iam", "GetGroup", GroupName=physical.id))["Group"]
    return Physical(physical.id, {"Arn": group["Arn"]})


async def _delete_group(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(GROUP.strip(ctx, physical.id, properties))
    await gone(ctx, "DeleteGroup", GroupName=physical.id)


async def _create_key(ctx: ResourceContext, properties: Properties) -> Physical:
    made = (await ctx.call("iam", "CreateAccessKey", UserName=properties["UserName"]))["AccessKey"]
    if properties.get("Status") == "Inactive":
        await _key_status(ctx, properties["UserName"], made["AccessKeyId"], "Inactive")
    return Physical(made["AccessKeyId"], {"SecretAccessKey": made["SecretAccessKey"]})


async def _key_status(ctx: ResourceContext, user: str, key: str, status: str) -> None:
    await ctx.call("iam", "UpdateAccessKey", UserName=user, AccessKeyId=key, Status=status)


async def _update_key(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _key_status(ctx, new["UserName"], physical.id, new.get("Status", "Active"))
    return physical


async def _delete_key(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteAccessKey", UserName=properties["UserName"], AccessKeyId=physical.id)


async def _create_profile(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("InstanceProfileName") or ctx.name(128)
    copied = {"Path": properties["Path"]} if "Path" in properties else {}
    answer = await ctx.call("iam", "CreateInstanceProfile", InstanceProfileName=name, **copied)
    for role in properties["Roles"]:
        await ctx.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=role)
    return Physical(name, {"Arn": answer["InstanceProfile"]["Arn"]})


async def _update_profile(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    for role in old["Roles"]:
        await gone(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=physical.id, RoleName=role)
    for role in new["Roles"]:
        await ctx.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=physical.id, RoleName=role)
    return physical


async def _delete_profile(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    for role in properties["Roles"]:
        await gone(ctx, "RemoveRoleFromInstanceProfile", InstanceProfileName=physical.id, RoleName=role)
    await gone(ctx, "DeleteInstanceProfile", InstanceProfileName=physical.id)


def _types() -> tuple[ResourceType, ...]:
    identity: dict[str, Schema] = {"Path": STRING, "ManagedPolicyArns": [STRING], "Policies": INLINE}
    return (
        ResourceType(
            name="AWS::IAM::Role",
            properties={
                **identity,
                "RoleName": STRING,
                "AssumeRolePolicyDocument": ANY,
                "Description": STRING,
                "MaxSessionDuration": INTEGER,
                "PermissionsBoundary": STRING,
                "Tags": TAGS,
            },
            required=frozenset({"AssumeRolePolicyDocument"}),
            replace=frozenset({"RoleName", "Path"}),
            attributes=frozenset({"Arn", "RoleId"}),
            create=_create_role,
            update=_update_role,
            delete=_delete_role,
        ),
        ResourceType(
            name="AWS::IAM::User",
            properties={
                **identity,
                "UserName": STRING,
                "Groups": [STRING],
                "PermissionsBoundary": STRING,
                "Tags": TAGS,
            },
            replace=frozenset({"UserName"}),
            attributes=frozenset({"Arn"}),
            create=_create_user,
            update=_update_user,
            delete=_delete_user,
        ),
        ResourceType(
            name="AWS::IAM::Group",
            properties={**identity, "GroupName": STRING},
            replace=frozenset({"GroupName"}),
            attributes=frozenset({"Arn"}),
            create=_create_group,
            update=_update_group,
            delete=_delete_group,
        ),
        ResourceType(
            name="AWS::IAM::AccessKey",
            properties={"UserName": STRING, "Status": STRING, "Serial": INTEGER},
            required=frozenset({"UserName"}),
            replace=frozenset({"UserName", "Serial"}),
            attributes=frozenset({"SecretAccessKey"}),
            create=_create_key,
            update=_update_key,
            delete=_delete_key,
        ),
        ResourceType(
            name="AWS::IAM::InstanceProfile",
            properties={"InstanceProfileName": STRING, "Path": STRING, "Roles": [STRING]},
            required=frozenset({"Roles"}),
            replace=frozenset({"InstanceProfileName", "Path"}),
            attributes=frozenset({"Arn"}),
            create=_create_profile,
            update=_update_profile,
            delete=_delete_profile,
        ),
        *resource_policies.TYPES,
    )


TYPES = _types()
