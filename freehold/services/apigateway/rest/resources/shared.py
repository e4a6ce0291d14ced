"""What the CloudFormation types of REST APIs share."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import (
    STRING,
    ResourceContext,
    Schema,
)

Properties = dict[str, Any]
API = "apigateway"
TAGS: Schema = [{"Key": STRING, "Value": STRING}]


async def gone(ctx: ResourceContext, operation: str, **request: Any) -> None:
    """Call a deleting operation; what is already gone is fine."""
    try:
        await ctx.call(API, operation, **request)
    except Fault as fault:
        if fault.code != "NotFoundException":
            raise


def lowered(properties: Properties, *members: str) -> Properties:
    """Members of CloudFormation under the names of the API: `StageName` -> `stageName`."""
    return {member[0].lower() + member[1:]: properties[member] for member in members if member in properties}


def escaped(text: str) -> str:
    """A text as one segment of a patch path."""
    return text.replace("~", "~0").replace("/", "~1")


def tags_of(ctx: ResourceContext, properties: Properties) -> dict[str, str]:
    return {**ctx.tags, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}}


async def retag(ctx: ResourceContext, path: str, old: Properties, new: Properties) -> None:
    arn = f"arn:aws:apigateway:{ctx.region}::{path}"
    before = {tag["Key"] for tag in old.get("Tags", [])}
    after = {tag["Key"]: tag["Value"] for tag in new.get("Tags", [])}
    if before - set(after):
        await ctx.call(API, "UntagResource", resourceArn=arn, tagKeys=sorted(before - set(after)))
    if after:
        await ctx.call(API, "TagResource", resourceArn=arn, tags=after)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
