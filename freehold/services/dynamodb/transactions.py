"""TransactWriteItems and TransactGetItems: all or nothing, in one transaction of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb import capacity, idempotency, requests, rows, throttling, writes
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.catalog import Place, Stale, current, place_of, refresh, schema_at
from freehold.services.dynamodb.checks import check_key
from freehold.services.dynamodb.counting import collection_metrics
from freehold.services.dynamodb.model import Schema
from freehold.services.dynamodb.requests import Changes, Request
from freehold.services.dynamodb.writes import ConditionFailed, Outcome, Write
from freehold.store.base import LimitExceeded, ReadTx, Tx

MAX_BYTES = 4 << 20
_INLINE = 25
"""Items that are read on the event loop; more are read beside it."""
_TWICE = "Transaction request cannot include multiple operations on one item"


@dataclass(slots=True)
class Part:
    """One member of a transaction, its expressions compiled; `make` checks it against the table."""

    name: str
    place: Place
    make: Callable[[Schema], Write]
    wanted: str | None


class Cancelled(Exception):
    """The transaction is cancelled for these reasons, one for each part."""

    def __init__(self, reasons: list[dict[str, Any]]) -> None:
        super().__init__()
        self.reasons = reasons


async def transact_write_items(call: Call, request: Request) -> Request:
    parts = [_part(call, member) for member in request["TransactItems"]]
    token = request.get("ClientRequestToken")
    digest = idempotency.digest_of(request) if token else b""
    now = call.platform.clock.now_ms()
    while True:
        schemas = await _schemas(call, parts)
        made, reasons = _make(parts, schemas)
        try:
            if any(reasons):
                if not await _are_current(call, schemas):
                    raise Stale
                raise Cancelled([reason or {"Code": "None"} for reason in reasons])
            _check_distinct(made)
            _admit(call, made)
            outcomes = await call.platform.store.transact(_body(call, made, parts, token, digest, now))
            break
        except Stale:
            for place in {part.place for part in parts}:
                await refresh(call.platform, place)
        except Cancelled as cancelled:
            raise _canceled_fault(cancelled.reasons) from None
        except LimitExceeded:
            raise not_implemented("transactions whose items and index entries exceed 16 MiB or 2,000 rows") from None
    return await _write_result(call, request, parts, made, outcomes)


def _part(call: Call, member: Request) -> Part:
    if len(member) != 1:
        raise invalid(
            "TransactItems can only contain one of Check, Put, Update or Delete"
            if member
            else "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"
        )
    ((kind, body),) = member.items()
    name = body["TableName"]
    make: Callable[[Schema], Write]
    if kind == "Update":
        changes = Changes(body)
        make = lambda schema: requests.update_of(schema, body["Key"], changes)  # noqa: E731
    else:
        test = requests.condition_of(body)
        if kind == "Put":
            make = lambda schema: requests.put_of(schema, body["Item"], test)  # noqa: E731
        elif kind == "Delete":
            make = lambda schema: requests.delete_of(schema, body["Key"], test)  # noqa: E731
        else:
            make = lambda schema: requests.check_of(schema, body["Key"], test)  # noqa: E731
    return Part(name, place_of(call, name), make, body.get("ReturnValuesOnConditionCheckFailure"))


async def _schemas(call: Call, parts: list[Part]) -> dict[Place, Schema]:
    return {place: await schema_at(call.platform, place) for place in {part.place for part in parts}}


async def _are_current(call: Call, schemas: dict[Place, Schema]) -> bool:
    """Are the schemas, by which something was refused, the latest?"""
    versions = [schema.version_key for schema in schemas.values()]
    found = await call.platform.store.read(lambda tx: tx.get_many(versions))
    return found == [schema.version for schema in schemas.values()]


def _make(parts: list[Part], schemas: dict[Place, Schema]) -> tuple[list[Write], list[dict[str, Any] | None]]:
    """The writes; and for each, why it cannot be done at all (a ValidationError), or None."""
    made: list[Write] = []
    reasons: list[dict[str, Any] | None] = []
    for part in parts:
        try:
            made.append(part.make(schemas[part.place]))
            reasons.append(None)
        except Fault as fault:
            reasons.append({"Code": "ValidationError", "Message": fault.message})
    return made, reasons


def _check_distinct(made: list[Write]) -> None:
    if len({write.row_key for write in made}) != len(made):
        raise invalid(_TWICE)
    size = sum(rows.size(write.row) for write in made if write.row is not None)
    if size > MAX_BYTES:
        raise invalid("Collective size of items in the transaction exceeds the limit of 4 MB")


def _admit(call: Call, made: list[Write]) -> None:
    """Raise Cancelled where the provisioned throughput of a table is used up."""
    faults = [throttling.refusal(call, write.schema, throttling.WRITE) for write in made]
    if any(faults):
        code = "ProvisionedThroughputExceeded"
        raise Cancelled([{"Code": code, "Message": fault.message} if fault else {"Code": "None"} for fault in faults])


def _body(
    call: Call, made: list[Write], parts: list[Part], token: str | None, digest: bytes, now: int
) -> Callable[[Tx], list[Outcome] | None]:
    schemas = {id(write.schema): write.schema for write in made}
    for write in made:
        write.read_old = True
    where = (call.account, call.region)

    def body(tx: Tx) -> list[Outcome] | None:
        for schema in schemas.values():
            current(tx, schema)
        if token is not None and idempotency.seen(tx, where, token, digest, now):
            return None
        outcomes, reasons = [], []
        for write, part in zip(made, parts, strict=True):
            outcome, reason = _attempt(tx, write, part)
            outcomes.append(outcome)
            reasons.append(reason)
        if any(reason["Code"] != "None" for reason in reasons):
            raise Cancelled(reasons)
        if token is not None:
            idempotency.remember(tx, where, token, digest, now)
        return outcomes

    return body


def _attempt(tx: Tx, write: Write, part: Part) -> tuple[Outcome, dict[str, Any]]:
    try:
        return writes.apply(tx, write), {"Code": "None"}
    except ConditionFailed as failed:
        reason: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        if part.wanted == "ALL_OLD" and failed.row is not None:
            reason["Item"] = rows.decode(failed.row)
        return Outcome(), reason
    except Fault as fault:
        return Outcome(), {"Code": "ValidationError", "Message": fault.message}


def _canceled_fault(reasons: list[dict[str, Any]]) -> Fault:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return Fault(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=reasons,
    )


async def _write_result(
    call: Call, request: Request, parts: list[Part], made: list[Write], outcomes: list[Outcome] | None
) -> Request:
    result: Request = {}
    level = request.get("ReturnConsumedCapacity", "NONE")
    if level != "NONE" or any(write.schema.limited for write in made):
        kind = throttling.WRITE if outcomes is not None else throttling.READ
        used: dict[str, Consumed] = {}
        for at, (part, write) in enumerate(zip(parts, made, strict=True)):
            one = writes.consumed(write, outcomes[at]) if outcomes is not None else _repeated(write)
            throttling.charge(call, write.schema, kind, one, 2.0)
            used.setdefault(part.name, Consumed()).add(one)
        if level != "NONE":
            result["ConsumedCapacity"] = [
                total.describe(name, level, kind=kind, factor=2.0) for name, total in used.items()
            ]
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics: dict[str, list[Any]] = {}
        for part, write in zip(parts, made, strict=True):
            found = await collection_metrics(call, write.schema, write.key)
            if found is not None:
                metrics.setdefault(part.name, []).append(found)
        if metrics:
            result["ItemCollectionMetrics"] = metrics
    return result


def _repeated(write: Write) -> Consumed:
    """What a repeated token costs: reads."""
    consumed = Consumed()
    consumed.table = capacity.read_units(rows.size(write.row) if write.row else 0, consistent=True)
    return consumed


async def transact_get_items(call: Call, request: Request) -> Request:
    asked = []
    for member in request["TransactItems"]:
        get = member["Get"]
        asked.append((get, place_of(call, get["TableName"]), requests.projection_of(get)))
    schemas, found = await _get_all(call, [(get["Key"], place) for get, place, _ in asked])
    if sum(rows.size(row) for row in found if row is not None) > MAX_BYTES:
        raise invalid("Collective size of items in the transaction exceeds the limit of 4 MB")
    responses: list[Request] = []
    used: dict[str, Consumed] = {}
    for (get, place, projection), row in zip(asked, found, strict=True):
        one = Consumed()
        one.table = capacity.read_units(rows.size(row) if row is not None else 0, consistent=True)
        throttling.charge(call, schemas[place], throttling.READ, one, 2.0)
        used.setdefault(get["TableName"], Consumed()).add(one)
        responses.append(
            {} if row is None else {"Item": rows.shown(row, on_the_wire=call.http is not None, projection=projection)}
        )
    result: Request = {"Responses": responses}
    level = request.get("ReturnConsumedCapacity", "NONE")
    if level != "NONE":
        result["ConsumedCapacity"] = [
            total.describe(name, level, kind="Read", factor=2.0) for name, total in used.items()
        ]
    return result


async def _get_all(call: Call, asked: list[tuple[Item, Place]]) -> tuple[dict[Place, Schema], list[bytes | None]]:
    """The rows of items of several tables, at one point in time."""
    while True:
        schemas = {place: await schema_at(call.platform, place) for place in {place for _, place in asked}}
        try:
            for schema in schemas.values():
                throttling.admit(call, schema, throttling.READ)
            store = call.platform.store
            read = store.read_many if len(asked) > _INLINE else store.read
            return schemas, await read(_gets(schemas, asked))
        except Fault:
            # Perhaps only a schema of old says so.
            if await _are_current(call, schemas):
                raise
        except Stale:
            pass
        for place in schemas:
            await refresh(call.platform, place)


def _gets(schemas: dict[Place, Schema], asked: list[tuple[Item, Place]]) -> Callable[[ReadTx], list[bytes | None]]:
    places = [_row_key(schemas[place], key) for key, place in asked]
    if len(set(places)) != len(places):
        raise invalid(_TWICE)

    def body(tx: ReadTx) -> list[bytes | None]:
        for schema in schemas.values():
            current(tx, schema)
        return tx.get_many(places)

    return body


def _row_key(schema: Schema, key: Item) -> bytes:
    check_key(schema, key)
    return schema.prefix + schema.tail(key)
