"""AWS::Lambda::LayerVersion and AWS::Lambda::LayerVersionPermission."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]
_MEMBERS = ("Content", "Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures")


async def _publish(ctx: ResourceContext, properties: Properties) -> Physical:
    request = {key: properties[key] for key in _MEMBERS if key in properties}
    name = properties.get("LayerName") or ctx.name(64)
    made = await ctx.call("lambda", "PublishLayerVersion", LayerName=name, **request)
    return Physical(made["LayerVersionArn"], {"LayerVersionArn": made["LayerVersionArn"]})


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    layer, _, version = physical.id.rpartition(":")
    await ctx.call("lambda", "DeleteLayerVersion", LayerName=layer, VersionNumber=int(version))


async def _permit(ctx: ResourceContext, properties: Properties) -> Physical:
    layer, _, version = properties["LayerVersionArn"].rpartition(":")
    sid = ctx.name(100)
    request = {key: properties[key] for key in ("Action", "Principal", "OrganizationId") if key in properties}
    try:
        await ctx.call(
            "lambda",
            "AddLayerVersionPermission",
            LayerName=layer,
            VersionNumber=int(version),
            StatementId=sid,
            **request,
        )
    except Fault as fault:
        if fault.code != "ResourceConflictException":  # the id is this resource's own: it was added before a crash
            raise
    ident = f"{properties['LayerVersionArn']}#{sid}"
    return Physical(ident, {"Id": ident})


async def _forbid(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    arn, _, sid = physical.id.partition("#")
    layer, _, version = arn.rpartition(":")
    try:
        await ctx.call(
            "lambda", "RemoveLayerVersionPermission", LayerName=layer, VersionNumber=int(version), StatementId=sid
        )
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


TYPES = (
    ResourceType(
        name="AWS::Lambda::LayerVersion",
        properties={
            "CompatibleArchitectures": [STRING],
            "CompatibleRuntimes": [STRING],
            "Content": {"S3Bucket": STRING, "S3Key": STRING, "S3ObjectVersion": STRING},
            "Description": STRING,
            "LayerName": STRING,
            "LicenseInfo": STRING,
        },
        required=frozenset({"Content"}),
        attributes=frozenset({"LayerVersionArn"}),
        create=_publish,
        delete=_delete,
    ),
    ResourceType(
        name="AWS::Lambda::LayerVersionPermission",
        properties={"Action": STRING, "LayerVersionArn": STRING, "OrganizationId": STRING, "Principal": STRING},
        required=frozenset({"Action", "LayerVersionArn", "Principal"}),
        attributes=frozenset({"Id"}),
        create=_permit,
        delete=_forbid,
    ),
)
