"""CloudFormation types of S3."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, BOOLEAN, INTEGER, STRING, Choice, Physical, ResourceContext, ResourceType

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
    ctx.made(name)
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


async def _cors(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    if not value:
        await ctx.call("s3", "DeleteBucketCors", Bucket=name)
        return
    names = {"Id": "ID", "ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"}
    rules = [{names.get(key, key): one for key, one in rule.items()} for rule in value["CorsRules"]]
    await ctx.call("s3", "PutBucketCors", Bucket=name, CORSConfiguration={"CORSRules": rules})


async def _lifecycle(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    if not value:
        await ctx.call("s3", "DeleteBucketLifecycle", Bucket=name)
        return
    rules = [_lifecycle_rule(rule) for rule in value["Rules"]]
    await ctx.call("s3", "PutBucketLifecycleConfiguration", Bucket=name, LifecycleConfiguration={"Rules": rules})


async def _notifications(ctx: ResourceContext, name: str, value: Properties | None) -> None:
    configuration: Properties = {}
    for member, (theirs, destination) in _NOTIFICATIONS.items():
        if found := (value or {}).get(member):
            configuration[theirs] = [_notification(one, destination) for one in found]
    if (value or {}).get("EventBridgeConfiguration", {"EventBridgeEnabled": False}).get("EventBridgeEnabled", True):
        configuration["EventBridgeConfiguration"] = {}
    await ctx.call("s3", "PutBucketNotificationConfiguration", Bucket=name, NotificationConfiguration=configuration)


def _notification(one: Properties, destination: str) -> Properties:
    """A configuration of CloudFormation's shape in the API's."""
    made: Properties = {"Events": [one["Event"]], f"{destination}Arn": one[destination.removeprefix("Lambda")]}
    if rules := one.get("Filter", {}).get("S3Key", {}).get("Rules"):
        made["Filter"] = {"Key": {"FilterRules": rules}}
    return made


def _lifecycle_rule(rule: Properties) -> Properties:
    """A rule of CloudFormation's shape in the API's."""
    made: Properties = {"Status": rule["Status"]}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    made["Filter"] = _lifecycle_filter(rule)
    expiration: Properties = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = rule["ExpirationInDays"]
    if "ExpirationDate" in rule:
        expiration["Date"] = datetime.fromisoformat(rule["ExpirationDate"]).replace(tzinfo=UTC).timestamp()
    if "ExpiredObjectDeleteMarker" in rule:
        expiration["ExpiredObjectDeleteMarker"] = rule["ExpiredObjectDeleteMarker"]
    if expiration:
        made["Expiration"] = expiration
    if "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    for member in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if member in rule:
            made[member] = rule[member]
    return made


def _lifecycle_filter(rule: Properties) -> Properties:
    found: Properties = {"Prefix": rule["Prefix"]} if "Prefix" in rule else {}
    found |= {name: int(rule[name]) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in rule}
    tags = rule.get("TagFilters", [])
    if not tags:
        return found if len(found) < 2 else {"And": found}
    return {"Tag": tags[0]} if len(tags) == 1 and not found else {"And": {**found, "Tags": tags}}


_APPLY: dict[str, Callable[[ResourceContext, str, Any], Awaitable[None]]] = {
    "VersioningConfiguration": _versioning,
    "BucketEncryption": _encryption,
    "PublicAccessBlockConfiguration": _public_access,
    "OwnershipControls": _ownership,
    "AccessControl": _access_control,
    "CorsConfiguration": _cors,
    "LifecycleConfiguration": _lifecycle,
    "NotificationConfiguration": _notifications,
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


_NOTIFICATIONS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "LambdaFunction"),
    "QueueConfigurations": ("QueueConfigurations", "Queue"),
    "TopicConfigurations": ("TopicConfigurations", "Topic"),
}
_FILTER = {"S3Key": {"Rules": [{"Name": STRING, "Value": STRING}]}}
_CORS_RULE = {
    "Id": STRING,
    "AllowedHeaders": [STRING],
    "AllowedMethods": [STRING],
    "AllowedOrigins": [STRING],
    "ExposedHeaders": [STRING],
    "MaxAge": INTEGER,
}
_LIFECYCLE_RULE = {
    "Id": STRING,
    "Status": Choice(("Enabled", "Disabled")),
    "Prefix": STRING,
    "TagFilters": [{"Key": STRING, "Value": STRING}],
    "ObjectSizeGreaterThan": STRING,
    "ObjectSizeLessThan": STRING,
    "ExpirationInDays": INTEGER,
    "ExpirationDate": STRING,
    "ExpiredObjectDeleteMarker": BOOLEAN,
    "NoncurrentVersionExpirationInDays": INTEGER,
    "NoncurrentVersionExpiration": {"NoncurrentDays": INTEGER, "NewerNoncurrentVersions": INTEGER},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INTEGER},
}

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
            "CorsConfiguration": {"CorsRules": [_CORS_RULE]},
            "LifecycleConfiguration": {"Rules": [_LIFECYCLE_RULE]},
            "NotificationConfiguration": {
                "EventBridgeConfiguration": {"EventBridgeEnabled": BOOLEAN},
                "LambdaConfigurations": [{"Event": STRING, "Filter": _FILTER, "Function": STRING}],
                "QueueConfigurations": [{"Event": STRING, "Filter": _FILTER, "Queue": STRING}],
                "TopicConfigurations": [{"Event": STRING, "Filter": _FILTER, "Topic": STRING}],
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
