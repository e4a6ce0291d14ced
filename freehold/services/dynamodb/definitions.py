"""Definitions: what CreateTable and UpdateTable say a table shall be, checked with AWS's messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from freehold.kit.faults import not_implemented
from freehold.rules.dynamodb.values import invalid
from freehold.services.dynamodb.model import Index, Throughput

Request = dict[str, Any]
MAX_LOCAL = 5
MAX_GLOBAL = 20
MAX_PROJECTED = 100
MAX_TAGS = 50
_INVALID = "One or more parameter values were invalid: "
_NAME = re.compile(r"[a-zA-Z0-9_.-]+").fullmatch
_REFUSED = {
    "ResourcePolicy": "resource policies of DynamoDB tables (ResourcePolicy)",
    "GlobalTableSourceArn": "global tables (GlobalTableSourceArn)",
    "GlobalTableSettingsReplicationMode": "global tables (GlobalTableSettingsReplicationMode)",
    "ReplicaUpdates": "global tables (ReplicaUpdates)",
    "MultiRegionConsistency": "global tables (MultiRegionConsistency)",
    "GlobalTableWitnessUpdates": "global tables (GlobalTableWitnessUpdates)",
    "VectorIndexes": "vector indexes (VectorIndexes)",
    "VectorIndexUpdates": "vector indexes (VectorIndexUpdates)",
    "WarmThroughput": "warm throughput (WarmThroughput)",
    "OnDemandThroughput": "maximum on-demand throughput (OnDemandThroughput)",
    "DisassociationProtectionEnabled": "disassociation protection (DisassociationProtectionEnabled)",
}


def refuse_unimplemented(request: Request) -> None:
    """Refuse by name what Freehold's tables do not have."""
    for name, what in _REFUSED.items():
        if request.get(name):
            raise not_implemented(what)
    if (request.get("StreamSpecification") or {}).get("StreamEnabled"):
        raise not_implemented("DynamoDB Streams (StreamSpecification)")


def encrypted(specification: Request | None) -> bool:
    """SSESpecification: does it ask for the AWS-managed key? Keys of the customer's are refused by name."""
    if specification is None:
        return False
    key = specification.get("KMSMasterKeyId")
    if key is not None and key != "alias/aws/dynamodb":
        raise not_implemented(f"customer-managed KMS keys (SSESpecification.KMSMasterKeyId {key})")
    if specification.get("SSEType", "KMS") != "KMS":
        raise invalid(_INVALID + "SSEType AES256 is not supported")
    enabled: bool = specification.get("Enabled", False)
    return enabled


def check_table_name(name: str) -> None:
    """A new table's name: 3 to 255 of letters, digits, `_`, `.`, `-`."""
    if not 3 <= len(name) <= 255:
        raise invalid("TableName must be at least 3 characters long and at most 255 characters long")
    if not _NAME(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )


def attribute_definitions(given: Sequence[Request]) -> dict[str, str]:
    """AttributeDefinitions as types by name."""
    types: dict[str, str] = {}
    for definition in given:
        name = definition["AttributeName"]
        if name in types:
            raise invalid(_INVALID + f"Duplicate AttributeName in AttributeDefinitions: {name}")
        types[name] = definition["AttributeType"]
    return types


def key_schema(elements: Sequence[Request], what: str = "") -> tuple[str, str | None]:
    """A KeySchema as the names of hash and sort key."""
    if len(elements) > 2:
        if what:
            raise not_implemented(f"keys of several attributes (KeySchema of the index {what})")
        raise invalid(
            "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: "
            "Member must have length less than or equal to 2"
        )
    if elements[0]["KeyType"] != "HASH":
        raise invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(elements) == 1:
        return elements[0]["AttributeName"], None
    if elements[1]["KeyType"] != "RANGE":
        raise invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    hash_name, sort_name = elements[0]["AttributeName"], elements[1]["AttributeName"]
    if hash_name == sort_name:
        raise invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    return hash_name, sort_name


def check_definitions(types: dict[str, str], table_keys: Sequence[str], indexes: Sequence[Index]) -> None:
    """Every key attribute is defined, and nothing else."""
    for name in table_keys:
        if name not in types:
            raise invalid(
                _INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
                f"Keys: [{', '.join(table_keys)}], AttributeDefinitions: [{', '.join(types)}]"
            )
    used = dict.fromkeys(table_keys)
    for index in indexes:
        own = [name for name in (index.hash, index.sort) if name is not None]
        if any(name not in types for name in own):
            raise invalid(
                _INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
                f"Keys: [{', '.join(own)}], AttributeDefinitions: [{', '.join(types)}]"
            )
        used.update(dict.fromkeys(own))
    if len(used) != len(types):
        if not indexes:
            raise invalid(
                _INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
                "AttributeDefinitions"
            )
        raise invalid(
            _INVALID + "Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: [{', '.join(types)}], keys used: [{', '.join(used)}]"
        )


def throughput(given: Request | None, billing_mode: str, index: str | None = None) -> Throughput:
    """ProvisionedThroughput of a table or index, as its billing mode wants it."""
    of_index = f" for index: {index}" if index is not None else ""
    if billing_mode == "PAY_PER_REQUEST":
        if given is not None:
            raise invalid(
                _INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                f"PAY_PER_REQUEST{of_index}"
            )
        return Throughput()
    if given is None:
        raise invalid(
            _INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is "
            f"PROVISIONED{of_index}"
        )
    return Throughput(given["ReadCapacityUnits"], given["WriteCapacityUnits"])


def local_indexes(given: Sequence[Request] | None, hash_name: str, sort_name: str | None) -> list[Index]:
    """LocalSecondaryIndexes. Their `id` is given later."""
    if given is None:
        return []
    if not given:
        raise invalid(_INVALID + "List of LocalSecondaryIndexes is empty")
    if sort_name is None:
        raise invalid(
            _INVALID
            + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
        )
    if len(given) > MAX_LOCAL:
        raise invalid(_INVALID + f"Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL}")
    made = []
    for one in given:
        name = one["IndexName"]
        own_hash, own_sort = key_schema(one["KeySchema"], name)
        if own_sort is None:
            raise invalid(_INVALID + f"Index KeySchema does not have a range key for index: {name}")
        if own_hash != hash_name:
            raise invalid(
                _INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: "
                f"{name}. index hash key: {own_hash}, table hash key: {hash_name}"
            )
        projection, non_key = _projection(one["Projection"])
        made.append(Index("", name, True, own_hash, own_sort, projection, non_key))
    return made


def global_indexes(given: Sequence[Request] | None, billing_mode: str) -> list[Index]:
    """GlobalSecondaryIndexes. Their `id` is given later."""
    if given is None:
        return []
    if not given:
        raise invalid(_INVALID + "List of GlobalSecondaryIndexes is empty")
    if len(given) > MAX_GLOBAL:
        raise invalid(_INVALID + f"GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL}")
    return [global_index(one, billing_mode) for one in given]


def global_index(given: Request, billing_mode: str) -> Index:
    """One global secondary index."""
    name = given["IndexName"]
    refuse_unimplemented(given)
    own_hash, own_sort = key_schema(given["KeySchema"], name)
    projection, non_key = _projection(given["Projection"])
    units = throughput(given.get("ProvisionedThroughput"), billing_mode, name)
    return Index("", name, False, own_hash, own_sort, projection, non_key, throughput=units)


def _projection(given: Request) -> tuple[str, list[str]]:
    kind, non_key = given.get("ProjectionType"), given.get("NonKeyAttributes")
    if kind is None:
        raise invalid(_INVALID + "Unknown ProjectionType: null")
    if kind == "INCLUDE" and not non_key:
        raise invalid(_INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if kind != "INCLUDE" and non_key is not None:
        raise invalid(_INVALID + f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if non_key and len(set(non_key)) != len(non_key):
        raise invalid(_INVALID + f"Duplicate value in list of attributes to project: [{', '.join(non_key)}]")
    return kind, list(non_key or ())


def check_indexes(indexes: Sequence[Index]) -> None:
    """Names of indexes are unique; together they project at most 100 attributes."""
    seen = set()
    for index in indexes:
        if index.name in seen:
            raise invalid(_INVALID + f"Duplicate index name: {index.name}")
        seen.add(index.name)
    if sum(len(index.non_key) for index in indexes) > MAX_PROJECTED:
        raise invalid(
            _INVALID + f"Number of projected attributes in all indexes exceeds the per-table limit of {MAX_PROJECTED}"
        )


def tags_of(
    given: Sequence[Request], before: dict[str, str] | None = None, *, internal: bool = False
) -> dict[str, str]:
    """Tags, added to those before. Only other services (`internal`) set tags of the reserved prefix."""
    tags = dict(before or {})
    names = [tag["Key"] for tag in given]
    if len(set(names)) != len(names):
        raise invalid("Duplicate Tag Key found in request")
    for tag in given:
        if tag["Key"].startswith("aws:") and not internal:
            raise invalid("One or more tag keys begin with the reserved prefix aws:")
        tags[tag["Key"]] = tag["Value"]
    if sum(not name.startswith("aws:") for name in tags) > MAX_TAGS:
        raise invalid(f"The number of tags exceeds the limit of {MAX_TAGS}")
    return tags
