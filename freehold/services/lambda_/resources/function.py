"""AWS::Lambda::Function."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import (
    INTEGER,
    STRING,
    Choice,
    Map,
    Physical,
    ResourceContext,
    ResourceType,
)
from freehold.services.lambda_.resources import inline

Properties = dict[str, Any]

_SETTINGS = ("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Environment", "EphemeralStorage")
_LATER = ("Layers", "TracingConfig", "LoggingConfig", "DeadLetterConfig")


def _code(properties: Properties) -> Properties:
    code = dict(properties["Code"])
    if "ZipFile" in code:
        code["ZipFile"] = inline.archive(code["ZipFile"], properties.get("Runtime", ""))
    return code


def tags_of(ctx: ResourceContext, properties: Properties) -> dict[str, str]:
    """The resource's tags over the stack's."""
    return {**ctx.tags, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}}


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("FunctionName") or ctx.name(64)
    request = {
        key: properties[key] for key in (*_SETTINGS, *_LATER, "Architectures", "PackageType") if key in properties
    }
    request |= {"FunctionName": name, "Code": _code(properties), "Tags": tags_of(ctx, properties)}
    try:
        made = await ctx.call("lambda", "CreateFunction", **request)
        arn = made["FunctionArn"]
    except Fault as fault:
        arn = await _own_from_before(ctx, name, fault)
    if "RecursiveLoop" in properties:
        await _set_loop(ctx, name, properties)
    if "ReservedConcurrentExecutions" in properties:
        await ctx.call(
            "lambda",
            "PutFunctionConcurrency",
            FunctionName=name,
            ReservedConcurrentExecutions=properties["ReservedConcurrentExecutions"],
        )
    return Physical(name, {"Arn": arn})


async def _set_loop(ctx: ResourceContext, name: str, properties: Properties) -> None:
    loop = properties.get("RecursiveLoop", "Terminate")
    await ctx.call("lambda", "PutFunctionRecursionConfig", FunctionName=name, RecursiveLoop=loop)


async def _own_from_before(ctx: ResourceContext, name: str, fault: Fault) -> str:
    """The ARN of a function that this very resource made before a crash; any other conflict stands."""
    if fault.code != "ResourceConflictException":
        raise fault
    found = await ctx.call("lambda", "GetFunction", FunctionName=name)
    tags, own = found.get("Tags", {}), ctx.tags
    marks = ("aws:cloudformation:stack-id", "aws:cloudformation:logical-id")
    if any(mark not in own or tags.get(mark) != own[mark] for mark in marks):
        raise fault
    arn: str = found["Configuration"]["FunctionArn"]
    return arn


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.id
    changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    if changed & {*_SETTINGS, *_LATER}:
        await ctx.call("lambda", "UpdateFunctionConfiguration", FunctionName=name, **_configuration(name, new))
    if changed & {"Code", "Architectures"} or ("Runtime" in changed and "ZipFile" in new["Code"]):
        architectures = new.get("Architectures") or ["x86_64"]
        await ctx.call("lambda", "UpdateFunctionCode", FunctionName=name, Architectures=architectures, **_code(new))
    if "RecursiveLoop" in changed:
        await _set_loop(ctx, name, new)
    if "ReservedConcurrentExecutions" in changed:
        reserved = new.get("ReservedConcurrentExecutions")
        if reserved is None:
            await ctx.call("lambda", "DeleteFunctionConcurrency", FunctionName=name)
        else:
            await ctx.call("lambda", "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=reserved)
    await _retag(ctx, physical.attributes["Arn"], new)
    return physical


def _configuration(name: str, properties: Properties) -> Properties:
    """Every setting: what the template no longer sets goes back to its default."""
    request: Properties = {
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Environment": {"Variables": {}},
        "EphemeralStorage": {"Size": 512},
        "Layers": [],
        "TracingConfig": {"Mode": "PassThrough"},
        "DeadLetterConfig": {"TargetArn": ""},
    }
    request |= {key: properties[key] for key in (*_SETTINGS, *_LATER) if key in properties}
    logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    return request | {"LoggingConfig": {**logging, **(properties.get("LoggingConfig") or {})}}


async def _retag(ctx: ResourceContext, arn: str, properties: Properties) -> None:
    wanted = tags_of(ctx, properties)
    present = (await ctx.call("lambda", "ListTags", Resource=arn)).get("Tags", {})
    gone = sorted(set(present) - set(wanted))
    if gone:
        await ctx.call("lambda", "UntagResource", Resource=arn, TagKeys=gone)
    if any(present.get(key) != value for key, value in wanted.items()):
        await ctx.call("lambda", "TagResource", Resource=arn, Tags=wanted)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await ctx.call("lambda", "DeleteFunction", FunctionName=physical.id)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


FUNCTION = ResourceType(
    name="AWS::Lambda::Function",
    properties={
        "Architectures": [STRING],
        "Code": {"ZipFile": STRING, "S3Bucket": STRING, "S3Key": STRING, "S3ObjectVersion": STRING},
        "DeadLetterConfig": {"TargetArn": STRING},
        "Description": STRING,
        "Environment": {"Variables": Map(STRING)},
        "EphemeralStorage": {"Size": INTEGER},
        "FunctionName": STRING,
        "Handler": STRING,
        "Layers": [STRING],
        "LoggingConfig": {
            "ApplicationLogLevel": STRING,
            "LogFormat": STRING,
            "LogGroup": STRING,
            "SystemLogLevel": STRING,
        },
        "MemorySize": INTEGER,
        "PackageType": Choice(("Zip",)),
        "RecursiveLoop": Choice(("Allow", "Terminate")),
        "ReservedConcurrentExecutions": INTEGER,
        "Role": STRING,
        "Runtime": STRING,
        "SnapStart": {"ApplyOn": Choice(("None",))},
        "Tags": [{"Key": STRING, "Value": STRING}],
        "Timeout": INTEGER,
        "TracingConfig": {"Mode": STRING},
    },
    required=frozenset({"Code", "Role"}),
    replace=frozenset({"FunctionName", "PackageType"}),
    attributes=frozenset({"Arn"}),
    create=_create,
    update=_update,
    delete=_delete,
)
