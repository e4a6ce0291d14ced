"""AWS::Lambda::EventSourceMapping, for Amazon SQS."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]

TRIES = 900
"""Each waits a second for what is running to end: as long as a function may run."""
_DEFAULTS: Properties = {
    "BatchSize": 10,
    "Enabled": True,
    "FilterCriteria": {},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "MetricsConfig": {},
    "ScalingConfig": {},
}
"""What a property that a template leaves out means in an update."""


def _tags(ctx: ResourceContext, properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []} | ctx.tags


async def _patiently(ctx: ResourceContext, operation: str, **request: Any) -> Properties:
    """An operation that waits until the mapping is not in use."""
    for left in range(TRIES, -1, -1):
        try:
            return await ctx.call("lambda", operation, **request)
        except Fault as fault:
            if fault.code != "ResourceInUseException" or not left:
                raise
    raise AssertionError


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    request = {name: value for name, value in properties.items() if name != "Tags"}
    if tags := _tags(ctx, properties):
        request["Tags"] = tags
    try:
        made = await ctx.call("lambda", "CreateEventSourceMapping", **request)
    except Fault as fault:
        made = await _own(ctx, properties, fault)
    return Physical(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": made["EventSourceMappingArn"]})


async def _own(ctx: ResourceContext, properties: Properties, fault: Fault) -> Properties:
    """The mapping that this resource made before a crash, known by its stack's tags; else the fault."""
    marks = {key: value for key, value in ctx.tags.items() if key.startswith("aws:cloudformation:")}
    if fault.code != "ResourceConflictException" or not marks:
        raise fault
    asked = {"EventSourceArn": properties["EventSourceArn"], "FunctionName": properties["FunctionName"]}
    listed: list[Properties] = (await ctx.call("lambda", "ListEventSourceMappings", **asked))["EventSourceMappings"]
    for mapping in listed:
        tags = (await ctx.call("lambda", "ListTags", Resource=mapping["EventSourceMappingArn"]))["Tags"]
        if marks.items() <= tags.items():
            return mapping
    raise fault


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    settings = _DEFAULTS | {name: value for name, value in new.items() if name not in ("EventSourceArn", "Tags")}
    await _patiently(ctx, "UpdateEventSourceMapping", UUID=physical.id, **settings)
    arn = physical.attributes["EventSourceMappingArn"]
    before = {tag["Key"]: tag["Value"] for tag in old.get("Tags") or []} | ctx.previous_tags
    tags = _tags(ctx, new)
    if gone := sorted(before.keys() - tags.keys()):
        await ctx.call("lambda", "UntagResource", Resource=arn, TagKeys=gone)
    if tags and tags != before:
        await ctx.call("lambda", "TagResource", Resource=arn, Tags=tags)
    return physical


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await _patiently(ctx, "DeleteEventSourceMapping", UUID=physical.id)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


MAPPING = ResourceType(
    name="AWS::Lambda::EventSourceMapping",
    properties={
        "BatchSize": INTEGER,
        "Enabled": BOOLEAN,
        "EventSourceArn": STRING,
        "FilterCriteria": {"Filters": [{"Pattern": STRING}]},
        "FunctionName": STRING,
        "FunctionResponseTypes": [STRING],
        "MaximumBatchingWindowInSeconds": INTEGER,
        "MetricsConfig": {"Metrics": [STRING]},
        "ScalingConfig": {"MaximumConcurrency": INTEGER},
        "Tags": [{"Key": STRING, "Value": STRING}],
    },
    required=frozenset({"EventSourceArn", "FunctionName"}),
    replace=frozenset({"EventSourceArn"}),
    attributes=frozenset({"EventSourceMappingArn", "Id"}),
    create=_create,
    update=_update,
    delete=_delete,
)
