"""CloudFormation's type of pipes. It waits, as CloudFormation does, until a pipe is what it shall be."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.ports.resources import INTEGER, STRING, Choice, Map, Physical, ResourceContext, ResourceType
from freehold.services.pipes.model import RUNNING, STOPPED, TRANSITIONS

Properties = dict[str, Any]
_POLL_S = 0.05
_COPIED = (
    *("Description", "DesiredState", "Enrichment", "EnrichmentParameters", "Target", "TargetParameters", "RoleArn"),
    *("LogConfiguration", "SourceParameters"),
)
_HTTP = {
    "HeaderParameters": Map(STRING),
    "PathParameterValues": [STRING],
    "QueryStringParameters": Map(STRING),
}
_WINDOW = {"BatchSize": INTEGER, "MaximumBatchingWindowInSeconds": INTEGER}


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    request = {key: properties[key] for key in (*_COPIED, "Source") if key in properties}
    tags = _tags(ctx.tags, properties)
    if tags:
        request["Tags"] = tags
    await ctx.call("pipes", "CreatePipe", Name=name, **request)
    ctx.made(name)
    return await _settled(ctx, name)


def _tags(stack: dict[str, str], properties: Properties) -> dict[str, str]:
    return {key: value for key, value in (stack | properties.get("Tags", {})).items() if not key.startswith("aws:")}


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = {key: new[key] for key in _COPIED if key in new}
    # What the template no longer sets goes back to its default.
    request.setdefault("Description", "")
    request.setdefault("DesiredState", RUNNING)
    if "Enrichment" in old:
        request.setdefault("Enrichment", "")
    if "LogConfiguration" in old:
        request.setdefault("LogConfiguration", {"Level": "OFF"})
    for name in ("SourceParameters", "EnrichmentParameters", "TargetParameters"):
        request[name] = _emptied(old.get(name, {})) | new.get(name, {})
        if not request[name]:
            del request[name]
    await ctx.call("pipes", "UpdatePipe", Name=physical.id, **request)
    await _retag(ctx, physical, old, new)
    return await _settled(ctx, physical.id)


def _emptied(parameters: Properties) -> Properties:
    """Parameters of before, each set to what takes it away."""
    empty: dict[str, Any] = {"InputTemplate": "", "FilterCriteria": {"Filters": []}}
    return {name: empty.get(name, {}) for name in parameters}


async def _retag(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> None:
    before, after = _tags(ctx.previous_tags, old), _tags(ctx.tags, new)
    arn = physical.attributes["Arn"]
    gone = sorted(set(before) - set(after))
    if gone:
        await ctx.call("pipes", "UntagResource", resourceArn=arn, tagKeys=gone)
    if after:
        await ctx.call("pipes", "TagResource", resourceArn=arn, tags=after)


async def _settled(ctx: ResourceContext, name: str) -> Physical:
    """The pipe when its transition has ended. Raises Fault where it failed."""
    while (found := await ctx.call("pipes", "DescribePipe", Name=name))["CurrentState"] in TRANSITIONS:
        await asyncio.sleep(_POLL_S)
    if found["CurrentState"] not in (RUNNING, STOPPED):
        raise Fault("ValidationException", f"Pipe {name} is {found['CurrentState']}: {found.get('StateReason', '')}")
    return Physical(
        name,
        {
            "Arn": found["Arn"],
            "CreationTime": iso8601(found["CreationTime"]),
            "CurrentState": found["CurrentState"],
            "LastModifiedTime": iso8601(found["LastModifiedTime"]),
            "StateReason": found.get("StateReason", ""),
        },
    )


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("pipes", "DeletePipe", Name=physical.id)
    except Fault as fault:
        if fault.code not in ("NotFoundException", "ConflictException"):
            raise
    try:
        while True:
            await ctx.call("pipes", "DescribePipe", Name=physical.id)
            await asyncio.sleep(_POLL_S)
    except Fault as fault:
        if fault.code != "NotFoundException":
            raise


TYPES = (
    ResourceType(
        name="AWS::Pipes::Pipe",
        properties={
            "Name": STRING,
            "Description": STRING,
            "DesiredState": Choice((RUNNING, STOPPED)),
            "Source": STRING,
            "SourceParameters": {
                "FilterCriteria": {"Filters": [{"Pattern": STRING}]},
                "SqsQueueParameters": _WINDOW,
            },
            "Enrichment": STRING,
            "EnrichmentParameters": {"HttpParameters": _HTTP, "InputTemplate": STRING},
            "Target": STRING,
            "TargetParameters": {
                "CloudWatchLogsParameters": {"LogStreamName": STRING, "Timestamp": STRING},
                "EventBridgeEventBusParameters": {
                    "DetailType": STRING,
                    "Resources": [STRING],
                    "Source": STRING,
                    "Time": STRING,
                },
                "HttpParameters": _HTTP,
                "InputTemplate": STRING,
                "LambdaFunctionParameters": {"InvocationType": Choice(("REQUEST_RESPONSE", "FIRE_AND_FORGET"))},
                "SqsQueueParameters": {"MessageDeduplicationId": STRING, "MessageGroupId": STRING},
            },
            "RoleArn": STRING,
            "Tags": Map(STRING),
            "LogConfiguration": {
                "CloudwatchLogsLogDestination": {"LogGroupArn": STRING},
                "IncludeExecutionData": [STRING],
                "Level": Choice(("OFF", "ERROR", "INFO", "TRACE")),
            },
        },
        required=frozenset({"RoleArn", "Source", "Target"}),
        replace=frozenset({"Name", "Source"}),
        attributes=frozenset({"Arn", "CreationTime", "CurrentState", "LastModifiedTime", "StateReason"}),
        create=_create,
        update=_update,
        delete=_delete,
    ),
)
