"""Tables and indexes: what is recorded of them, and their compiled form, the schema that item operations use."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit import arns
from freehold.kit.tuples import pack
from freehold.rules.dynamodb import keys
from freehold.rules.dynamodb.key_conditions import KeySchema
from freehold.rules.dynamodb.values import Item, Value, text_size, type_of

MAX_HASH_BYTES = 2_048
MAX_SORT_BYTES = 1_024


class Throughput(msgspec.Struct):
    """Provisioned read and write capacity units, and when they were changed."""

    read: int = 0
    write: int = 0
    increased_at: float | None = None
    decreased_at: float | None = None


class Index(msgspec.Struct):
    """A secondary index. `id` is part of the keys of its rows: a name that is used again starts empty."""

    id: str
    name: str
    local: bool
    hash: str
    sort: str | None
    projection: str
    non_key: list[str] = []
    status: str = "ACTIVE"
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand: dict[str, int] | None = None


class Table(msgspec.Struct):
    """A table. `id` is AWS's TableId and part of the keys of its items."""

    id: str
    name: str
    account: str
    region: str
    created_at: float
    hash: str
    sort: str | None
    definitions: dict[str, str]
    indexes: list[Index]
    billing_mode: str = "PROVISIONED"
    on_demand_since: float | None = None
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand: dict[str, int] | None = None
    table_class: str | None = None
    table_class_at: float | None = None
    encrypted: bool = False
    deletion_protection: bool = False
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        """The table's ARN."""
        return arns.make("dynamodb", self.region, self.account, f"table/{self.name}")

    @property
    def status(self) -> str:
        """TableStatus: UPDATING while an index is being filled."""
        return "ACTIVE" if all(index.status == "ACTIVE" for index in self.indexes) else "UPDATING"


class IndexSchema:
    """An index as item operations use it."""

    __slots__ = ("hash", "hash_type", "index", "key_names", "keys", "prefix", "projected", "sort", "sort_type")

    def __init__(self, table: Table, index: Index) -> None:
        self.index = index
        self.prefix = pack("dynamodb", table.account, table.region, "x", index.id)
        self.hash = index.hash
        self.sort = index.sort
        self.hash_type = table.definitions[index.hash]
        self.sort_type = table.definitions[index.sort] if index.sort is not None else ""
        self.keys = KeySchema(table.definitions, index.hash, index.sort, index.name)
        own = (table.hash, table.sort, index.hash, index.sort)
        self.key_names = tuple(dict.fromkeys(name for name in own if name is not None))
        """Attributes of an ExclusiveStartKey of this index."""
        self.projected = frozenset((*self.key_names, *index.non_key)) if index.projection != "ALL" else None
        """Attributes that the index holds; None: all."""

    @property
    def name(self) -> str:
        """The index's name."""
        return self.index.name

    def row_key(self, item: Item, tail: bytes) -> bytes | None:
        """The key of an item's row in this index; None where the item is not in it: it lacks a key attribute, or has
        one, written before the index was there, that cannot be a key. `tail` is the item's own place."""
        hash_value = item.get(self.hash)
        if hash_value is None or not _fits(hash_value, self.hash_type, MAX_HASH_BYTES):
            return None
        place = self.prefix + keys.spread(hash_value)
        if self.sort is not None:
            sort_value = item.get(self.sort)
            if sort_value is None or not _fits(sort_value, self.sort_type, MAX_SORT_BYTES):
                return None
            place += keys.closed(keys.sort_bytes(sort_value))
        return place + keys.digest(tail)

    def project(self, item: Item) -> Item:
        """The attributes of an item which the index holds."""
        if self.projected is None:
            return item
        return {name: value for name, value in item.items() if name in self.projected}


class Schema:
    """A table compiled for item operations, valid while its version row says `version`."""

    __slots__ = (
        "by_name",
        "hash",
        "index_attributes",
        "indexes",
        "key_names",
        "keys",
        "limited",
        "own_keys",
        "prefix",
        "sort",
        "table",
        "version",
        "version_key",
    )

    def __init__(self, table: Table, version: bytes) -> None:
        self.table = table
        self.version = version
        self.version_key = version_key(table.account, table.region, table.name)
        self.prefix = pack("dynamodb", table.account, table.region, "i", table.id)
        self.hash = table.hash
        self.sort = table.sort
        self.limited = table.billing_mode == "PROVISIONED"
        """Has it provisioned throughput?"""
        self.own_keys = KeySchema(table.definitions, table.hash, table.sort)
        self.key_names = (table.hash,) if table.sort is None else (table.hash, table.sort)
        self.keys = tuple(
            (name, table.definitions[name], MAX_HASH_BYTES if name == table.hash else MAX_SORT_BYTES)
            for name in self.key_names
        )
        """Name, type and most bytes of each key attribute."""
        self.indexes = tuple(IndexSchema(table, index) for index in table.indexes)
        self.by_name = {index.name: index for index in self.indexes}
        self.index_attributes: dict[str, list[str]] = {}
        """Index names by attribute that is a key of an index and not of the table."""
        for index in self.indexes:
            for name in index.key_names:
                if name not in self.key_names:
                    self.index_attributes.setdefault(name, []).append(index.name)

    def tail(self, item: Item) -> bytes:
        """The place of an item behind `prefix`: digest of the partition key, ordering bytes of the sort key."""
        place = keys.spread(item[self.hash])
        return place if self.sort is None else place + keys.sort_bytes(item[self.sort])

    def key_type(self, name: str) -> str:
        """The declared type of a key attribute."""
        return self.table.definitions[name]


def table_key(account: str, region: str, name: str) -> bytes:
    """Key of the row that records a table."""
    return pack("dynamodb", account, region, "t", name)


def version_key(account: str, region: str, name: str) -> bytes:
    """Key of the row that changes whenever a table's record does."""
    return pack("dynamodb", account, region, "v", name)


def _fits(value: Value, kind: str, limit: int) -> bool:
    content = value.get(kind)
    if not content:
        return False
    return len(content) <= limit if type(content) is bytes else text_size(content) <= limit


def is_empty_key(value: dict[str, Any]) -> str | None:
    """ "string" or "binary" where a key value is empty, else None."""
    kind = type_of(value)
    if kind in ("S", "B") and not value[kind]:
        return "string" if kind == "S" else "binary"
    return None
