"""CloudFormation types of DynamoDB."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import BOOLEAN, INTEGER, STRING, Choice, Physical, ResourceContext, ResourceType

Properties = dict[str, Any]

_KEY_SCHEMA = [{"AttributeName": STRING, "KeyType": STRING}]
_PROJECTION = {"ProjectionType": STRING, "NonKeyAttributes": [STRING]}
_THROUGHPUT = {"ReadCapacityUnits": INTEGER, "WriteCapacityUnits": INTEGER}
_SAME = (
    "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes", "DeletionProtectionEnabled", "TableClass",
)  # fmt: skip
_POLL_SECONDS = 0.05


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    name = properties.get("TableName") or ctx.name(255)
    request = {key: properties[key] for key in _SAME if properties.get(key) not in (None, [])}
    if "SSESpecification" in properties:
        request["SSESpecification"] = {"Enabled": properties["SSESpecification"]["SSEEnabled"]}
    tags = _tags(ctx.tags, properties)
    if tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    try:
        answer = await ctx.call("dynamodb", "CreateTable", TableName=name, **request)
    except Fault as fault:
        if fault.code != "ResourceInUseException" or not await _is_mine(ctx, name):
            raise
    else:
        return Physical(name, {"Arn": answer["TableDescription"]["TableArn"]})
    return Physical(name, {"Arn": await _arn(ctx, name)})


def _tags(of_stack: dict[str, str], properties: Properties) -> dict[str, str]:
    return {**of_stack, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags") or ()}}


async def _arn(ctx: ResourceContext, name: str) -> str:
    found = await ctx.call("dynamodb", "DescribeTable", TableName=name)
    arn: str = found["Table"]["TableArn"]
    return arn


async def _is_mine(ctx: ResourceContext, name: str) -> bool:
    """Did this very resource create the table, before a crash that made CloudFormation try again?"""
    tags = await ctx.call("dynamodb", "ListTagsOfResource", ResourceArn=await _arn(ctx, name))
    found = {tag["Key"]: tag["Value"] for tag in tags["Tags"]}
    mine = {"aws:cloudformation:stack-id": ctx.stack_id, "aws:cloudformation:logical-id": ctx.logical_id}
    return all(found.get(key) == value for key, value in mine.items())


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.id
    creates, deletes, changes = _index_changes(old, new)
    if len(creates) + len(deletes) > 1:
        raise Fault("ValidationException", "Cannot perform more than one GSI creation or deletion in a single update")
    request = _settings(old, new)
    updates = [{"Delete": {"IndexName": gone}} for gone in deletes]
    updates += [{"Create": index} for index in creates]
    updates += [{"Update": index} for index in changes]
    if updates:
        request["GlobalSecondaryIndexUpdates"] = updates
        if creates:
            request["AttributeDefinitions"] = new["AttributeDefinitions"]
    if request:
        await ctx.call("dynamodb", "UpdateTable", TableName=name, **request)
        await _until_active(ctx, name)
    await _update_tags(ctx, physical, old, new)
    return physical


def _settings(old: Properties, new: Properties) -> Properties:
    """The parameters of UpdateTable that differ, indexes apart."""
    defaults = {"BillingMode": "PROVISIONED", "DeletionProtectionEnabled": False, "TableClass": "STANDARD"}
    request: Properties = {}
    for key, default in defaults.items():
        if old.get(key, default) != new.get(key, default):
            request[key] = new.get(key, default)
    wanted = new.get("ProvisionedThroughput")
    if wanted is not None and (
        wanted != old.get("ProvisionedThroughput") or request.get("BillingMode") == "PROVISIONED"
    ):
        request["ProvisionedThroughput"] = wanted
    before = (old.get("SSESpecification") or {}).get("SSEEnabled", False)
    after = (new.get("SSESpecification") or {}).get("SSEEnabled", False)
    if before != after:
        request["SSESpecification"] = {"Enabled": after}
    return request


def _index_changes(old: Properties, new: Properties) -> tuple[list[Properties], list[str], list[Properties]]:
    """Indexes to create, names of indexes to delete, throughputs to change. A changed key or projection needs a new
    name, as on AWS."""
    before = {index["IndexName"]: index for index in old.get("GlobalSecondaryIndexes") or ()}
    after = {index["IndexName"]: index for index in new.get("GlobalSecondaryIndexes") or ()}
    changes = []
    for name in before.keys() & after.keys():
        for member in ("KeySchema", "Projection"):
            if before[name].get(member) != after[name].get(member):
                raise Fault(
                    "ValidationException",
                    "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights "
                    "Specification. You can create a new GSI with a different name.",
                )
        units = after[name].get("ProvisionedThroughput")
        if units is not None and units != before[name].get("ProvisionedThroughput"):
            changes.append({"IndexName": name, "ProvisionedThroughput": units})
    creates = [after[name] for name in after if name not in before]
    return creates, [name for name in before if name not in after], changes


async def _until_active(ctx: ResourceContext, name: str) -> None:
    while True:
        found = await ctx.call("dynamodb", "DescribeTable", TableName=name)
        if found["Table"]["TableStatus"] == "ACTIVE":
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _update_tags(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> None:
    before, after = _tags(ctx.previous_tags, old), _tags(ctx.tags, new)
    arn = physical.attributes["Arn"]
    gone = sorted(before.keys() - after.keys())
    if gone:
        await ctx.call("dynamodb", "UntagResource", ResourceArn=arn, TagKeys=gone)
    changed = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
    if changed:
        await ctx.call("dynamodb", "TagResource", ResourceArn=arn, Tags=changed)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    try:
        await _delete_idle(ctx, physical.id)
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise


async def _delete_idle(ctx: ResourceContext, name: str) -> None:
    """Delete a table as soon as no index of it is being filled."""
    while True:
        try:
            await ctx.call("dynamodb", "DeleteTable", TableName=name)
            return
        except Fault as fault:
            if fault.code != "ResourceInUseException":
                raise
        await _until_active(ctx, name)


TYPES = (
    ResourceType(
        name="AWS::DynamoDB::Table",
        properties={
            "TableName": STRING,
            "AttributeDefinitions": [{"AttributeName": STRING, "AttributeType": STRING}],
            "KeySchema": _KEY_SCHEMA,
            "BillingMode": STRING,
            "ProvisionedThroughput": _THROUGHPUT,
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": STRING,
                    "KeySchema": _KEY_SCHEMA,
                    "Projection": _PROJECTION,
                    "ProvisionedThroughput": _THROUGHPUT,
                }
            ],
            "LocalSecondaryIndexes": [{"IndexName": STRING, "KeySchema": _KEY_SCHEMA, "Projection": _PROJECTION}],
            "DeletionProtectionEnabled": BOOLEAN,
            "TableClass": STRING,
            "SSESpecification": {"SSEEnabled": BOOLEAN},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": Choice((False,))},
            "Tags": [{"Key": STRING, "Value": STRING}],
        },
        required=frozenset({"KeySchema"}),
        replace=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
        attributes=frozenset({"Arn"}),
        create=_create,
        update=_update,
        delete=_delete,
    ),
)
