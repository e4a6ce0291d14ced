"""AWS::Lambda::Url."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


def _target(properties: Properties) -> Properties:
    request = {"FunctionName": properties["TargetFunctionArn"]}
    return request | ({"Qualifier": properties["Qualifier"]} if properties.get("Qualifier") else {})


def _physical(made: Properties) -> Physical:
    arn = made["FunctionArn"]
    return Physical(arn, {"FunctionArn": arn, "FunctionUrl": made["FunctionUrl"]})


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    request = {key: properties[key] for key in ("AuthType", "Cors", "InvokeMode") if key in properties}
    return _physical(await ctx.call("lambda", "CreateFunctionUrlConfig", **_target(properties), **request))


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = {
        "AuthType": new["AuthType"],
        "Cors": new.get("Cors") or {},
        "InvokeMode": new.get("InvokeMode", "BUFFERED"),
    }
    return _physical(await ctx.call("lambda", "UpdateFunctionUrlConfig", **_target(new), **request))


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("lambda", "DeleteFunctionUrlConfig", **_target(properties))
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


URL = ResourceType(
    name="AWS::Lambda::Url",
    properties={
        "AuthType": STRING,
        "Cors": {
            "AllowCredentials": BOOLEAN,
            "AllowHeaders": [STRING],
            "AllowMethods": [STRING],
            "AllowOrigins": [STRING],
            "ExposeHeaders": [STRING],
            "MaxAge": INTEGER,
        },
        "InvokeMode": STRING,
        "Qualifier": STRING,
        "TargetFunctionArn": STRING,
    },
    required=frozenset({"AuthType", "TargetFunctionArn"}),
    replace=frozenset({"TargetFunctionArn", "Qualifier"}),
    attributes=frozenset({"FunctionArn", "FunctionUrl"}),
    create=_create,
    update=_update,
    delete=_delete,
)
