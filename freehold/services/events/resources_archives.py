"""CloudFormation's type of archives."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


def _request(properties: Properties) -> Properties:
    pattern = properties.get("EventPattern")
    request: Properties = {
        "Description": properties.get("Description", ""),
        "RetentionDays": properties.get("RetentionDays", 0),
    }
    if pattern is not None:
        request["EventPattern"] = pattern if isinstance(pattern, str) else orjson.dumps(pattern).decode()
    return request


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("ArchiveName") or ctx.name(48)
    source = properties["SourceArn"]
    made = await ctx.call("events", "CreateArchive", ArchiveName=name, EventSourceArn=source, **_request(properties))
    return Physical(name, {"Arn": made["ArchiveArn"], "ArchiveName": name})


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await ctx.call("events", "UpdateArchive", ArchiveName=physical.id, **({"EventPattern": ""} | _request(new)))
    return physical


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("events", "DeleteArchive", ArchiveName=physical.id)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


TYPES = (
    ResourceType(
        name="AWS::Events::Archive",
        properties={
            "ArchiveName": STRING,
            "Description": STRING,
            "EventPattern": ANY,
            "RetentionDays": INTEGER,
            "SourceArn": STRING,
        },
        required=frozenset({"SourceArn"}),
        replace=frozenset({"ArchiveName", "SourceArn"}),
        attributes=frozenset({"Arn", "ArchiveName"}),
        create=_create,
        update=_update,
        delete=_delete,
    ),
)
