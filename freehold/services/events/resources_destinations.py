"""CloudFormation types of API destinations and their connections."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, INTEGER, STRING, Choice, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]
_PARAMETERS = [{"Key": STRING, "Value": STRING, "IsValueSecret": BOOLEAN}]
_HTTP = {"HeaderParameters": _PARAMETERS, "QueryStringParameters": _PARAMETERS, "BodyParameters": _PARAMETERS}
_OAUTH = {
    "ClientParameters": {"ClientID": STRING, "ClientSecret": STRING},
    "AuthorizationEndpoint": STRING,
    "HttpMethod": Choice(("GET", "POST", "PUT")),
    "OAuthHttpParameters": _HTTP,
}
_CONNECTION = ("Description", "AuthorizationType", "AuthParameters")
_DESTINATION = ("Description", "ConnectionArn", "InvocationEndpoint", "HttpMethod", "InvocationRateLimitPerSecond")


def _picked(properties: Properties, names: tuple[str, ...]) -> Properties:
    return {name: properties[name] for name in names if name in properties}


def _for_policy(arn: str) -> str:
    """The ARN without the id at its end: what policies name."""
    return arn.rpartition("/")[0]


async def _gone(ctx: ResourceContext, operation: str, name: str) -> None:
    try:
        await ctx.call("events", operation, Name=name)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


async def _create_connection(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    await ctx.call("events", "CreateConnection", Name=name, **_picked(properties, _CONNECTION))
    return await _connection(ctx, name)


async def _update_connection(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = _picked(new, _CONNECTION) | {"Description": new.get("Description", "")}
    await ctx.call("events", "UpdateConnection", Name=physical.id, **request)
    return await _connection(ctx, physical.id)


async def _connection(ctx: ResourceContext, name: str) -> Physical:
    found = await ctx.call("events", "DescribeConnection", Name=name)
    arn = found["ConnectionArn"]
    return Physical(name, {"Arn": arn, "ArnForPolicy": _for_policy(arn), "SecretArn": found["SecretArn"]})


async def _delete_connection(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _gone(ctx, "DeleteConnection", physical.id)


async def _create_destination(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("Name") or ctx.name(64)
    made = await ctx.call("events", "CreateApiDestination", Name=name, **_picked(properties, _DESTINATION))
    return _destination(name, made)


async def _update_destination(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = _picked(new, _DESTINATION) | {"Description": new.get("Description", "")}
    if "InvocationRateLimitPerSecond" in old:
        request.setdefault("InvocationRateLimitPerSecond", 300)
    made = await ctx.call("events", "UpdateApiDestination", Name=physical.id, **request)
    return _destination(physical.id, made)


def _destination(name: str, answer: dict[str, Any]) -> Physical:
    arn = answer["ApiDestinationArn"]
    return Physical(name, {"Arn": arn, "ArnForPolicy": _for_policy(arn)})


async def _delete_destination(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _gone(ctx, "DeleteApiDestination", physical.id)


TYPES = (
    ResourceType(
        name="AWS::Events::Connection",
        properties={
            "Name": STRING,
            "Description": STRING,
            "AuthorizationType": Choice(("API_KEY", "BASIC", "OAUTH_CLIENT_CREDENTIALS")),
            "AuthParameters": {
                "ApiKeyAuthParameters": {"ApiKeyName": STRING, "ApiKeyValue": STRING},
                "BasicAuthParameters": {"Username": STRING, "Password": STRING},
                "OAuthParameters": _OAUTH,
                "InvocationHttpParameters": _HTTP,
            },
        },
        required=frozenset({"AuthorizationType", "AuthParameters"}),
        replace=frozenset({"Name"}),
        attributes=frozenset({"Arn", "ArnForPolicy", "SecretArn"}),
        create=_create_connection,
        update=_update_connection,
        delete=_delete_connection,
    ),
    ResourceType(
        name="AWS::Events::ApiDestination",
        properties={
            "Name": STRING,
            "Description": STRING,
            "ConnectionArn": STRING,
            "InvocationEndpoint": STRING,
            "HttpMethod": Choice(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")),
            "InvocationRateLimitPerSecond": INTEGER,
        },
        required=frozenset({"ConnectionArn", "InvocationEndpoint", "HttpMethod"}),
        replace=frozenset({"Name"}),
        attributes=frozenset({"Arn", "ArnForPolicy"}),
        create=_create_destination,
        update=_update_destination,
        delete=_delete_destination,
    ),
)
