"""BatchGetItem and BatchWriteItem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.rules.dynamodb.paths import Projection
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb import capacity, requests, rows, throttling, writes
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.catalog import current, place_of, reading, writing
from freehold.services.dynamodb.checks import check_key
from freehold.services.dynamodb.counting import collection_metrics
from freehold.services.dynamodb.model import Schema
from freehold.services.dynamodb.requests import Request
from freehold.services.dynamodb.writes import Outcome, Write
from freehold.store.base import ReadTx, Tx

MAX_GETS = 100
MAX_WRITES = 25
MAX_ANSWER = 16 << 20
_DUPLICATES = "Provided list of item keys contains duplicates"
_INLINE = 25
"""Items that are read on the event loop; more are read beside it."""
_TRANSACTION_BYTES = 2 << 20
"""Bytes of items that one transaction of a batch takes: with all their index rows they stay below the store's limits."""


@dataclass(slots=True)
class Wanted:
    """What BatchGetItem wants of one table."""

    name: str
    keys: list[Item]
    projection: Projection | None
    consistent: bool
    request: Request


async def batch_get_item(call: Call, request: Request) -> Request:
    asked: list[Wanted] = []
    for name, part in request["RequestItems"].items():
        projection = requests.projection_of(part)
        asked.append(Wanted(name, part["Keys"], projection, part.get("ConsistentRead", False), part))
    if sum(len(wanted.keys) for wanted in asked) > MAX_GETS:
        raise invalid("Too many items requested for the BatchGetItem call")
    responses: dict[str, list[object]] = {}
    unprocessed: Request = {}
    consumed: list[tuple[str, Consumed]] = []
    faults: list[Fault] = []
    left = MAX_ANSWER
    for wanted in asked:
        schema, found = await reading(call, place_of(call, wanted.name), _gets(wanted), many=len(wanted.keys) > _INLINE)
        fault = throttling.refusal(call, schema, throttling.READ)
        if fault is not None:
            faults.append(fault)
            found = []
        used, items = Consumed(), responses.setdefault(wanted.name, [])
        taken = 0
        for row in found:
            size = rows.size(row) if row is not None else 0
            if size > left:
                break
            left -= size
            taken += 1
            used.table += capacity.read_units(size, consistent=wanted.consistent)
            if row is not None:
                items.append(rows.shown(row, on_the_wire=call.http is not None, projection=wanted.projection))
        if taken < len(wanted.keys):
            unprocessed[wanted.name] = {**wanted.request, "Keys": wanted.keys[taken:]}
        throttling.charge(call, schema, throttling.READ, used)
        consumed.append((wanted.name, used))
    if len(faults) == len(asked):
        raise faults[0]
    return _with_capacity(request, {"Responses": responses, "UnprocessedKeys": unprocessed}, consumed)


def _with_capacity(request: Request, result: Request, consumed: list[tuple[str, Consumed]]) -> Request:
    level = request.get("ReturnConsumedCapacity", "NONE")
    if level != "NONE":
        result["ConsumedCapacity"] = [used.describe(name, level) for name, used in consumed]
    return result


Found = tuple[Schema, list[bytes | None]]


def _gets(wanted: Wanted) -> Callable[[Schema], Callable[[ReadTx], Found]]:
    return lambda schema: _gets_of(schema, wanted)


def _gets_of(schema: Schema, wanted: Wanted) -> Callable[[ReadTx], Found]:
    places = []
    for key in wanted.keys:
        check_key(schema, key)
        places.append(schema.prefix + schema.tail(key))
    if len(set(places)) != len(places):
        raise invalid(_DUPLICATES)

    def body(tx: ReadTx) -> Found:
        current(tx, schema)
        return schema, tx.get_many(places)

    return body


async def batch_write_item(call: Call, request: Request) -> Request:
    asked = request["RequestItems"]
    if sum(len(parts) for parts in asked.values()) > MAX_WRITES:
        raise invalid("Too many items requested for the BatchWriteItem call")
    for parts in asked.values():
        for part in parts:
            if len(part) != 1:
                many = "has more than one datatypes set" if part else "is empty"
                raise invalid(f"Supplied AttributeValue {many}, must contain exactly one of the supported datatypes")
    level = request.get("ReturnConsumedCapacity", "NONE")
    # Everything is checked before anything is written.
    prepared = {name: await reading(call, place_of(call, name), _checked(parts)) for name, parts in asked.items()}
    consumed: list[tuple[str, Consumed]] = []
    metrics: dict[str, list[Request]] = {}
    unprocessed: dict[str, list[Request]] = {}
    faults: list[Fault] = []
    for name, parts in asked.items():
        schema, sizes = prepared[name]
        used = Consumed()
        consumed.append((name, used))
        fault = throttling.refusal(call, schema, throttling.WRITE)
        if fault is not None:
            faults.append(fault)
            unprocessed[name] = parts
            continue
        price = level != "NONE" or schema.limited
        for chunk in _chunks(parts, sizes):
            done = await writing(call, place_of(call, name), _puts(chunk, read_old=price))
            if price:
                for write, outcome in done:
                    used.add(writes.consumed(write, outcome))
            if request.get("ReturnItemCollectionMetrics") == "SIZE":
                metrics.setdefault(name, []).extend(
                    [found for write, _ in done if (found := await collection_metrics(call, write.schema, write.key))]
                )
        throttling.charge(call, schema, throttling.WRITE, used)
    if len(faults) == len(asked):
        raise faults[0]
    result: Request = {"UnprocessedItems": unprocessed}
    if any(metrics.values()):
        result["ItemCollectionMetrics"] = {name: found for name, found in metrics.items() if found}
    return _with_capacity(request, result, consumed)


def _write_of(schema: Schema, part: Request) -> Write:
    put = part.get("PutRequest")
    if put is not None:
        return requests.put_of(schema, put["Item"], None)
    return requests.delete_of(schema, part["DeleteRequest"]["Key"], None)


def _checked(parts: list[Request]) -> Callable[[Schema], Callable[[ReadTx], tuple[Schema, list[int]]]]:
    """Check all writes of a table; the schema that they fit, and their sizes, index rows included."""

    def prepare(schema: Schema) -> Callable[[ReadTx], tuple[Schema, list[int]]]:
        made = [_write_of(schema, part) for part in parts]
        if len({write.tail for write in made}) != len(made):
            raise invalid(_DUPLICATES)
        copies = 1 + len(schema.indexes)
        sizes = [len(write.row) * copies if write.row is not None else 0 for write in made]

        def body(tx: ReadTx) -> tuple[Schema, list[int]]:
            current(tx, schema)
            return schema, sizes

        return body

    return prepare


def _chunks(parts: list[Request], sizes: list[int]) -> list[list[Request]]:
    chunks: list[list[Request]] = [[]]
    total = 0
    for part, size in zip(parts, sizes, strict=True):
        if chunks[-1] and total + size > _TRANSACTION_BYTES:
            chunks.append([])
            total = 0
        chunks[-1].append(part)
        total += size
    return chunks


def _puts(parts: list[Request], *, read_old: bool) -> Callable[[Schema], Callable[[Tx], list[tuple[Write, Outcome]]]]:
    def prepare(schema: Schema) -> Callable[[Tx], list[tuple[Write, Outcome]]]:
        made = [_write_of(schema, part) for part in parts]
        for write in made:
            write.read_old = read_old

        def body(tx: Tx) -> list[tuple[Write, Outcome]]:
            current(tx, schema)
            return [(write, writes.apply(tx, write)) for write in made]

        return body

    return prepare
