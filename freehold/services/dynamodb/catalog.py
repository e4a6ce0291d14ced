"""Catalog: tables by name, compiled and cached under a version row that every use reads in its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

import msgspec

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.dynamodb.definitions import check_table_name
from freehold.services.dynamodb.model import Schema, Table, table_key, version_key
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.services.dynamodb.throttling import Bucket

T = TypeVar("T")
Place = tuple[str, str, str]
"""Account, region and name of a table."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Table).decode
_MAX_CACHED = 10_000


class Stale(Exception):
    """A cached schema is older than its table; raised inside a transaction, which is then begun again."""


class Memory:
    """What the service keeps in memory: caches, never facts."""

    def __init__(self) -> None:
        self.schemas: dict[Place, Schema] = {}
        self.counts: dict[str, tuple[float, int, int]] = {}
        """By table or index id: when it was counted, items, bytes."""
        self.buckets: dict[tuple[str, str], Bucket] = {}
        """Provisioned throughput that is left on this node, by table or index id and Read or Write."""
        self.jobs: set[str] = set()
        """Ids of jobs that run here."""

    def forget(self, place: Place, ids: Collection[str]) -> None:
        """A table has been deleted; `ids` are its own and those of its indexes."""
        self.schemas.pop(place, None)
        for each in ids:
            self.counts.pop(each, None)
        for bucket in [bucket for bucket in self.buckets if bucket[0] in ids]:
            del self.buckets[bucket]


def memory(platform: Platform) -> Memory:
    """The service's memory on this node."""
    found: Memory | None = platform.own.get("dynamodb")
    if found is None:
        found = platform.own["dynamodb"] = Memory()
    return found


def place_of(call: Call, name: str) -> Place:
    """Where a table lies that a request names, by name or ARN."""
    if not name.startswith("arn:"):
        return call.account, call.region, name
    arn = arns.parse(name)
    if arn is None or arn.service != "dynamodb" or not arn.resource.startswith("table/"):
        raise Fault("ValidationException", f"Invalid table ARN: {name}")
    if arn.account != call.account:
        raise Fault("AccessDeniedException", f"Access to the table {name} of another account is denied")
    if arn.region != call.region:
        raise Fault("ValidationException", f"Invalid region in ARN: {arn.region}; this endpoint serves {call.region}")
    return arn.account, arn.region, arn.resource.split("/")[1]


def find(tx: ReadTx, place: Place) -> Schema | None:
    """The table at a place, compiled, in this transaction."""
    row = tx.get(table_key(*place))
    if row is None:
        return None
    version = tx.get(version_key(*place))
    assert version is not None
    return Schema(_decode(row), version)


def save(tx: Tx, table: Table, version: bytes) -> None:
    """Record a table under a version that was never used."""
    place = (table.account, table.region, table.name)
    tx.put(table_key(*place), _encode(table))
    tx.put(version_key(*place), version)


def forget(tx: Tx, table: Table) -> None:
    """Remove a table's record; its rows are another matter."""
    place = (table.account, table.region, table.name)
    tx.delete(table_key(*place))
    tx.delete(version_key(*place))


async def schema_at(platform: Platform, place: Place) -> Schema:
    """The schema of a table, from the cache or the store. Raises ResourceNotFoundException."""
    found = memory(platform).schemas.get(place)
    return found if found is not None else await refresh(platform, place)


async def refresh(platform: Platform, place: Place) -> Schema:
    """The schema of a table from the store."""
    schemas = memory(platform).schemas
    found = await platform.store.read(lambda tx: find(tx, place))
    if found is None:
        schemas.pop(place, None)
        check_table_name(place[2])
        raise Fault("ResourceNotFoundException", "Requested resource not found")
    if len(schemas) >= _MAX_CACHED:
        schemas.clear()
    schemas[place] = found
    return found


def current(tx: ReadTx, schema: Schema) -> None:
    """Raise Stale unless the schema is the table's latest, in this transaction."""
    if tx.get(schema.version_key) != schema.version:
        raise Stale


async def renew(platform: Platform, place: Place, schema: Schema, failure: Exception) -> Schema:
    """What to try again with after `failure`: the table's latest schema. Where that is the one that was used, the failure
    is no fault of an old schema, and is raised."""
    fresh = await refresh(platform, place)
    if fresh.version == schema.version and not isinstance(failure, Stale):
        raise failure
    return fresh


async def reading(
    call: Call, place: Place, prepare: Callable[[Schema], Callable[[ReadTx], T]], *, many: bool = False
) -> T:
    """Read from a table: `prepare` makes the body for a schema, and is asked again when the schema has changed.
    `many`: the body reads much, and is not run on the event loop."""
    platform = call.platform
    read = platform.store.read_many if many else platform.store.read
    schema = memory(platform).schemas.get(place) or await refresh(platform, place)
    while True:
        try:
            return await read(prepare(schema))
        except (Stale, Fault) as failure:
            schema = await renew(platform, place, schema, failure)


async def writing(call: Call, place: Place, prepare: Callable[[Schema], Callable[[Tx], T]]) -> T:
    """Write to a table; as `reading`."""
    platform = call.platform
    schema = await schema_at(platform, place)
    while True:
        try:
            return await platform.store.transact(prepare(schema))
        except (Stale, Fault) as failure:
            schema = await renew(platform, place, schema, failure)
