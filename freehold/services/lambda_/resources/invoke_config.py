"""AWS::Lambda::EventInvokeConfig."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


async def _put(ctx: ResourceContext, properties: Properties) -> Physical:
    made = await ctx.call("lambda", "PutFunctionEventInvokeConfig", **properties)
    return Physical(f"{made['FunctionArn'].rpartition(':function:')[2]}|EventInvokeConfig", {})


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _put(ctx, new)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call(
            "lambda",
            "DeleteFunctionEventInvokeConfig",
            FunctionName=properties["FunctionName"],
            Qualifier=properties["Qualifier"],
        )
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


INVOKE_CONFIG = ResourceType(
    name="AWS::Lambda::EventInvokeConfig",
    properties={
        "DestinationConfig": {"OnFailure": {"Destination": STRING}, "OnSuccess": {"Destination": STRING}},
        "FunctionName": STRING,
        "MaximumEventAgeInSeconds": INTEGER,
        "MaximumRetryAttempts": INTEGER,
        "Qualifier": STRING,
    },
    required=frozenset({"FunctionName", "Qualifier"}),
    replace=frozenset({"FunctionName", "Qualifier"}),
    create=_put,
    update=_update,
    delete=_delete,
)
