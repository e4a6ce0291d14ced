"""CloudFormation types of EventBridge: buses, their policies, rules."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakValueDictionary

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, INTEGER, STRING, Choice, Map, Physical, ResourceContext, ResourceType
from freehold.rules.templates.functions import UNKNOWN
from freehold.services.events import schedules
from freehold.services.events.model import DISABLED, ENABLED, ENABLED_WITH_TRAIL
from freehold.services.events.names import DEFAULT, BusName, parse_bus
from freehold.services.events.rules import check_pattern
from freehold.services.events.target_checks import check_kind

Properties = dict[str, Any]
_TAGS = [{"Key": STRING, "Value": STRING}]


def _text(document: Any) -> str:
    return document if isinstance(document, str) else orjson.dumps(document).decode()


def _picked(properties: Properties, *names: str) -> Properties:
    return {name: properties[name] for name in names if name in properties}


async def _retag(ctx: ResourceContext, arn: str, old: Properties, new: Properties) -> None:
    """Bring the tags of a resource from what they were to what they shall be."""
    before, after = ctx.previous_tags | _tags(old), ctx.tags | _tags(new)
    if gone := sorted(set(before) - set(after)):
        await ctx.call("events", "UntagResource", ResourceARN=arn, TagKeys=gone)
    if added := {key: value for key, value in after.items() if before.get(key) != value}:
        await ctx.call("events", "TagResource", ResourceARN=arn, Tags=_tag_list(added))


def _tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Without CloudFormation's own, which may not be set by anybody else."""
    return [{"Key": key, "Value": value} for key, value in tags.items() if not key.startswith("aws:")]


async def _unless_gone(ctx: ResourceContext, operation: str, **request: Any) -> dict[str, Any]:
    try:
        return await ctx.call("events", operation, **request)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise
        return {}


# --- AWS::Events::EventBus

_BUS = ("Description", "LogConfig")


async def _create_bus(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties["Name"]
    tags = _tag_list(ctx.tags | _tags(properties))
    await ctx.call("events", "CreateEventBus", Name=name, Tags=tags, **_picked(properties, *_BUS))
    ctx.made(name)
    if "Policy" in properties:
        await ctx.call("events", "PutPermission", EventBusName=name, Policy=_text(properties["Policy"]))
    return _bus(ctx, name, properties)


def _bus(ctx: ResourceContext, name: str, properties: Properties) -> Physical:
    arn = BusName(ctx.account, ctx.region, name).arn
    return Physical(name, {"Arn": arn, "Name": name, "Policy": _text(properties.get("Policy", ""))})


async def _update_bus(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.id
    reset = {"Description": "", "LogConfig": {}}
    settings = {member: new.get(member, reset[member]) for member in _BUS if old.get(member) != new.get(member)}
    if settings:
        await ctx.call("events", "UpdateEventBus", Name=name, **settings)
    if "Policy" in new and old.get("Policy") != new["Policy"]:
        await ctx.call("events", "PutPermission", EventBusName=name, Policy=_text(new["Policy"]))
    elif "Policy" in old and "Policy" not in new:
        await ctx.call("events", "RemovePermission", EventBusName=name, RemoveAllPermissions=True)
    await _retag(ctx, BusName(ctx.account, ctx.region, name).arn, old, new)
    return _bus(ctx, name, new)


async def _delete_bus(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await ctx.call("events", "DeleteEventBus", Name=physical.id)


# --- AWS::Events::EventBusPolicy


_turns: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()
"""By bus: a statement is added to its policy by reading and writing the whole, which the resources of a stack do at once."""


async def _put_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    bus, sid = properties.get("EventBusName", DEFAULT), properties["StatementId"]
    turn = _turns.setdefault((ctx.account, ctx.region, bus), asyncio.Lock())
    async with turn:
        if "Statement" in properties:
            given = properties["Statement"]
            statement = {**(orjson.loads(given) if isinstance(given, str) else given), "Sid": sid}
            await _put_statement(ctx, bus, statement)
        else:
            parts = _picked(properties, "Action", "Principal", "Condition")
            await ctx.call("events", "PutPermission", EventBusName=bus, StatementId=sid, **parts)
    id = f"{bus}|{sid}"
    return Physical(id, {"Id": id})


async def _put_statement(ctx: ResourceContext, bus: str, statement: Properties) -> None:
    """Set a statement in the place of the one with its Sid."""
    described = await ctx.call("events", "DescribeEventBus", Name=bus)
    document = orjson.loads(described.get("Policy") or '{"Statement": []}')
    kept = [each for each in document["Statement"] if each.get("Sid") != statement["Sid"]]
    policy = {"Version": "2012-10-17", "Statement": [*kept, statement]}
    await ctx.call("events", "PutPermission", EventBusName=bus, Policy=_text(policy))


async def _update_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _put_policy(ctx, new)


async def _delete_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    bus, sid = properties.get("EventBusName", DEFAULT), properties["StatementId"]
    await _unless_gone(ctx, "RemovePermission", EventBusName=bus, StatementId=sid)


# --- AWS::Events::Rule

_RULE = ("Description", "EventBusName", "RoleArn", "ScheduleExpression", "State")


async def _create_rule(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    await _put_rule(ctx, name, properties, _tag_list(ctx.tags | _tags(properties)))
    physical = _rule(ctx, name, properties)
    ctx.made(physical.id)
    if properties.get("Targets"):
        await _put_targets(ctx, name, properties)
    return physical


def _rule(ctx: ResourceContext, name: str, properties: Properties) -> Physical:
    bus = parse_bus(properties.get("EventBusName"), ctx.account, ctx.region)
    id = name if bus.name == DEFAULT else f"{bus.name}|{name}"
    return Physical(id, {"Arn": bus.rule_arn(name)})


async def _put_rule(
    ctx: ResourceContext, name: str, properties: Properties, tags: list[dict[str, str]] | None = None
) -> None:
    request = _picked(properties, *_RULE)
    if "EventPattern" in properties:
        request["EventPattern"] = _text(properties["EventPattern"])
    if tags:
        request["Tags"] = tags
    await ctx.call("events", "PutRule", Name=name, **request)


async def _put_targets(ctx: ResourceContext, name: str, properties: Properties) -> None:
    bus = _picked(properties, "EventBusName")
    await ctx.call("events", "PutTargets", Rule=name, Targets=properties["Targets"], **bus)


async def _update_rule(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.id.rpartition("|")[2]
    await _put_rule(ctx, name, new)
    kept = {target["Id"] for target in new.get("Targets", [])}
    if gone := [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]:
        await ctx.call("events", "RemoveTargets", Rule=name, Ids=gone, **_picked(new, "EventBusName"))
    if kept:
        await _put_targets(ctx, name, new)
    found = _rule(ctx, name, new)
    await _retag(ctx, found.attributes["Arn"], old, new)
    return found


async def _delete_rule(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    name, bus = physical.id.rpartition("|")[2], _picked(properties, "EventBusName")
    targets = (await _unless_gone(ctx, "ListTargetsByRule", Rule=name, **bus)).get("Targets", [])
    if targets:
        await _unless_gone(ctx, "RemoveTargets", Rule=name, Ids=[target["Id"] for target in targets], **bus)
    await _unless_gone(ctx, "DeleteRule", Name=name, **bus)


def _check_rule(properties: Properties) -> None:
    """Refuse what can be seen in the template before anything of the stack is created."""
    targets = properties.get("Targets")
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, dict) and isinstance(target.get("Arn"), str):
            check_kind(str(target.get("Id", "")), target["Arn"])
    pattern, schedule = properties.get("EventPattern"), properties.get("ScheduleExpression")
    if pattern is not None and _known(pattern):
        check_pattern(_text(pattern))
    if isinstance(schedule, str):
        schedules.check(schedule, BusName("", "", DEFAULT))


def _known(value: Any) -> bool:
    """Is nothing of a value still to be created?"""
    if isinstance(value, dict):
        return all(map(_known, value.values()))
    if isinstance(value, list):
        return all(map(_known, value))
    return value is not UNKNOWN


_TARGET = {
    "Arn": STRING,
    "DeadLetterConfig": {"Arn": STRING},
    "HttpParameters": {
        "HeaderParameters": Map(STRING),
        "PathParameterValues": [STRING],
        "QueryStringParameters": Map(STRING),
    },
    "Id": STRING,
    "Input": STRING,
    "InputPath": STRING,
    "InputTransformer": {"InputPathsMap": Map(STRING), "InputTemplate": STRING},
    "RetryPolicy": {"MaximumEventAgeInSeconds": INTEGER, "MaximumRetryAttempts": INTEGER},
    "RoleArn": STRING,
    "SqsParameters": {"MessageGroupId": STRING},
}

TYPES = (
    ResourceType(
        name="AWS::Events::EventBus",
        properties={
            "Description": STRING,
            "LogConfig": {"IncludeDetail": Choice(("NONE", "FULL")), "Level": Choice(("OFF",))},
            "Name": STRING,
            "Policy": ANY,
            "Tags": _TAGS,
        },
        required=frozenset({"Name"}),
        replace=frozenset({"Name"}),
        attributes=frozenset({"Arn", "Name", "Policy"}),
        create=_create_bus,
        update=_update_bus,
        delete=_delete_bus,
    ),
    ResourceType(
        name="AWS::Events::EventBusPolicy",
        properties={
            "Action": STRING,
            "Condition": {"Key": STRING, "Type": STRING, "Value": STRING},
            "EventBusName": STRING,
            "Principal": STRING,
            "Statement": ANY,
            "StatementId": STRING,
        },
        required=frozenset({"StatementId"}),
        replace=frozenset({"EventBusName", "StatementId"}),
        attributes=frozenset({"Id"}),
        create=_put_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::Events::Rule",
        properties={
            "Description": STRING,
            "EventBusName": STRING,
            "EventPattern": ANY,
            "Name": STRING,
            "RoleArn": STRING,
            "ScheduleExpression": STRING,
            "State": Choice((ENABLED, DISABLED, ENABLED_WITH_TRAIL)),
            "Tags": _TAGS,
            "Targets": [_TARGET],
        },
        replace=frozenset({"EventBusName", "Name"}),
        attributes=frozenset({"Arn"}),
        check=_check_rule,
        create=_create_rule,
        update=_update_rule,
        delete=_delete_rule,
    ),
)
