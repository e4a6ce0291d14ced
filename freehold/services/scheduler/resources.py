"""CloudFormation types of EventBridge Scheduler."""

from __future__ import annotations

from typing import Any

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.ports.resources import INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]
_COPIED = (
    *("GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description"),
    *("State", "Target", "FlexibleTimeWindow"),
)


async def _create_schedule(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    answer = await ctx.call("scheduler", "CreateSchedule", Name=name, **_request(properties))
    return Physical(name, {"Arn": answer["ScheduleArn"]})


async def _update_schedule(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    answer = await ctx.call("scheduler", "UpdateSchedule", Name=physical.id, **_request(new))
    return Physical(physical.id, {"Arn": answer["ScheduleArn"]})


async def _delete_schedule(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    group = {"GroupName": properties["GroupName"]} if "GroupName" in properties else {}
    await _gone(ctx, "DeleteSchedule", Name=physical.id, **group)


def _request(properties: Properties) -> Properties:
    return {key: properties[key] for key in _COPIED if key in properties}


async def _create_group(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    tags = ctx.tags | {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    await ctx.call("scheduler", "CreateScheduleGroup", Name=name, Tags=_listed(own))
    return await _described(ctx, name)


async def _update_group(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    before = ctx.previous_tags | {tag["Key"]: tag["Value"] for tag in old.get("Tags", [])}
    after = ctx.tags | {tag["Key"]: tag["Value"] for tag in new.get("Tags", [])}
    arn = physical.attributes["Arn"]
    gone = sorted(key for key in before if key not in after and not key.startswith("aws:"))
    if gone:
        await ctx.call("scheduler", "UntagResource", ResourceArn=arn, TagKeys=gone)
    added = {key: value for key, value in after.items() if not key.startswith("aws:")}
    if added:
        await ctx.call("scheduler", "TagResource", ResourceArn=arn, Tags=_listed(added))
    return await _described(ctx, physical.id)


async def _delete_group(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _gone(ctx, "DeleteScheduleGroup", Name=physical.id)


async def _described(ctx: ResourceContext, name: str) -> Physical:
    group = await ctx.call("scheduler", "GetScheduleGroup", Name=name)
    return Physical(
        name,
        {
            "Arn": group["Arn"],
            "State": group["State"],
            "CreationDate": iso8601(group["CreationDate"]),
            "LastModificationDate": iso8601(group["LastModificationDate"]),
        },
    )


async def _gone(ctx: ResourceContext, operation: str, **request: Any) -> None:
    """What is already gone needs no deleting."""
    try:
        await ctx.call("scheduler", operation, **request)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


TYPES = (
    ResourceType(
        name="AWS::Scheduler::Schedule",
        properties={
            "Name": STRING,
            "GroupName": STRING,
            "ScheduleExpression": STRING,
            "ScheduleExpressionTimezone": STRING,
            "StartDate": STRING,
            "EndDate": STRING,
            "Description": STRING,
            "State": STRING,
            "FlexibleTimeWindow": {"Mode": STRING, "MaximumWindowInMinutes": INTEGER},
            "Target": {
                "Arn": STRING,
                "RoleArn": STRING,
                "Input": STRING,
                "DeadLetterConfig": {"Arn": STRING},
                "RetryPolicy": {"MaximumEventAgeInSeconds": INTEGER, "MaximumRetryAttempts": INTEGER},
                "SqsParameters": {"MessageGroupId": STRING},
                "EventBridgeParameters": {"DetailType": STRING, "Source": STRING},
            },
        },
        required=frozenset({"ScheduleExpression", "Target", "FlexibleTimeWindow"}),
        replace=frozenset({"Name", "GroupName"}),
        attributes=frozenset({"Arn"}),
        create=_create_schedule,
        update=_update_schedule,
        delete=_delete_schedule,
    ),
    ResourceType(
        name="AWS::Scheduler::ScheduleGroup",
        properties={"Name": STRING, "Tags": [{"Key": STRING, "Value": STRING}]},
        replace=frozenset({"Name"}),
        attributes=frozenset({"Arn", "State", "CreationDate", "LastModificationDate"}),
        create=_create_group,
        update=_update_group,
        delete=_delete_group,
    ),
)
