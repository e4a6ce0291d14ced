"""AWS::ApiGateway::Authorizer, Model and GatewayResponse."""

from __future__ import annotations

from freehold.ports.resources import (
    ANY,
    INTEGER,
    STRING,
    Choice,
    Map,
    Physical,
    ResourceContext,
    ResourceType,
)
from freehold.services.apigateway.rest.resources.shared import (
    API,
    Properties,
    as_text,
    gone,
    lowered,
)

AUTHORIZER = (
    "AuthType",
    "AuthorizerCredentials",
    "AuthorizerResultTtlInSeconds",
    "AuthorizerUri",
    "IdentitySource",
    "IdentityValidationExpression",
    "Name",
    "Type",
)


async def _create_authorizer(ctx: ResourceContext, properties: Properties) -> Physical:
    made = await ctx.call(API, "CreateAuthorizer", **lowered(properties, "RestApiId", *AUTHORIZER))
    return Physical(made["id"], {"AuthorizerId": made["id"]})


async def _update_authorizer(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    operations = [
        {"op": "replace", "path": f"/{name}", "value": str(value)} for name, value in lowered(new, *AUTHORIZER).items()
    ]
    lost = [name for name in lowered(old, *AUTHORIZER) if name not in lowered(new, *AUTHORIZER)]
    operations += [{"op": "remove", "path": f"/{name}"} for name in lost if name != "authorizerResultTtlInSeconds"]
    if "authorizerResultTtlInSeconds" in lost:
        operations.append({"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "300"})
    await ctx.call(
        API, "UpdateAuthorizer", restApiId=new["RestApiId"], authorizerId=physical.id, patchOperations=operations
    )
    return physical


async def _delete_authorizer(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteAuthorizer", restApiId=properties["RestApiId"], authorizerId=physical.id)


async def _create_model(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or "".join(c for c in ctx.name(128) if c.isalnum())
    asked = lowered(properties, "RestApiId", "Description")
    content, schema = properties.get("ContentType", "application/json"), as_text(properties.get("Schema", {}))
    await ctx.call(API, "CreateModel", name=name, contentType=content, schema=schema, **asked)
    return Physical(name)


async def _update_model(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    operations = [
        {"op": "replace", "path": "/schema", "value": as_text(new.get("Schema", {}))},
        {"op": "replace", "path": "/description", "value": new.get("Description", "")},
    ]
    await ctx.call(API, "UpdateModel", restApiId=new["RestApiId"], modelName=physical.id, patchOperations=operations)
    return physical


async def _delete_model(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteModel", restApiId=properties["RestApiId"], modelName=physical.id)


async def _put_gateway_response(ctx: ResourceContext, properties: Properties) -> Physical:
    members = ("RestApiId", "ResponseType", "StatusCode", "ResponseParameters", "ResponseTemplates")
    await ctx.call(API, "PutGatewayResponse", **lowered(properties, *members))
    identifier = f"{properties['RestApiId']}|{properties['ResponseType']}"
    return Physical(identifier, {"Id": identifier})


async def _update_gateway_response(
    ctx: ResourceContext, physical: Physical, old: Properties, new: Properties
) -> Physical:
    return await _put_gateway_response(ctx, new)


async def _delete_gateway_response(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteGatewayResponse", **lowered(properties, "RestApiId", "ResponseType"))


TYPES = (
    ResourceType(
        name="AWS::ApiGateway::Authorizer",
        properties={
            "AuthType": STRING,
            "AuthorizerCredentials": STRING,
            "AuthorizerResultTtlInSeconds": INTEGER,
            "AuthorizerUri": STRING,
            "IdentitySource": STRING,
            "IdentityValidationExpression": STRING,
            "Name": STRING,
            "RestApiId": STRING,
            "Type": Choice(("TOKEN", "REQUEST")),
        },
        required=frozenset({"Name", "RestApiId", "Type"}),
        replace=frozenset({"RestApiId"}),
        attributes=frozenset({"AuthorizerId"}),
        create=_create_authorizer,
        update=_update_authorizer,
        delete=_delete_authorizer,
    ),
    ResourceType(
        name="AWS::ApiGateway::Model",
        properties={
            "ContentType": STRING,
            "Description": STRING,
            "Name": STRING,
            "RestApiId": STRING,
            "Schema": ANY,
        },
        required=frozenset({"RestApiId"}),
        replace=frozenset({"ContentType", "Name", "RestApiId"}),
        create=_create_model,
        update=_update_model,
        delete=_delete_model,
    ),
    ResourceType(
        name="AWS::ApiGateway::GatewayResponse",
        properties={
            "ResponseParameters": Map(STRING),
            "ResponseTemplates": Map(STRING),
            "ResponseType": STRING,
            "RestApiId": STRING,
            "StatusCode": STRING,
        },
        required=frozenset({"ResponseType", "RestApiId"}),
        replace=frozenset({"ResponseType", "RestApiId"}),
        attributes=frozenset({"Id"}),
        create=_put_gateway_response,
        update=_update_gateway_response,
        delete=_delete_gateway_response,
    ),
)
