"""AWS::Lambda::Permission."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    sid = ctx.name(100)
    try:
        await ctx.call("lambda", "AddPermission", StatementId=sid, **properties)
    except Fault as fault:
        if fault.code != "ResourceConflictException":  # the id is this resource's own: it was added before a crash
            raise
    return Physical(sid, {"Id": sid})


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("lambda", "RemovePermission", FunctionName=properties["FunctionName"], StatementId=physical.id)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


PERMISSION = ResourceType(
    name="AWS::Lambda::Permission",
    properties={
        "Action": STRING,
        "EventSourceToken": STRING,
        "FunctionName": STRING,
        "FunctionUrlAuthType": STRING,
        "InvokedViaFunctionUrl": BOOLEAN,
        "Principal": STRING,
        "PrincipalOrgID": STRING,
        "SourceAccount": STRING,
        "SourceArn": STRING,
    },
    required=frozenset({"Action", "FunctionName", "Principal"}),
    attributes=frozenset({"Id"}),
    create=_create,
    delete=_delete,
)
