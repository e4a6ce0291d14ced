"""Descriptions: `TableDescription` and its parts."""

from __future__ import annotations

from typing import Any

from freehold.services.dynamodb.model import Index, Table, Throughput

Counts = dict[str, tuple[int, int]]
"""Items and bytes, by id of table or index."""


def describe(table: Table, counts: Counts, status: str | None = None) -> dict[str, Any]:
    """A `TableDescription`."""
    items, size = counts.get(table.id, (0, 0))
    shape: dict[str, Any] = {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in table.definitions.items()
        ],
        "TableName": table.name,
        "KeySchema": _key_schema(table.hash, table.sort),
        "TableStatus": status or table.status,
        "CreationDateTime": table.created_at,
        "ProvisionedThroughput": _throughput(table.throughput),
        "TableSizeBytes": size,
        "ItemCount": items,
        "TableArn": table.arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    if table.billing_mode == "PAY_PER_REQUEST" or table.on_demand_since is not None:
        shape["BillingModeSummary"] = {
            "BillingMode": table.billing_mode,
            "LastUpdateToPayPerRequestDateTime": table.on_demand_since,
        }
    if table.table_class is not None:
        shape["TableClassSummary"] = {
            "TableClass": table.table_class,
            **({"LastUpdateDateTime": table.table_class_at} if table.table_class_at is not None else {}),
        }
    if table.encrypted:
        shape["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS"}
    for name, local in (("LocalSecondaryIndexes", True), ("GlobalSecondaryIndexes", False)):
        chosen = [_index(table, index, counts, status) for index in table.indexes if index.local is local]
        if chosen:
            shape[name] = chosen
    return shape


def describe_deleted(table: Table, counts: Counts) -> dict[str, Any]:
    """What DeleteTable answers."""
    whole = describe(table, counts, "DELETING")
    kept = (
        "TableName", "TableStatus", "ProvisionedThroughput", "TableSizeBytes", "ItemCount", "TableArn", "TableId",
        "BillingModeSummary", "TableClassSummary", "DeletionProtectionEnabled",
    )  # fmt: skip
    return {name: whole[name] for name in kept if name in whole}


def _index(table: Table, index: Index, counts: Counts, status: str | None) -> dict[str, Any]:
    items, size = counts.get(index.id, (0, 0))
    projection: dict[str, Any] = {"ProjectionType": index.projection}
    if index.non_key:
        projection["NonKeyAttributes"] = index.non_key
    shape: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.hash, index.sort),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": items,
        "IndexArn": f"{table.arn}/index/{index.name}",
    }
    if not index.local:
        shape["IndexStatus"] = index.status if status in (None, "UPDATING") else status
        if index.status == "CREATING":
            shape["Backfilling"] = True
        shape["ProvisionedThroughput"] = _throughput(index.throughput)
    return shape


def _key_schema(hash_name: str, sort_name: str | None) -> list[dict[str, str]]:
    elements = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    if sort_name is not None:
        elements.append({"AttributeName": sort_name, "KeyType": "RANGE"})
    return elements


def _throughput(units: Throughput) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": units.read,
        "WriteCapacityUnits": units.write,
    }
    if units.increased_at is not None:
        shape["LastIncreaseDateTime"] = units.increased_at
    if units.decreased_at is not None:
        shape["LastDecreaseDateTime"] = units.decreased_at
    return shape
