"""GetItem, PutItem, UpdateItem, DeleteItem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb import capacity, requests, rows, throttling, writes
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.catalog import Place, Stale, current, memory, place_of, reading, refresh, renew
from freehold.services.dynamodb.checks import check_key
from freehold.services.dynamodb.counting import collection_metrics
from freehold.services.dynamodb.model import Schema
from freehold.services.dynamodb.requests import Changes, Request
from freehold.services.dynamodb.writes import ConditionFailed, Outcome, Write
from freehold.store.base import ReadTx, Store, Tx


async def get_item(call: Call, request: Request) -> Request:
    projection = requests.projection_of(request)
    place = place_of(call, request["TableName"])
    schema = memory(call.platform).schemas.get(place)
    if schema is not None and not schema.limited:
        row = _at_hand(call.platform.store, schema, request["Key"])
        if row is None:
            schema, row = await _read(call, request, place)
    else:
        schema, row = await _read(call, request, place)
    result: Request = {}
    if row is not None:
        result["Item"] = rows.shown(row, on_the_wire=call.http is not None, projection=projection)
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted != "NONE" or schema.limited:
        used = Consumed()
        used.table = capacity.read_units(
            rows.size(row) if row is not None else 0, consistent=request.get("ConsistentRead", False)
        )
        if schema.limited:
            throttling.charge(call, schema, throttling.READ, used)
        if wanted != "NONE":
            result["ConsumedCapacity"] = used.describe(request["TableName"], wanted)
    return result


def _at_hand(store: Store, schema: Schema, key: Item) -> bytes | None:
    """The row of an item where that and the table's version are in memory: half of what a read costs. What is at hand is
    durable and nobody is about to write it, so that the two belong to one snapshot, as those of a read."""
    if store.at_hand(schema.version_key) != schema.version:
        return None
    check_key(schema, key)
    return store.at_hand(schema.prefix + schema.tail(key))


async def _read(call: Call, request: Request, place: Place) -> tuple[Schema, bytes | None]:
    """Read an item's row, with the schema that the table has."""

    def prepare(schema: Schema) -> Callable[[ReadTx], tuple[Schema, bytes | None]]:
        key = request["Key"]
        check_key(schema, key)
        throttling.admit(call, schema, throttling.READ)
        wanted = (schema.version_key, schema.prefix + schema.tail(key))

        def body(tx: ReadTx) -> tuple[Schema, bytes | None]:
            version, row = tx.get_many(wanted)
            if version != schema.version:
                current(tx, schema)
            return schema, row

        return body

    return await reading(call, place, prepare)


async def put_item(call: Call, request: Request) -> Request:
    test = requests.condition_of(request)
    return_values = request.get("ReturnValues", "NONE")
    if return_values not in ("NONE", "ALL_OLD"):
        raise invalid("ReturnValues can only be ALL_OLD or NONE")
    outcome, result = await _write(call, request, lambda schema: requests.put_of(schema, request["Item"], test))
    if return_values == "ALL_OLD" and outcome.old_row is not None:
        result["Attributes"] = rows.shown(outcome.old_row, on_the_wire=call.http is not None)
    return result


async def delete_item(call: Call, request: Request) -> Request:
    test = requests.condition_of(request)
    return_values = request.get("ReturnValues", "NONE")
    if return_values not in ("NONE", "ALL_OLD"):
        raise invalid("ReturnValues can only be ALL_OLD or NONE")
    outcome, result = await _write(call, request, lambda schema: requests.delete_of(schema, request["Key"], test))
    if return_values == "ALL_OLD" and outcome.old_row is not None:
        result["Attributes"] = rows.shown(outcome.old_row, on_the_wire=call.http is not None)
    return result


async def update_item(call: Call, request: Request) -> Request:
    changes = Changes(request)
    outcome, result = await _write(call, request, lambda schema: requests.update_of(schema, request["Key"], changes))
    attributes = _updated_attributes(call, request.get("ReturnValues", "NONE"), changes, outcome)
    if attributes is not None:
        result["Attributes"] = attributes
    return result


def _updated_attributes(call: Call, wanted: str, changes: Changes, outcome: Outcome) -> Any:
    if wanted == "ALL_OLD":
        return rows.shown(outcome.old_row, on_the_wire=call.http is not None) if outcome.old_row is not None else None
    if wanted == "ALL_NEW":
        return outcome.new
    item = outcome.old if wanted == "UPDATED_OLD" else outcome.new
    if wanted == "NONE" or changes.projection is None or item is None:
        return None
    shown = changes.projection.apply(item)
    return shown or None


async def _write(call: Call, request: Request, make: Callable[[Schema], Write]) -> tuple[Outcome, Request]:
    """Run one write; its outcome, and the parts of the answer that every write has."""
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    read_old = wanted != "NONE" or request.get("ReturnValues", "NONE") == "ALL_OLD"
    platform, place = call.platform, place_of(call, request["TableName"])
    schema = memory(platform).schemas.get(place) or await refresh(platform, place)
    while True:  # as `writing`, which would be one more to resume when the commit has landed
        try:
            write = make(schema)
            if schema.limited:
                throttling.admit(call, schema, throttling.WRITE)
            write.read_old = read_old or schema.limited
            outcome = await platform.store.transact(_applied(write))
            break
        except (Stale, Fault) as failure:
            schema = await renew(platform, place, schema, failure)
        except ConditionFailed as failed:
            _charge(call, write, Outcome(old_row=failed.row))
            raise requests.conditional_check_failed(
                failed.row, request.get("ReturnValuesOnConditionCheckFailure")
            ) from None
    result: Request = {}
    _charge(call, write, outcome)
    if wanted != "NONE":
        result["ConsumedCapacity"] = writes.consumed(write, outcome).describe(request["TableName"], wanted)
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics = await collection_metrics(call, write.schema, write.key)
        if metrics is not None:
            result["ItemCollectionMetrics"] = metrics
    return outcome, result


def _applied(write: Write) -> Callable[[Tx], Outcome]:
    def body(tx: Tx) -> Outcome:
        schema = write.schema
        if tx.get(schema.version_key) != schema.version:
            raise Stale
        return writes.apply(tx, write)

    return body


def _charge(call: Call, write: Write, outcome: Outcome) -> None:
    """A write is paid for even where its condition failed."""
    if write.schema.limited:
        throttling.charge(call, write.schema, throttling.WRITE, writes.consumed(write, outcome))
