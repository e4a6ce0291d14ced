"""AWS::ApiGateway::Resource and AWS::ApiGateway::Method."""

from __future__ import annotations

from freehold.ports.resources import (
    BOOLEAN,
    INTEGER,
    STRING,
    Choice,
    Map,
    Physical,
    ResourceContext,
    ResourceType,
)
from freehold.services.apigateway import foreseen
from freehold.services.apigateway.rest.resources.shared import (
    API,
    Properties,
    gone,
    lowered,
)

INTEGRATION: Properties = {
    "CacheNamespace": STRING,
    "ConnectionType": Choice(("INTERNET",)),
    "ContentHandling": STRING,
    "Credentials": STRING,
    "IntegrationHttpMethod": STRING,
    "IntegrationResponses": [
        {
            "ResponseParameters": Map(STRING),
            "ResponseTemplates": Map(STRING),
            "SelectionPattern": STRING,
            "StatusCode": STRING,
        }
    ],
    "PassthroughBehavior": STRING,
    "RequestParameters": Map(STRING),
    "RequestTemplates": Map(STRING),
    "TimeoutInMillis": INTEGER,
    "Type": STRING,
    "Uri": STRING,
}
INTEGRATION_RESPONSE = ("StatusCode", "SelectionPattern", "ResponseParameters", "ResponseTemplates")


async def _create_resource(ctx: ResourceContext, properties: Properties) -> Physical:
    made = await ctx.call(API, "CreateResource", **lowered(properties, "RestApiId", "ParentId", "PathPart"))
    return Physical(made["id"], {"ResourceId": made["id"]})


async def _delete_resource(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteResource", restApiId=properties["RestApiId"], resourceId=physical.id)


METHOD_MEMBERS = ("AuthorizerId", "OperationName", "RequestModels", "RequestParameters")


async def _put_method(ctx: ResourceContext, properties: Properties) -> None:
    where = lowered(properties, "RestApiId", "ResourceId", "HttpMethod")
    asked = lowered(properties, *METHOD_MEMBERS) | {"authorizationType": properties.get("AuthorizationType", "NONE")}
    await ctx.call(API, "PutMethod", **where, **asked)
    for response in properties.get("MethodResponses", []):
        await ctx.call(
            API, "PutMethodResponse", **where, **lowered(response, "StatusCode", "ResponseModels", "ResponseParameters")
        )
    integration = properties.get("Integration")
    if integration is None:
        return
    asked = lowered(integration, *(member for member in INTEGRATION if member != "IntegrationResponses"))
    await ctx.call(API, "PutIntegration", **where, **asked)
    for response in integration.get("IntegrationResponses", []):
        await ctx.call(API, "PutIntegrationResponse", **where, **lowered(response, *INTEGRATION_RESPONSE))


async def _create_method(ctx: ResourceContext, properties: Properties) -> Physical:
    await _put_method(ctx, properties)
    return Physical(f"{properties['RestApiId']}|{properties['ResourceId']}|{properties['HttpMethod']}")


async def _update_method(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    """Stages serve deployed copies, so that a method may be taken away and put again."""
    await _delete_method(ctx, physical, old)
    await _put_method(ctx, new)
    return physical


async def _delete_method(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteMethod", **lowered(properties, "RestApiId", "ResourceId", "HttpMethod"))


TYPES = (
    ResourceType(
        name="AWS::ApiGateway::Resource",
        properties={"ParentId": STRING, "PathPart": STRING, "RestApiId": STRING},
        required=frozenset({"ParentId", "PathPart", "RestApiId"}),
        attributes=frozenset({"ResourceId"}),
        create=_create_resource,
        delete=_delete_resource,
    ),
    ResourceType(
        name="AWS::ApiGateway::Method",
        properties={
            "ApiKeyRequired": Choice((False,)),
            "AuthorizationType": STRING,
            "AuthorizerId": STRING,
            "HttpMethod": STRING,
            "Integration": INTEGRATION,
            "MethodResponses": [
                {"ResponseModels": Map(STRING), "ResponseParameters": Map(BOOLEAN), "StatusCode": STRING}
            ],
            "OperationName": STRING,
            "RequestModels": Map(STRING),
            "RequestParameters": Map(BOOLEAN),
            "ResourceId": STRING,
            "RestApiId": STRING,
        },
        required=frozenset({"HttpMethod", "ResourceId", "RestApiId"}),
        replace=frozenset({"HttpMethod", "ResourceId", "RestApiId"}),
        check=foreseen.check_method,
        create=_create_method,
        update=_update_method,
        delete=_delete_method,
    ),
)
