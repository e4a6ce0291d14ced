"""CloudFormation types of S3."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, BOOLEAN, STRING, Choice, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]

_HOME = "us-east-1"
_GONE = ("NoSuchBucket", "NoSuchBucketPolicy", "404")


async def _create_bucket(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("BucketName") or ctx.name(63, lower=True)
    configuration: Properties = {"Tags": _tags(ctx, properties)}
    if ctx.region != _HOME:
        configuration["LocationConstraint"] = ctx.region
    if await _belongs_to_another(ctx, name):
        raise Fault("AlreadyExists", f"{name} already exists", status=400)
    try:
        await ctx.call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=configuration)
    except Fault as fault:
        if fault.code != "BucketAlreadyOwnedByYou":  # made by this stack, before a crash
            raise
    await _configure(ctx, name, {}, properties)
    return _physical(ctx, name)


async def _belongs_to_another(ctx: ResourceContext, name: str) -> bool:
    """In us-east-1 CreateBucket of an own bucket succeeds; CloudFormation refuses a bucket that its stack did not make."""
    try:
        found = await ctx.call("s3", "GetBucketTagging", Bucket=name)
    except Fault as fault:
        if fault.code == "NoSuchBucket":
            return False
        if fault.code in ("NoSuchTagSet", "AccessDenied", "PermanentRedirect"):
            return True
        raise
    tags = {tag["Key"]: tag["Value"] for tag in found["TagSet"]}
    return tags.get("aws:cloudformation:stack-id") != ctx.stack_id


async def _update_bucket(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _configure(ctx, physical.id, old, new)
    return _physical(ctx, physical.id)


async def _configure(ctx: ResourceContext, name: str, old: Properties, new: Properties) -> None:
    """Bring the bucket's configurations from one state of the template to another."""
    tags = _tags(ctx, new)
    if tags != _tags(ctx, old) or not old:
        if tags:
            await ctx.call("s3", "PutBucketTagging", Bucket=name, Tagging={"TagSet": tags})
        elif old:
            await ctx.call("s3", "DeleteBucketTagging", Bucket=name)
    for property_name, apply in _APPLY.items():
        before, after = old.get(property_name), new.get(property_name)
        if before != after:
            await apply(ctx, name, after)


def _tags(ctx: ResourceContext, properties: Properties) -> list[Properties]:
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    return [{"Key": key, "Value": value} for key, value in {**ctx.tags, **own}.items()]


async def _versioning(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    status = value["Status"] if value else "Suspended"
    await ctx.call("s3", "PutBucketVersioning", Bucket=name, VersioningConfiguration={"Status": status})


async def _encryption(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    if value is None:
        await ctx.call("s3", "DeleteBucketEncryption", Bucket=name)
        return
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        made = {key: rule[key] for key in ("BucketKeyEnabled",) if key in rule}
        if "ServerSideEncryptionByDefault" in rule:
            made["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        rules.append(made)
    await ctx.call("s3", "PutBucketEncryption", Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})


async def _public_access(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    if value:
        await ctx.call("s3", "PutPublicAccessBlock", Bucket=name, PublicAccessBlockConfiguration=value)
    else:
        await ctx.call("s3", "DeletePublicAccessBlock", Bucket=name)


async def _ownership(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    rules = (value or {}).get("Rules") or [{"ObjectOwnership": "BucketOwnerEnforced"}]
    await ctx.call("s3", "PutBucketOwnershipControls", Bucket=name, OwnershipControls={"Rules": rules})


async def _access_control(ctx: ResourceContext, name: str, value: str | None) -> None:
    await ctx.call("s3", "PutBucketAcl", Bucket=name, ACL="private")


_APPLY: dict[str, Callable[[ResourceContext, str, Any], Awaitable[None]]] = {
    "VersioningConfiguration": _versioning,
    "BucketEncryption": _encryption,
    "PublicAccessBlockConfiguration": _public_access,
    "OwnershipControls": _ownership,
    "AccessControl": _access_control,
}


async def _delete_bucket(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteBucket", physical.id)


async def _unless_gone(ctx: ResourceContext, operation: str, bucket: str) -> None:
    try:
        await ctx.call("s3", operation, Bucket=bucket)
    except Fault as fault:
        if fault.code not in _GONE:
            raise


def _physical(ctx: ResourceContext, name: str) -> Physical:
    return Physical(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{ctx.region}.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{ctx.region}.amazonaws.com",
        },
    )


async def _put_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    bucket = properties["Bucket"]
    document = properties["PolicyDocument"]
    text = document if isinstance(document, str) else _json(document)
    await ctx.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=text)
    return Physical(bucket)


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


async def _update_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _put_policy(ctx, new)


async def _delete_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteBucketPolicy", properties["Bucket"])


TYPES = (
    ResourceType(
        name="AWS::S3::Bucket",
        properties={
            "BucketName": STRING,
            "AccessControl": Choice(("Private",)),
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "ServerSideEncryptionByDefault": {"SSEAlgorithm": STRING, "KMSMasterKeyID": STRING},
                        "BucketKeyEnabled": BOOLEAN,
                    }
                ]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": Choice(("BucketOwnerEnforced",))}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": BOOLEAN,
                "BlockPublicPolicy": BOOLEAN,
                "IgnorePublicAcls": BOOLEAN,
                "RestrictPublicBuckets": BOOLEAN,
            },
            "Tags": [{"Key": STRING, "Value": STRING}],
            "VersioningConfiguration": {"Status": Choice(("Enabled", "Suspended"))},
        },
        create=_create_bucket,
        update=_update_bucket,
        delete=_delete_bucket,
        replace=frozenset({"BucketName"}),
        attributes=frozenset({"Arn", "DomainName", "RegionalDomainName", "DualStackDomainName"}),
    ),
    ResourceType(
        name="AWS::S3::BucketPolicy",
        properties={"Bucket": STRING, "PolicyDocument": ANY},
        create=_put_policy,
        update=_update_policy,
        delete=_delete_policy,
        required=frozenset({"Bucket", "PolicyDocument"}),
        replace=frozenset({"Bucket"}),
    ),
)
