"""CloudFormation types of CloudWatch Logs."""

from __future__ import annotations

from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, INTEGER, STRING, Choice, Physical, ResourceContext, ResourceType
from freehold.services.logs.groups import CLASSES

Properties = dict[str, Any]


async def _create_group(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("LogGroupName") or ctx.name(512)
    request: Properties = {"logGroupName": name}
    if tags := ctx.tags | _tags(properties):
        request["tags"] = tags
    for member, key in (("logGroupClass", "LogGroupClass"), ("deletionProtectionEnabled", "DeletionProtectionEnabled")):
        if key in properties:
            request[member] = properties[key]
    await ctx.call("logs", "CreateLogGroup", **request)
    if "RetentionInDays" in properties:
        await ctx.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=properties["RetentionInDays"])
    return Physical(name, {"Arn": _arn(ctx, name) + ":*"})


async def _update_group(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    if old.get("LogGroupClass", "STANDARD") != new.get("LogGroupClass", "STANDARD"):
        raise Fault("InvalidParameterException", "The log group class of a log group can't be changed.")
    name = physical.id
    if old.get("RetentionInDays") != new.get("RetentionInDays"):
        if "RetentionInDays" in new:
            await ctx.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=new["RetentionInDays"])
        else:
            await ctx.call("logs", "DeleteRetentionPolicy", logGroupName=name)
    if old.get("DeletionProtectionEnabled", False) != (protected := new.get("DeletionProtectionEnabled", False)):
        await ctx.call(
            "logs", "PutLogGroupDeletionProtection", logGroupIdentifier=name, deletionProtectionEnabled=protected
        )
    gone = sorted(set(_tags(old)) - set(_tags(new)))
    if gone:
        await ctx.call("logs", "UntagResource", resourceArn=_arn(ctx, name), tagKeys=gone)
    if tags := ctx.tags | _tags(new):
        await ctx.call("logs", "TagResource", resourceArn=_arn(ctx, name), tags=tags)
    return physical


async def _delete_group(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteLogGroup", logGroupName=physical.id)


async def _create_stream(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("LogStreamName") or ctx.name(512)
    await ctx.call("logs", "CreateLogStream", logGroupName=properties["LogGroupName"], logStreamName=name)
    return Physical(name)


async def _delete_stream(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteLogStream", logGroupName=properties["LogGroupName"], logStreamName=physical.id)


async def _put_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    await ctx.call(
        "logs",
        "PutResourcePolicy",
        policyName=properties["PolicyName"],
        policyDocument=properties["PolicyDocument"],
    )
    return Physical(properties["PolicyName"])


async def _update_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _put_policy(ctx, new)


async def _delete_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteResourcePolicy", policyName=physical.id)


async def _put_filter(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("FilterName") or ctx.name(512)
    request = {
        "logGroupName": properties["LogGroupName"],
        "filterName": name,
        "filterPattern": properties["FilterPattern"],
        "destinationArn": properties["DestinationArn"],
    }
    if "Distribution" in properties:
        request["distribution"] = properties["Distribution"]
    await ctx.call("logs", "PutSubscriptionFilter", **request)
    return Physical(name)


async def _update_filter(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _put_filter(ctx, new | {"FilterName": physical.id})


async def _delete_filter(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    group = properties["LogGroupName"]
    await _unless_gone(ctx, "DeleteSubscriptionFilter", logGroupName=group, filterName=physical.id)


async def _unless_gone(ctx: ResourceContext, operation: str, **request: str) -> None:
    try:
        await ctx.call("logs", operation, **request)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


def _tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _arn(ctx: ResourceContext, name: str) -> str:
    return arns.make("logs", ctx.region, ctx.account, f"log-group:{name}")


TYPES = (
    ResourceType(
        name="AWS::Logs::LogGroup",
        properties={
            "LogGroupName": STRING,
            "RetentionInDays": INTEGER,
            "LogGroupClass": Choice(CLASSES),
            "DeletionProtectionEnabled": BOOLEAN,
            "Tags": [{"Key": STRING, "Value": STRING}],
        },
        replace=frozenset({"LogGroupName"}),
        attributes=frozenset({"Arn"}),
        create=_create_group,
        update=_update_group,
        delete=_delete_group,
    ),
    ResourceType(
        name="AWS::Logs::LogStream",
        properties={"LogGroupName": STRING, "LogStreamName": STRING},
        required=frozenset({"LogGroupName"}),
        create=_create_stream,
        delete=_delete_stream,
    ),
    ResourceType(
        name="AWS::Logs::SubscriptionFilter",
        properties={
            "FilterName": STRING,
            "LogGroupName": STRING,
            "FilterPattern": STRING,
            "DestinationArn": STRING,
            "Distribution": Choice(("ByLogStream", "Random")),
        },
        required=frozenset({"LogGroupName", "FilterPattern", "DestinationArn"}),
        replace=frozenset({"FilterName", "LogGroupName"}),
        create=_put_filter,
        update=_update_filter,
        delete=_delete_filter,
    ),
    ResourceType(
        name="AWS::Logs::ResourcePolicy",
        properties={"PolicyName": STRING, "PolicyDocument": STRING},
        required=frozenset({"PolicyName", "PolicyDocument"}),
        replace=frozenset({"PolicyName"}),
        create=_put_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
