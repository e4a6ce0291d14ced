"""AWS::Lambda::Version and AWS::Lambda::Alias."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import NUMBER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]


async def _publish(ctx: ResourceContext, properties: Properties) -> Physical:
    request = {key: properties[key] for key in ("FunctionName", "Description", "CodeSha256") if key in properties}
    made = await ctx.call("lambda", "PublishVersion", **request)
    if made["State"] != "Pending":
        # Two resources must not own one version: the first one's deletion would take it from the second.
        raise Fault(
            "ResourceConflictException",
            f"A version for this Lambda function exists ( {made['Version']} ). Modify the function to create a new "
            "version.",
        )
    return Physical(made["FunctionArn"], {"FunctionArn": made["FunctionArn"], "Version": made["Version"]})


async def _unpublish(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    name, _, version = physical.id.rpartition(":")
    await _tolerant(ctx, "DeleteFunction", FunctionName=name, Qualifier=version)


async def _tolerant(ctx: ResourceContext, operation: str, **request: Any) -> None:
    try:
        await ctx.call("lambda", operation, **request)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


def _alias(properties: Properties) -> Properties:
    request = {
        "FunctionName": properties["FunctionName"],
        "Name": properties["Name"],
        "FunctionVersion": properties["FunctionVersion"],
        "Description": properties.get("Description", ""),
    }
    weights = (properties.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or []
    routes = {each["FunctionVersion"]: each["FunctionWeight"] for each in weights}
    return request | {"RoutingConfig": {"AdditionalVersionWeights": routes}}


async def _create_alias(ctx: ResourceContext, properties: Properties) -> Physical:
    made = await ctx.call("lambda", "CreateAlias", **_alias(properties))
    return Physical(made["AliasArn"], {"AliasArn": made["AliasArn"]})


async def _update_alias(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await ctx.call("lambda", "UpdateAlias", **_alias(new))
    return physical


async def _delete_alias(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    name, _, alias = physical.id.rpartition(":")
    await _tolerant(ctx, "DeleteAlias", FunctionName=name, Name=alias)


TYPES = (
    ResourceType(
        name="AWS::Lambda::Version",
        properties={"FunctionName": STRING, "Description": STRING, "CodeSha256": STRING},
        required=frozenset({"FunctionName"}),
        replace=frozenset({"FunctionName", "Description", "CodeSha256"}),
        attributes=frozenset({"FunctionArn", "Version"}),
        create=_publish,
        delete=_unpublish,
    ),
    ResourceType(
        name="AWS::Lambda::Alias",
        properties={
            "Name": STRING,
            "FunctionName": STRING,
            "FunctionVersion": STRING,
            "Description": STRING,
            "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": STRING, "FunctionWeight": NUMBER}]},
        },
        required=frozenset({"Name", "FunctionName", "FunctionVersion"}),
        replace=frozenset({"Name", "FunctionName"}),
        attributes=frozenset({"AliasArn"}),
        create=_create_alias,
        update=_update_alias,
        delete=_delete_alias,
    ),
)
