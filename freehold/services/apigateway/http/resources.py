"""CloudFormation types of HTTP APIs."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Map,
    Physical,
    ResourceContext,
    ResourceType,
    Schema,
)
from freehold.services.apigateway import foreseen

Properties = dict[str, Any]
API = "apigatewayv2"
API_MEMBERS = (
    "ProtocolType",
    "Description",
    "CorsConfiguration",
    "DisableExecuteApiEndpoint",
    "Version",
    "RouteKey",
    "Target",
    "RouteSelectionExpression",
)
CORS: Schema = {
    "AllowCredentials": BOOLEAN,
    "AllowHeaders": [STRING],
    "AllowMethods": [STRING],
    "AllowOrigins": [STRING],
    "ExposeHeaders": [STRING],
    "MaxAge": INTEGER,
}
ROUTE_SETTINGS: Schema = {
    "ThrottlingBurstLimit": INTEGER,
    "ThrottlingRateLimit": NUMBER,
    "DetailedMetricsEnabled": BOOLEAN,
    "DataTraceEnabled": BOOLEAN,
    "LoggingLevel": STRING,
}


async def gone(ctx: ResourceContext, operation: str, **request: Any) -> None:
    """Call a deleting operation; what is already gone is fine."""
    try:
        await ctx.call(API, operation, **request)
    except Fault as fault:
        if fault.code != "NotFoundException":
            raise


def _kept(properties: Properties, members: tuple[str, ...]) -> Properties:
    return {member: properties[member] for member in members if member in properties}


async def _body(ctx: ResourceContext, properties: Properties) -> str | None:
    if "BodyS3Location" in properties:
        where = properties["BodyS3Location"]
        asked = {"Bucket": where["Bucket"], "Key": where["Key"]}
        if "Version" in where:
            asked["VersionId"] = where["Version"]
        content = (await ctx.call("s3", "GetObject", **asked))["Body"]
        if isinstance(content, bytes):
            return content.decode()
        return b"".join([piece async for piece in content]).decode()
    body = properties.get("Body")
    if body is None:
        return None
    return body if isinstance(body, str) else orjson.dumps(body).decode()


async def _create_api(ctx: ResourceContext, properties: Properties) -> Physical:
    body = await _body(ctx, properties)
    tags = {**ctx.tags, **properties.get("Tags", {})}
    if body is None:
        asked = _kept(properties, API_MEMBERS)
        made = await ctx.call(API, "CreateApi", Name=properties.get("Name", ctx.logical_id), Tags=tags, **asked)
    else:
        made = await ctx.call(API, "ImportApi", Body=body, **_import(properties))
        ctx.made(made["ApiId"])
        changes = _kept(
            properties, ("Name", "Description", "CorsConfiguration", "DisableExecuteApiEndpoint", "Version")
        )
        if changes:
            await ctx.call(API, "UpdateApi", ApiId=made["ApiId"], **changes)
        if tags:
            arn = f"arn:aws:apigateway:{ctx.region}::/apis/{made['ApiId']}"
            await ctx.call(API, "TagResource", ResourceArn=arn, Tags=tags)
    return _physical(made)


def _import(properties: Properties) -> Properties:
    asked: Properties = {}
    if "BasePath" in properties:
        asked["Basepath"] = properties["BasePath"]
    if "FailOnWarnings" in properties:
        asked["FailOnWarnings"] = properties["FailOnWarnings"]
    return asked


def _physical(made: Properties) -> Physical:
    return Physical(made["ApiId"], {"ApiId": made["ApiId"], "ApiEndpoint": made["ApiEndpoint"]})


async def _update_api(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    body = await _body(ctx, new)
    if body is not None:
        await ctx.call(API, "ReimportApi", ApiId=physical.id, Body=body, **_import(new))
    changes = _kept(new, ("Name", "Description", "CorsConfiguration", "DisableExecuteApiEndpoint", "Version"))
    if changes:
        await ctx.call(API, "UpdateApi", ApiId=physical.id, **changes)
    if "CorsConfiguration" in old and "CorsConfiguration" not in new and body is None:
        await ctx.call(API, "DeleteCorsConfiguration", ApiId=physical.id)
    await _retag(ctx, f"/apis/{physical.id}", old, new)
    return physical


async def _retag(ctx: ResourceContext, path: str, old: Properties, new: Properties) -> None:
    arn = f"arn:aws:apigateway:{ctx.region}::{path}"
    lost = sorted(set(old.get("Tags", {})) - set(new.get("Tags", {})))
    if lost:
        await ctx.call(API, "UntagResource", ResourceArn=arn, TagKeys=lost)
    if new.get("Tags"):
        await ctx.call(API, "TagResource", ResourceArn=arn, Tags=new["Tags"])


async def _delete_api(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteApi", ApiId=physical.id)


STAGE_MEMBERS = (
    "AccessLogSettings",
    "AutoDeploy",
    "DefaultRouteSettings",
    "DeploymentId",
    "Description",
    "RouteSettings",
    "StageVariables",
)


async def _create_stage(ctx: ResourceContext, properties: Properties) -> Physical:
    tags = {**ctx.tags, **properties.get("Tags", {})}
    await ctx.call(
        API,
        "CreateStage",
        ApiId=properties["ApiId"],
        StageName=properties["StageName"],
        Tags=tags,
        **_kept(properties, STAGE_MEMBERS),
    )
    return Physical(properties["StageName"])


async def _update_stage(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    asked = {"ApiId": new["ApiId"], "StageName": physical.id}
    if "AccessLogSettings" in old and "AccessLogSettings" not in new:
        await ctx.call(API, "DeleteAccessLogSettings", **asked)
    empty = {"RouteSettings": {}, "StageVariables": {}, "DefaultRouteSettings": {}, "AutoDeploy": False}
    cleared = {name: value for name, value in empty.items() if name in old and name not in new}
    await ctx.call(API, "UpdateStage", **asked, **cleared, **_kept(new, STAGE_MEMBERS))
    await _retag(ctx, f"/apis/{new['ApiId']}/stages/{physical.id}", old, new)
    return physical


async def _delete_stage(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteStage", ApiId=properties["ApiId"], StageName=physical.id)


class Part:
    """A part of an API that is created, updated and deleted by operations of the same name."""

    def __init__(self, noun: str, members: tuple[str, ...], attribute: str) -> None:
        self.noun = noun
        self.members = members
        self.id_member = f"{noun}Id"
        self.attribute = attribute

    async def create(self, ctx: ResourceContext, properties: Properties) -> Physical:
        asked = _kept(properties, self.members)
        made = await ctx.call(API, f"Create{self.noun}", ApiId=properties["ApiId"], **asked)
        identifier = made[self.id_member]
        return Physical(identifier, {self.attribute: identifier})

    async def update(self, ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
        asked = {"ApiId": new["ApiId"], self.id_member: physical.id}
        await ctx.call(API, f"Update{self.noun}", **asked, **_kept(new, self.members))
        return physical

    async def delete(self, ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
        await gone(ctx, f"Delete{self.noun}", **{"ApiId": properties["ApiId"], self.id_member: physical.id})


class Integrations(Part):
    """Integrations, whose response parameters CloudFormation writes as lists of sources and destinations."""

    async def create(self, ctx: ResourceContext, properties: Properties) -> Physical:
        return await super().create(ctx, _with_responses(properties))

    async def update(self, ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
        cleared: Properties = {name: {} for name in ("RequestParameters", "ResponseParameters") if name in old}
        return await super().update(ctx, physical, old, cleared | _with_responses(new))


def _with_responses(properties: Properties) -> Properties:
    if "ResponseParameters" not in properties:
        return properties
    mapped = {
        status: {pair["Destination"]: pair["Source"] for pair in one.get("ResponseParameters", [])}
        for status, one in properties["ResponseParameters"].items()
    }
    return properties | {"ResponseParameters": mapped}


ROUTE = Part(
    "Route",
    ("AuthorizationScopes", "AuthorizationType", "AuthorizerId", "OperationName", "RouteKey", "Target"),
    "RouteId",
)
INTEGRATION = Integrations(
    "Integration",
    (
        "ConnectionType",
        "CredentialsArn",
        "Description",
        "IntegrationMethod",
        "IntegrationSubtype",
        "IntegrationType",
        "IntegrationUri",
        "PayloadFormatVersion",
        "RequestParameters",
        "ResponseParameters",
        "TimeoutInMillis",
    ),
    "IntegrationId",
)
AUTHORIZER = Part(
    "Authorizer",
    (
        "AuthorizerPayloadFormatVersion",
        "AuthorizerResultTtlInSeconds",
        "AuthorizerType",
        "AuthorizerUri",
        "EnableSimpleResponses",
        "IdentitySource",
        "JwtConfiguration",
        "Name",
    ),
    "AuthorizerId",
)
DEPLOYMENT = Part("Deployment", ("Description", "StageName"), "DeploymentId")

TYPES = (
    ResourceType(
        name="AWS::ApiGatewayV2::Api",
        properties={
            "BasePath": STRING,
            "Body": ANY,
            "BodyS3Location": {"Bucket": STRING, "Key": STRING, "Version": STRING},
            "CorsConfiguration": CORS,
            "Description": STRING,
            "DisableExecuteApiEndpoint": BOOLEAN,
            "FailOnWarnings": BOOLEAN,
            "Name": STRING,
            "ProtocolType": STRING,
            "RouteKey": STRING,
            "RouteSelectionExpression": STRING,
            "Tags": Map(STRING),
            "Target": STRING,
            "Version": STRING,
        },
        replace=frozenset({"ProtocolType", "RouteKey", "Target"}),
        attributes=frozenset({"ApiId", "ApiEndpoint"}),
        check=foreseen.check_http_api,
        create=_create_api,
        update=_update_api,
        delete=_delete_api,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Stage",
        properties={
            "AccessLogSettings": {"DestinationArn": STRING, "Format": STRING},
            "ApiId": STRING,
            "AutoDeploy": BOOLEAN,
            "DefaultRouteSettings": ROUTE_SETTINGS,
            "DeploymentId": STRING,
            "Description": STRING,
            "RouteSettings": Map(ROUTE_SETTINGS),
            "StageName": STRING,
            "StageVariables": Map(STRING),
            "Tags": Map(STRING),
        },
        required=frozenset({"ApiId", "StageName"}),
        replace=frozenset({"ApiId", "StageName"}),
        create=_create_stage,
        update=_update_stage,
        delete=_delete_stage,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Route",
        properties={
            "ApiId": STRING,
            "AuthorizationScopes": [STRING],
            "AuthorizationType": STRING,
            "AuthorizerId": STRING,
            "OperationName": STRING,
            "RouteKey": STRING,
            "Target": STRING,
        },
        required=frozenset({"ApiId", "RouteKey"}),
        replace=frozenset({"ApiId"}),
        attributes=frozenset({"RouteId"}),
        create=ROUTE.create,
        update=ROUTE.update,
        delete=ROUTE.delete,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Integration",
        properties={
            "ApiId": STRING,
            "ConnectionType": STRING,
            "CredentialsArn": STRING,
            "Description": STRING,
            "IntegrationMethod": STRING,
            "IntegrationSubtype": STRING,
            "IntegrationType": STRING,
            "IntegrationUri": STRING,
            "PayloadFormatVersion": STRING,
            "RequestParameters": Map(STRING),
            "ResponseParameters": Map({"ResponseParameters": [{"Destination": STRING, "Source": STRING}]}),
            "TimeoutInMillis": INTEGER,
        },
        required=frozenset({"ApiId", "IntegrationType"}),
        replace=frozenset({"ApiId"}),
        attributes=frozenset({"IntegrationId"}),
        check=foreseen.check_http_integration,
        create=INTEGRATION.create,
        update=INTEGRATION.update,
        delete=INTEGRATION.delete,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Authorizer",
        properties={
            "ApiId": STRING,
            "AuthorizerPayloadFormatVersion": STRING,
            "AuthorizerResultTtlInSeconds": INTEGER,
            "AuthorizerType": STRING,
            "AuthorizerUri": STRING,
            "EnableSimpleResponses": BOOLEAN,
            "IdentitySource": [STRING],
            "JwtConfiguration": {"Audience": [STRING], "Issuer": STRING},
            "Name": STRING,
        },
        required=frozenset({"ApiId", "AuthorizerType", "Name"}),
        replace=frozenset({"ApiId"}),
        attributes=frozenset({"AuthorizerId"}),
        create=AUTHORIZER.create,
        update=AUTHORIZER.update,
        delete=AUTHORIZER.delete,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Deployment",
        properties={"ApiId": STRING, "Description": STRING, "StageName": STRING},
        required=frozenset({"ApiId"}),
        replace=frozenset({"ApiId", "StageName"}),
        attributes=frozenset({"DeploymentId"}),
        create=DEPLOYMENT.create,
        update=DEPLOYMENT.update,
        delete=DEPLOYMENT.delete,
    ),
)
