"""CloudFormation types of Systems Manager."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import STRING, Map, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(2048)
    await ctx.call("ssm", "PutParameter", **_request(name, properties))
    tags = {**ctx.tags, **properties.get("Tags", {})}
    if tags:
        await _tag(ctx, name, tags)
    return _physical(name, properties)


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await ctx.call("ssm", "PutParameter", Overwrite=True, **_request(physical.id, new))
    gone = sorted(set(old.get("Tags", {})) - set(new.get("Tags", {})))
    if gone:
        await ctx.call("ssm", "RemoveTagsFromResource", ResourceType="Parameter", ResourceId=physical.id, TagKeys=gone)
    if new.get("Tags"):
        await _tag(ctx, physical.id, new["Tags"])
    return _physical(physical.id, new)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("ssm", "DeleteParameter", Name=physical.id)
    except Fault as fault:
        if fault.code != "ParameterNotFound":
            raise


def _request(name: str, properties: Properties) -> Properties:
    copied = ("Type", "Value", "Description", "AllowedPattern", "Tier", "DataType")
    return {"Name": name} | {key: properties[key] for key in copied if key in properties}


async def _tag(ctx: ResourceContext, name: str, tags: dict[str, str]) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    await ctx.call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId=name, Tags=listed)


def _physical(name: str, properties: Properties) -> Physical:
    return Physical(name, {"Type": properties["Type"], "Value": properties["Value"]})


TYPES = (
    ResourceType(
        name="AWS::SSM::Parameter",
        properties={
            "Name": STRING,
            "Type": STRING,
            "Value": STRING,
            "Description": STRING,
            "AllowedPattern": STRING,
            "Tier": STRING,
            "DataType": STRING,
            "Tags": Map(STRING),
        },
        required=frozenset({"Type", "Value"}),
        replace=frozenset({"Name"}),
        attributes=frozenset({"Type", "Value"}),
        create=_create,
        update=_update,
        delete=_delete,
    ),
)
