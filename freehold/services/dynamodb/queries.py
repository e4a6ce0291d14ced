"""Query and Scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freehold.kit.faults import Fault
from freehold.kit.tuples import after
from freehold.ports.call import Call
from freehold.rules.dynamodb import binding, legacy
from freehold.rules.dynamodb.binding import Bound
from freehold.rules.dynamodb.conditions import Condition
from freehold.rules.dynamodb.key_conditions import KeyCondition, KeyConditionExpression, bind
from freehold.rules.dynamodb.paths import Projection
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb import capacity, pages, ranges, rows, throttling
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.catalog import Stale, place_of, renew, schema_at
from freehold.services.dynamodb.model import IndexSchema, Schema
from freehold.services.dynamodb.pages import Page, Plan
from freehold.services.dynamodb.requests import PROJECTION, Request

FILTER = "FilterExpression"
KEY_CONDITION = "KeyConditionExpression"
_INVALID = "One or more parameter values were invalid: "


@dataclass(slots=True)
class Asked:
    """The parameters that Query and Scan share, compiled."""

    bound: Bound | None = None
    keep: Callable[[Item], bool] | None = None
    filtered: frozenset[str] = frozenset()
    projection: Projection | None = None
    key_condition: KeyConditionExpression | None = None
    select: str | None = None


async def query(call: Call, request: Request) -> Request:
    binding.refuse_mixture(
        request,
        ("AttributesToGet", "KeyConditions", "QueryFilter", "ConditionalOperator"),
        (PROJECTION, FILTER, KEY_CONDITION),
    )
    asked = _ask(request, "QueryFilter")
    if asked.key_condition is None and "KeyConditions" not in request:
        raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    plan, page = await _run(call, request, lambda schema: _plan_query(schema, request, asked))
    return _result(call, request, plan, page)


async def scan(call: Call, request: Request) -> Request:
    binding.refuse_mixture(request, ("AttributesToGet", "ScanFilter", "ConditionalOperator"), (PROJECTION, FILTER))
    asked = _ask(request, "ScanFilter")
    _check_segment(request)
    plan, page = await _run(call, request, lambda schema: _plan_scan(schema, request, asked))
    return _result(call, request, plan, page)


def _ask(request: Request, legacy_filter: str) -> Asked:
    asked = Asked()
    is_query = legacy_filter == "QueryFilter"
    expressions = (PROJECTION, FILTER, KEY_CONDITION) if is_query else (PROJECTION, FILTER)
    missing = "FilterExpression and KeyConditionExpression are null" if is_query else "FilterExpression is null"
    bound = asked.bound = Bound(request, expressions, missing)
    if FILTER in request:
        condition: Condition = bound.condition(FILTER, request[FILTER])
        asked.keep, asked.filtered = bound.test(condition), condition.attributes
    if PROJECTION in request:
        asked.projection = bound.projection(request[PROJECTION])
    if KEY_CONDITION in request and is_query:
        asked.key_condition = bound.key_condition(request[KEY_CONDITION])
    bound.finish()
    _ask_legacy(request, legacy_filter, asked)
    asked.select = _select(request, asked)
    return asked


def _ask_legacy(request: Request, legacy_filter: str, asked: Asked) -> None:
    conditions, operator = request.get(legacy_filter), request.get("ConditionalOperator")
    if operator is not None and not conditions:
        raise invalid("ConditionalOperator cannot be used without Filter or Expected")
    if operator is not None and conditions is not None and len(conditions) == 1:
        raise invalid("ConditionalOperator can only be used when Filter or Expected has two or more elements")
    if conditions:
        asked.keep, asked.filtered = legacy.filter_test(conditions, operator), frozenset(conditions)
    if "AttributesToGet" in request:
        asked.projection = binding.attributes_projection(request["AttributesToGet"])


def _select(request: Request, asked: Asked) -> str | None:
    select: str | None = request.get("Select")
    named = "AttributesToGet" if "AttributesToGet" in request else PROJECTION
    if asked.projection is not None and select not in (None, "SPECIFIC_ATTRIBUTES"):
        only = "only the Count" if select == "COUNT" else str(select)
        raise invalid(f"Cannot specify the {named} when choosing to get {only}")
    if select == "SPECIFIC_ATTRIBUTES" and asked.projection is None:
        raise invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    return select


async def _run(call: Call, request: Request, make: Callable[[Schema], Plan]) -> tuple[Plan, Page]:
    place = place_of(call, request["TableName"])
    schema = await schema_at(call.platform, place)
    while True:
        try:
            plan = make(schema)
            throttling.admit(call, schema, throttling.READ, plan.index)
            return plan, await pages.read_page(call.platform.store, plan)
        except (Stale, Fault) as failure:
            schema = await renew(call.platform, place, schema, failure)


def _index(schema: Schema, request: Request, asked: Asked) -> IndexSchema | None:
    name = request.get("IndexName")
    if name is None:
        return None
    index = schema.by_name.get(name)
    if index is None:
        raise invalid(f"The table does not have the specified index: {name}")
    if index.index.status != "ACTIVE":
        raise invalid(f"Cannot read from backfilling global secondary index: {name}")
    if index.index.local:
        return index
    if request.get("ConsistentRead"):
        raise invalid("Consistent reads are not supported on global secondary indexes")
    if index.projected is not None:
        if asked.select == "ALL_ATTRIBUTES":
            raise invalid(
                _INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index "
                f"{name} because its projection type is not ALL"
            )
        wanted = asked.projection.attributes if asked.projection is not None else frozenset()
        beyond = sorted(wanted - index.projected)
        if beyond:
            raise invalid(_INVALID + f"Global secondary index {name} does not project [{', '.join(beyond)}]")
    return index


def _needs_fetch(index: IndexSchema | None, asked: Asked) -> bool:
    """Does a local index lack something that is asked for, so that whole items are fetched from the table?"""
    if index is None or index.projected is None or not index.index.local:
        return False
    wanted = asked.projection.attributes if asked.projection is not None else frozenset()
    return asked.select == "ALL_ATTRIBUTES" or bool((wanted | asked.filtered) - index.projected)


def _plan(schema: Schema, index: IndexSchema | None, request: Request, asked: Asked, within: ranges.Range) -> Plan:
    return Plan(
        schema, index, within[0], within[1], limit=request.get("Limit"), keep=asked.keep, projection=asked.projection,
        count_only=asked.select == "COUNT", fetch=_needs_fetch(index, asked),
    )  # fmt: skip


def _plan_query(schema: Schema, request: Request, asked: Asked) -> Plan:
    index = _index(schema, request, asked)
    hash_name, sort_name = (schema.hash, schema.sort) if index is None else (index.hash, index.sort)
    for name in (hash_name, sort_name):
        if name in asked.filtered:
            if "QueryFilter" in request:
                raise invalid(f"QueryFilter can only contain non-primary key attributes: Primary key attribute: {name}")
            raise invalid(
                f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
            )
    condition = _key_condition(schema, index, request, asked)
    start, end = ranges.of_condition(schema, index, condition)
    plan = _plan(schema, index, request, asked, (start, end))
    plan.reverse = request.get("ScanIndexForward", True) is False
    exclusive = request.get("ExclusiveStartKey")
    if exclusive is not None:
        row_key = ranges.of_start_key(schema, index, exclusive)
        if not start <= row_key < end:
            raise invalid("The provided starting key is outside query boundaries based on provided conditions")
        _begin_after(plan, row_key)
    return plan


def _key_condition(schema: Schema, index: IndexSchema | None, request: Request, asked: Asked) -> KeyCondition:
    keys = schema.own_keys if index is None else index.keys
    if asked.key_condition is None:
        return legacy.key_condition(request["KeyConditions"], keys)
    assert asked.bound is not None
    return bind(asked.key_condition, keys, asked.bound.values)


def _begin_after(plan: Plan, row_key: bytes) -> None:
    if plan.reverse:
        plan.end = row_key
    else:
        plan.start = row_key + b"\x00"


def _check_segment(request: Request) -> None:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is not None and total is None:
        raise invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
        )
    if total is not None and segment is None:
        raise invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
        )
    if segment is not None and total is not None and segment >= total:
        raise invalid(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )


def _plan_scan(schema: Schema, request: Request, asked: Asked) -> Plan:
    index = _index(schema, request, asked)
    prefix = schema.prefix if index is None else index.prefix
    segment, total = request.get("Segment"), request.get("TotalSegments")
    start, end = (prefix, after(prefix)) if total is None else ranges.of_segment(prefix, segment or 0, total)
    plan = _plan(schema, index, request, asked, (start, end))
    exclusive = request.get("ExclusiveStartKey")
    if exclusive is not None:
        row_key = ranges.of_start_key(schema, index, exclusive)
        if not start <= row_key < end:
            raise invalid(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
                f"correct Segment. TotalSegments: {total} Segment: {segment}"
            )
        _begin_after(plan, row_key)
    return plan


def _result(call: Call, request: Request, plan: Plan, page: Page) -> Request:
    result: Request = {}
    if not plan.count_only:
        if plan.projection is not None:
            result["Items"] = page.items
        elif call.http is not None:
            result["Items"] = rows.fragments(page.whole)
        else:
            result["Items"] = [rows.decode(row) for row in page.whole]
    result["Count"] = page.count
    result["ScannedCount"] = page.scanned
    last = pages.last_evaluated_key(plan, page)
    if last is not None:
        result["LastEvaluatedKey"] = last
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted != "NONE" or plan.schema.limited:
        used = _consumed(plan, page, request)
        throttling.charge(call, plan.schema, throttling.READ, used)
        if wanted != "NONE":
            result["ConsumedCapacity"] = used.describe(request["TableName"], wanted)
    return result


def _consumed(plan: Plan, page: Page, request: Request) -> Consumed:
    consistent = request.get("ConsistentRead", False)
    units = capacity.read_units(page.size, consistent=consistent)
    used = Consumed()
    if plan.index is None:
        used.table = units
    else:
        used.add_index(plan.index.name, units, local=plan.index.index.local)
        used.table = sum(capacity.read_units(size, consistent=consistent) for size in page.fetched)
    return used
