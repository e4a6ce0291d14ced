"""CloudFormation types of SQS."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import ANY, BOOLEAN, INTEGER, STRING, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]

_DEFAULTS: dict[str, Any] = {
    "ContentBasedDeduplication": False,
    "DeduplicationScope": "queue",
    "DelaySeconds": 0,
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": 300,
    "KmsMasterKeyId": "",
    "MaximumMessageSize": 1_048_576,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": True,
    "VisibilityTimeout": 30,
}
"""What an attribute is set to when a template does not say it any more."""
_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
_MINE = ("aws:cloudformation:stack-id", "aws:cloudformation:logical-id")


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    fifo = bool(properties.get("FifoQueue"))
    name = properties.get("QueueName") or (f"{ctx.name(75)}.fifo" if fifo else ctx.name(80))
    attributes = {key: _text(properties[key]) for key in _DEFAULTS if key in properties}
    if fifo:
        attributes["FifoQueue"] = "true"
    tags = {**ctx.tags, **_tags(properties)}
    if "QueueName" in properties:
        await _check_new(ctx, name)
    answer = await ctx.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes, tags=tags)
    return await _physical(ctx, answer["QueueUrl"])


async def _check_new(ctx: ResourceContext, name: str) -> None:
    """CreateQueue takes a queue that exists; CloudFormation does not, unless a crash made it try again."""
    try:
        url = (await ctx.call("sqs", "GetQueueUrl", QueueName=name))["QueueUrl"]
        found = (await ctx.call("sqs", "ListQueueTags", QueueUrl=url)).get("Tags", {})
    except Fault as fault:
        if fault.code != "QueueDoesNotExist":
            raise
        return
    if [found.get(key) for key in _MINE] != [ctx.stack_id, ctx.logical_id]:
        raise Fault("AlreadyExists", f"Resource of type 'AWS::SQS::Queue' with identifier '{name}' already exists.")


async def _physical(ctx: ResourceContext, url: str) -> Physical:
    found = await ctx.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])
    return Physical(url, {"Arn": found["Attributes"]["QueueArn"], "QueueName": url.rpartition("/")[2], "QueueUrl": url})


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    changed = {
        key: _text(new.get(key, default))
        for key, default in _DEFAULTS.items()
        if old.get(key, default) != new.get(key, default) and (new.get("FifoQueue") or key not in _FIFO_ONLY)
    }
    if changed:
        await ctx.call("sqs", "SetQueueAttributes", QueueUrl=physical.id, Attributes=changed)
    before, after = {**ctx.previous_tags, **_tags(old)}, {**ctx.tags, **_tags(new)}
    if gone := sorted(before.keys() - after.keys()):
        await ctx.call("sqs", "UntagQueue", QueueUrl=physical.id, TagKeys=gone)
    if added := {key: value for key, value in after.items() if before.get(key) != value}:
        await ctx.call("sqs", "TagQueue", QueueUrl=physical.id, Tags=added)
    return physical


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _unless_gone(ctx, "DeleteQueue", QueueUrl=physical.id)


async def _unless_gone(ctx: ResourceContext, operation: str, **request: Any) -> None:
    try:
        await ctx.call("sqs", operation, **request)
    except Fault as fault:
        if fault.code != "QueueDoesNotExist":
            raise


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)


def _tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or ()}


async def _create_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    await _set_policy(ctx, _queues(properties), _text(properties["PolicyDocument"]))
    name = ctx.name(80)
    return Physical(name, {"Id": name})


async def _update_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _set_policy(ctx, _queues(new), _text(new["PolicyDocument"]))
    await _clear_policy(ctx, [queue for queue in _queues(old) if queue not in _queues(new)])
    return physical


async def _delete_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _clear_policy(ctx, _queues(properties))


def _queues(properties: Properties) -> list[str]:
    queues: list[str] = properties["Queues"] if "Queues" in properties else [properties["Queue"]]
    return queues


async def _set_policy(ctx: ResourceContext, queues: list[str], policy: str) -> None:
    for queue in queues:
        await ctx.call("sqs", "SetQueueAttributes", QueueUrl=queue, Attributes={"Policy": policy})


async def _clear_policy(ctx: ResourceContext, queues: list[str]) -> None:
    for queue in queues:
        await _unless_gone(ctx, "SetQueueAttributes", QueueUrl=queue, Attributes={"Policy": ""})


TYPES = (
    ResourceType(
        name="AWS::SQS::Queue",
        properties={
            "ContentBasedDeduplication": BOOLEAN,
            "DeduplicationScope": STRING,
            "DelaySeconds": INTEGER,
            "FifoQueue": BOOLEAN,
            "FifoThroughputLimit": STRING,
            "KmsDataKeyReusePeriodSeconds": INTEGER,
            "KmsMasterKeyId": STRING,
            "MaximumMessageSize": INTEGER,
            "MessageRetentionPeriod": INTEGER,
            "QueueName": STRING,
            "ReceiveMessageWaitTimeSeconds": INTEGER,
            "RedriveAllowPolicy": ANY,
            "RedrivePolicy": ANY,
            "SqsManagedSseEnabled": BOOLEAN,
            "Tags": [{"Key": STRING, "Value": STRING}],
            "VisibilityTimeout": INTEGER,
        },
        replace=frozenset({"QueueName", "FifoQueue"}),
        attributes=frozenset({"Arn", "QueueName", "QueueUrl"}),
        create=_create,
        update=_update,
        delete=_delete,
    ),
    ResourceType(
        name="AWS::SQS::QueuePolicy",
        properties={"PolicyDocument": ANY, "Queues": [STRING]},
        required=frozenset({"PolicyDocument", "Queues"}),
        attributes=frozenset({"Id"}),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::SQS::QueueInlinePolicy",
        properties={"PolicyDocument": ANY, "Queue": STRING},
        required=frozenset({"PolicyDocument", "Queue"}),
        replace=frozenset({"Queue"}),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
