"""CloudFormation types of IAM that are policies: managed, and inline on identities made elsewhere."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]
HOLDERS = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def text_of(document: Any) -> str:
    """A policy document as IAM takes it: templates give it as JSON or as a string."""
    return document if isinstance(document, str) else orjson.dumps(document).decode()


async def gone(ctx: ResourceContext, operation: str, **request: Any) -> None:
    """Call a deleting operation; what is already gone is fine."""
    try:
        await ctx.call("iam", operation, **request)
    except Fault as fault:
        if fault.code != "NoSuchEntity":
            raise


def _lost(old: Properties, new: Properties, plural: str) -> list[str]:
    return sorted(set(old.get(plural, [])) - set(new.get(plural, [])))


async def _put_inline(ctx: ResourceContext, name: str, properties: Properties) -> None:
    document = text_of(properties["PolicyDocument"])
    for plural, noun in HOLDERS:
        for holder in properties.get(plural, []):
            request = {f"{noun}Name": holder, "PolicyName": name, "PolicyDocument": document}
            await ctx.call("iam", f"Put{noun}Policy", **request)


async def _take_inline(ctx: ResourceContext, name: str, old: Properties, new: Properties) -> None:
    for plural, noun in HOLDERS:
        for holder in _lost(old, new, plural):
            await gone(ctx, f"Delete{noun}Policy", **{f"{noun}Name": holder}, PolicyName=name)


async def _create_inline(ctx: ResourceContext, properties: Properties) -> Physical:
    if not any(properties.get(plural) for plural, _ in HOLDERS):
        raise Fault("ValidationError", "At least one of [Groups,Roles,Users] must be non-empty.")
    await _put_inline(ctx, properties["PolicyName"], properties)
    # Ref of AWS::IAM::Policy is a generated id, not the policy's name.
    return Physical(ctx.name(32), data={"name": properties["PolicyName"]})


async def _update_inline(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    if old["PolicyName"] != new["PolicyName"]:
        await _take_inline(ctx, old["PolicyName"], old, {})
    else:
        await _take_inline(ctx, old["PolicyName"], old, new)
    await _put_inline(ctx, new["PolicyName"], new)
    return physical


async def _delete_inline(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _take_inline(ctx, properties["PolicyName"], properties, {})


async def _create_role_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    await _put_role_policy(ctx, properties)
    return Physical(f"{properties['PolicyName']}|{properties['RoleName']}")


async def _put_role_policy(ctx: ResourceContext, properties: Properties) -> None:
    await ctx.call(
        "iam",
        "PutRolePolicy",
        RoleName=properties["RoleName"],
        PolicyName=properties["PolicyName"],
        PolicyDocument=text_of(properties["PolicyDocument"]),
    )


async def _update_role_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _put_role_policy(ctx, new)
    return physical


async def _delete_role_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteRolePolicy", RoleName=properties["RoleName"], PolicyName=properties["PolicyName"])


async def _create_managed(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("ManagedPolicyName") or ctx.name(128)
    copied = {key: properties[key] for key in ("Path", "Description") if key in properties}
    document = text_of(properties["PolicyDocument"])
    made = (await ctx.call("iam", "CreatePolicy", PolicyName=name, PolicyDocument=document, **copied))["Policy"]
    await _attach(ctx, made["Arn"], {}, properties)
    return Physical(made["Arn"], {"PolicyArn": made["Arn"], "PolicyId": made["PolicyId"]})


async def _attach(ctx: ResourceContext, arn: str, old: Properties, new: Properties) -> None:
    for plural, noun in HOLDERS:
        for holder in new.get(plural, []):
            if holder not in old.get(plural, []):
                await ctx.call("iam", f"Attach{noun}Policy", **{f"{noun}Name": holder}, PolicyArn=arn)
        for holder in _lost(old, new, plural):
            await gone(ctx, f"Detach{noun}Policy", **{f"{noun}Name": holder}, PolicyArn=arn)


async def _update_managed(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    if old["PolicyDocument"] != new["PolicyDocument"]:
        versions = (await ctx.call("iam", "ListPolicyVersions", PolicyArn=physical.id))["Versions"]
        spare = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
        if len(versions) >= 5:
            await ctx.call("iam", "DeletePolicyVersion", PolicyArn=physical.id, VersionId=spare[-1])
        document = text_of(new["PolicyDocument"])
        request = {"PolicyArn": physical.id, "PolicyDocument": document, "SetAsDefault": True}
        await ctx.call("iam", "CreatePolicyVersion", **request)
    await _attach(ctx, physical.id, old, new)
    return physical


async def _delete_managed(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await _attach(ctx, physical.id, properties, {})
        versions = (await ctx.call("iam", "ListPolicyVersions", PolicyArn=physical.id))["Versions"]
        for version in versions:
            if not version["IsDefaultVersion"]:
                request = {"PolicyArn": physical.id, "VersionId": version["VersionId"]}
                await ctx.call("iam", "DeletePolicyVersion", **request)
        await ctx.call("iam", "DeletePolicy", PolicyArn=physical.id)
    except Fault as fault:
        if fault.code != "NoSuchEntity":
            raise


_HELD = {"Roles": [STRING], "Users": [STRING], "Groups": [STRING]}

TYPES = (
    ResourceType(
        name="AWS::IAM::Policy",
        properties={"PolicyName": STRING, "PolicyDocument": ANY, **_HELD},
        required=frozenset({"PolicyName", "PolicyDocument"}),
        create=_create_inline,
        update=_update_inline,
        delete=_delete_inline,
    ),
    ResourceType(
        name="AWS::IAM::RolePolicy",
        properties={"PolicyName": STRING, "PolicyDocument": ANY, "RoleName": STRING},
        required=frozenset({"PolicyName", "RoleName"}),
        replace=frozenset({"PolicyName", "RoleName"}),
        create=_create_role_policy,
        update=_update_role_policy,
        delete=_delete_role_policy,
    ),
    ResourceType(
        name="AWS::IAM::ManagedPolicy",
        properties={
            "ManagedPolicyName": STRING,
            "PolicyDocument": ANY,
            "Path": STRING,
            "Description": STRING,
            **_HELD,
        },
        required=frozenset({"PolicyDocument"}),
        replace=frozenset({"ManagedPolicyName", "Path", "Description"}),
        attributes=frozenset({"PolicyArn", "PolicyId"}),
        create=_create_managed,
        update=_update_managed,
        delete=_delete_managed,
    ),
)
