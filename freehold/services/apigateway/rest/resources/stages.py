"""AWS::ApiGateway::Deployment and AWS::ApiGateway::Stage."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.resources import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Choice,
    Map,
    Physical,
    ResourceContext,
    ResourceType,
    Schema,
)
from freehold.services.apigateway.rest.resources.shared import (
    API,
    TAGS,
    Properties,
    escaped,
    gone,
    lowered,
    retag,
    tags_of,
)

METHOD_SETTING: Schema = {
    "CacheDataEncrypted": Choice((False,)),
    "CachingEnabled": Choice((False,)),
    "DataTraceEnabled": Choice((False,)),
    "HttpMethod": STRING,
    "LoggingLevel": Choice(("OFF",)),
    "MetricsEnabled": Choice((False,)),
    "ResourcePath": STRING,
    "ThrottlingBurstLimit": INTEGER,
    "ThrottlingRateLimit": NUMBER,
}


def _settings(api_settings: list[Properties]) -> list[Properties]:
    """MethodSettings as patch operations. Slashes of a resource path may be written `~1`, its first one left out."""
    found = []
    for setting in api_settings:
        path = setting.get("ResourcePath", "/*").replace("~1", "/")
        path = "*" if path in ("/*", "*") else "/" + path.lstrip("/")
        where = f"/{escaped(path)}/{setting.get('HttpMethod', '*')}"
        for member, name in (
            ("ThrottlingBurstLimit", "throttling/burstLimit"),
            ("ThrottlingRateLimit", "throttling/rateLimit"),
            ("LoggingLevel", "logging/loglevel"),
            ("DataTraceEnabled", "logging/dataTrace"),
            ("MetricsEnabled", "metrics/enabled"),
            ("CachingEnabled", "caching/enabled"),
            ("CacheDataEncrypted", "caching/dataEncrypted"),
        ):
            if member in setting:
                value = setting[member]
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found.append({"op": "replace", "path": f"{where}/{name}", "value": text})
    return found


def _stage_patches(new: Properties, old: Properties) -> list[Properties]:
    found: list[Properties] = []
    keys = {operation["path"].rpartition("/throttling/")[0] for operation in _settings(new.get("MethodSettings", []))}
    for operation in _settings(old.get("MethodSettings", [])):
        key = operation["path"].rpartition("/throttling/")[0]
        if key and key not in keys:
            keys.add(key)
            found.append({"op": "remove", "path": key})
    found += _settings(new.get("MethodSettings", []))
    log = new.get("AccessLogSetting")
    if log:
        for member, name in (("DestinationArn", "destinationArn"), ("Format", "format")):
            if member in log:
                found.append({"op": "replace", "path": f"/accessLogSettings/{name}", "value": log[member]})
    elif old.get("AccessLogSetting"):
        found.append({"op": "remove", "path": "/accessLogSettings"})
    return found


MEMBERS = ("Description", "TracingEnabled", "Variables")


async def _create_stage(ctx: ResourceContext, properties: Properties) -> Physical:
    api_id, name = properties["RestApiId"], properties.get("StageName", "default")
    asked = lowered(properties, "CacheClusterEnabled", "DeploymentId", *MEMBERS)
    await ctx.call(API, "CreateStage", restApiId=api_id, stageName=name, tags=tags_of(ctx, properties), **asked)
    operations = _stage_patches(properties, {})
    if operations:
        await ctx.call(API, "UpdateStage", restApiId=api_id, stageName=name, patchOperations=operations)
    return Physical(name)


async def _update_stage(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    operations: list[Properties] = []
    for member, path in (("DeploymentId", "/deploymentId"), ("Description", "/description")):
        if member in new:
            operations.append({"op": "replace", "path": path, "value": new[member]})
        elif member in old and member == "Description":
            operations.append({"op": "remove", "path": path})
    value = "true" if new.get("TracingEnabled") else "false"
    operations.append({"op": "replace", "path": "/tracingEnabled", "value": value})
    variables, before = new.get("Variables", {}), old.get("Variables", {})
    operations += [{"op": "replace", "path": f"/variables/{name}", "value": text} for name, text in variables.items()]
    operations += [{"op": "remove", "path": f"/variables/{name}"} for name in before if name not in variables]
    operations += _stage_patches(new, old)
    await ctx.call(API, "UpdateStage", restApiId=new["RestApiId"], stageName=physical.id, patchOperations=operations)
    await retag(ctx, f"/restapis/{new['RestApiId']}/stages/{physical.id}", old, new)
    return physical


async def _delete_stage(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteStage", restApiId=properties["RestApiId"], stageName=physical.id)


async def _create_deployment(ctx: ResourceContext, properties: Properties) -> Physical:
    asked = lowered(properties, "RestApiId", "Description", "StageName")
    described = properties.get("StageDescription") or {}
    if "Description" in described:
        asked["stageDescription"] = described["Description"]
    asked |= lowered(described, "TracingEnabled", "Variables")
    made = await ctx.call(API, "CreateDeployment", **asked)
    return Physical(made["id"], {"DeploymentId": made["id"]})


async def _update_deployment(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    """A deployment is a snapshot: only what is said of it changes; a new name of its stage deploys there."""
    api_id = new["RestApiId"]
    if new.get("Description") != old.get("Description"):
        operation = {"op": "replace", "path": "/description", "value": new.get("Description", "")}
        await ctx.call(API, "UpdateDeployment", restApiId=api_id, deploymentId=physical.id, patchOperations=[operation])
    return physical


async def _delete_deployment(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    """The stage that a deployment made goes with it, unless another deployment serves it by now."""
    api_id, name = properties["RestApiId"], properties.get("StageName")
    try:
        if name:
            stage = await ctx.call(API, "GetStage", restApiId=api_id, stageName=name)
            if stage["deploymentId"] == physical.id:
                await ctx.call(API, "DeleteStage", restApiId=api_id, stageName=name)
    except Fault as fault:
        if fault.code != "NotFoundException":
            raise
    await gone(ctx, "DeleteDeployment", restApiId=api_id, deploymentId=physical.id)


TYPES = (
    ResourceType(
        name="AWS::ApiGateway::Deployment",
        properties={
            "Description": STRING,
            "RestApiId": STRING,
            "StageDescription": {"Description": STRING, "TracingEnabled": BOOLEAN, "Variables": Map(STRING)},
            "StageName": STRING,
        },
        required=frozenset({"RestApiId"}),
        replace=frozenset({"RestApiId", "StageName", "StageDescription"}),
        attributes=frozenset({"DeploymentId"}),
        create=_create_deployment,
        update=_update_deployment,
        delete=_delete_deployment,
    ),
    ResourceType(
        name="AWS::ApiGateway::Stage",
        properties={
            "AccessLogSetting": {"DestinationArn": STRING, "Format": STRING},
            "CacheClusterEnabled": Choice((False,)),
            "DeploymentId": STRING,
            "Description": STRING,
            "MethodSettings": [METHOD_SETTING],
            "RestApiId": STRING,
            "StageName": STRING,
            "Tags": TAGS,
            "TracingEnabled": BOOLEAN,
            "Variables": Map(STRING),
        },
        required=frozenset({"RestApiId"}),
        replace=frozenset({"RestApiId", "StageName"}),
        create=_create_stage,
        update=_update_stage,
        delete=_delete_stage,
    ),
)
