"""Resource types of things, which a service of the test's keeps in a dict."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, BOOLEAN, INTEGER, STRING, Choice, Map, Physical, ResourceContext, ResourceType

Request = dict[str, Any]


def thing(**properties: Any) -> Request:
    """A resource of the type Test::Thing."""
    return {"Type": "Test::Thing", "Properties": properties}


async def _create(ctx: ResourceContext, properties: Request) -> Physical:
    name = properties.get("Name") or ctx.name(40)
    await ctx.call("things", "CreateThing", **{**properties, "Name": name}, StackTags=dict(ctx.tags))
    return _physical(name, properties)


async def _update(ctx: ResourceContext, physical: Physical, old: Request, new: Request) -> Physical:
    await ctx.call("things", "UpdateThing", **{**new, "Name": physical.id})
    return _physical(physical.id, new)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Request) -> None:
    await ctx.call("things", "DeleteThing", Name=physical.id)


def _physical(name: str, properties: Request) -> Physical:
    return Physical(name, {"Arn": f"arn:thing:{name}", "Color": properties.get("Color", "none")})


PROPERTIES = {
    "Name": STRING,
    "Color": STRING,
    "Size": INTEGER,
    "Flag": BOOLEAN,
    "Shape": STRING,
    "Kind": Choice(("round", "square")),
    "Labels": Map(STRING),
    "Items": [{"Key": STRING, "Value": STRING}],
    "Nested": {"Deep": STRING, "Fixed": STRING},
    "Document": ANY,
    "Tags": [{"Key": STRING, "Value": STRING}],
}


def _check(properties: Request) -> None:
    if properties.get("Color") == "invisible":
        raise Fault("ValidationException", "no thing is invisible")


THING = ResourceType(
    name="Test::Thing",
    properties=PROPERTIES,
    replace=frozenset({"Name", "Shape", "Nested.Fixed"}),
    attributes=frozenset({"Arn", "Color"}),
    check=_check,
    create=_create,
    update=_update,
    delete=_delete,
)


ROLE = ResourceType(
    name="AWS::IAM::Role",
    properties={"RoleName": STRING},
    attributes=frozenset({"Arn"}),
    create=_create,
    delete=_delete,
)


THINGS = (THING, ROLE)
