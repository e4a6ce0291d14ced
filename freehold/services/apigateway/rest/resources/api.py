"""AWS::ApiGateway::RestApi and AWS::ApiGateway::Account."""

from __future__ import annotations

from typing import Any

from freehold.ports.resources import (
    ANY,
    BOOLEAN,
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
    TAGS,
    Properties,
    as_text,
    escaped,
    gone,
    retag,
    tags_of,
)


async def _body(ctx: ResourceContext, properties: Properties) -> bytes | None:
    if "BodyS3Location" in properties:
        where = properties["BodyS3Location"]
        asked = {"Bucket": where["Bucket"], "Key": where["Key"]}
        if "Version" in where:
            asked["VersionId"] = where["Version"]
        if "ETag" in where:
            asked["IfMatch"] = where["ETag"]
        content = (await ctx.call("s3", "GetObject", **asked))["Body"]
        return content if isinstance(content, bytes) else b"".join([piece async for piece in content])
    body = properties.get("Body")
    return None if body is None else as_text(_titled(body, properties.get("Name"))).encode()


def _titled(body: Any, name: str | None) -> Any:
    """A definition without a title of its own takes the resource's Name."""
    if name is None or not isinstance(body, dict):
        return body
    info = body.get("info") or {}
    if not isinstance(info, dict) or info.get("title"):
        return body
    return {**body, "info": {**info, "title": name}}


def _media_types(properties: Properties) -> list[str]:
    """Slashes in this property are written `~1` as in patch paths, or as they are."""
    return [kind.replace("~1", "/") for kind in properties.get("BinaryMediaTypes", [])]


def _patches(properties: Properties, old: Properties, kinds: list[str]) -> list[Properties]:
    """Patch operations that bring an API from `old` to `properties`. `kinds`: the binary media types it has."""
    found: list[Properties] = []
    for member in ("Name", "Description", "Version"):
        if member in properties:
            found.append({"op": "replace", "path": f"/{member.lower()}", "value": properties[member]})
        elif member in old and member == "Description":
            found.append({"op": "remove", "path": "/description"})
    if "Policy" in properties:
        found.append({"op": "replace", "path": "/policy", "value": as_text(properties["Policy"])})
    elif "Policy" in old:
        found.append({"op": "remove", "path": "/policy"})
    if "DisableExecuteApiEndpoint" in properties or "DisableExecuteApiEndpoint" in old:
        value = "true" if properties.get("DisableExecuteApiEndpoint") else "false"
        found.append({"op": "replace", "path": "/disableExecuteApiEndpoint", "value": value})
    if "ApiKeySourceType" in properties:
        found.append({"op": "replace", "path": "/apiKeySource", "value": properties["ApiKeySourceType"]})
    types = properties.get("EndpointConfiguration", {}).get("Types")
    if types:
        found.append({"op": "replace", "path": "/endpointConfiguration/types/0", "value": types[0]})
    wanted = _media_types(properties)
    found += [{"op": "add", "path": f"/binaryMediaTypes/{escaped(k)}"} for k in wanted if k not in kinds]
    lost = [kind for kind in _media_types(old) if kind not in wanted and kind in kinds]
    return found + [{"op": "remove", "path": f"/binaryMediaTypes/{escaped(kind)}"} for kind in lost]


def _import(properties: Properties) -> Properties:
    return {"failOnWarnings": properties.get("FailOnWarnings", False), "parameters": properties.get("Parameters", {})}


async def _create_api(ctx: ResourceContext, properties: Properties) -> Physical:
    body = await _body(ctx, properties)
    if body is None:
        made = await ctx.call(API, "CreateRestApi", name=properties.get("Name", ctx.logical_id))
    else:
        made = await ctx.call(API, "ImportRestApi", body=body, **_import(properties))
    ctx.made(made["id"])
    operations = _patches(properties, {}, made.get("binaryMediaTypes", []))
    if operations:
        await ctx.call(API, "UpdateRestApi", restApiId=made["id"], patchOperations=operations)
    tags = tags_of(ctx, properties)
    if tags:
        arn = f"arn:aws:apigateway:{ctx.region}::/restapis/{made['id']}"
        await ctx.call(API, "TagResource", resourceArn=arn, tags=tags)
    return Physical(made["id"], {"RootResourceId": made["rootResourceId"], "RestApiId": made["id"]})


async def _update_api(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    body = await _body(ctx, new)
    if body is not None:
        mode = new.get("Mode", "overwrite")
        await ctx.call(API, "PutRestApi", restApiId=physical.id, body=body, mode=mode, **_import(new))
    now = await ctx.call(API, "GetRestApi", restApiId=physical.id)
    operations = _patches(new, old, now.get("binaryMediaTypes", []))
    if operations:
        await ctx.call(API, "UpdateRestApi", restApiId=physical.id, patchOperations=operations)
    await retag(ctx, f"/restapis/{physical.id}", old, new)
    return physical


async def _delete_api(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await gone(ctx, "DeleteRestApi", restApiId=physical.id)


async def _put_account(ctx: ResourceContext, properties: Properties) -> Physical:
    role = properties.get("CloudWatchRoleArn")
    operation = {"op": "replace" if role else "remove", "path": "/cloudwatchRoleArn", "value": role or ""}
    await ctx.call(API, "UpdateAccount", patchOperations=[operation])
    return Physical(f"{ctx.stack_name}-{ctx.logical_id}", {"Id": f"{ctx.stack_name}-{ctx.logical_id}"})


async def _update_account(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _put_account(ctx, new)
    return physical


async def _delete_account(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    """The account's settings outlive a stack, as on AWS: other stacks rely on them."""


TYPES = (
    ResourceType(
        name="AWS::ApiGateway::RestApi",
        properties={
            "ApiKeySourceType": Choice(("HEADER",)),
            "BinaryMediaTypes": [STRING],
            "Body": ANY,
            "BodyS3Location": {"Bucket": STRING, "ETag": STRING, "Key": STRING, "Version": STRING},
            "Description": STRING,
            "DisableExecuteApiEndpoint": BOOLEAN,
            "EndpointConfiguration": {"IpAddressType": Choice(("ipv4",)), "Types": [Choice(("EDGE", "REGIONAL"))]},
            "FailOnWarnings": BOOLEAN,
            "Mode": Choice(("merge", "overwrite")),
            "Name": STRING,
            "Parameters": Map(STRING),
            "Policy": ANY,
            "Tags": TAGS,
        },
        attributes=frozenset({"RestApiId", "RootResourceId"}),
        check=foreseen.check_rest_api,
        create=_create_api,
        update=_update_api,
        delete=_delete_api,
    ),
    ResourceType(
        name="AWS::ApiGateway::Account",
        properties={"CloudWatchRoleArn": STRING},
        attributes=frozenset({"Id"}),
        create=_put_account,
        update=_update_account,
        delete=_delete_account,
    ),
)
