"""Requests: the parameters of item operations, compiled against a schema into writes and projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import binding, legacy
from freehold.rules.dynamodb.binding import Bound
from freehold.rules.dynamodb.paths import Projection
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb import rows
from freehold.services.dynamodb.checks import check_item, check_key, check_not_keys
from freehold.services.dynamodb.model import Schema
from freehold.services.dynamodb.writes import Write

Request = dict[str, Any]
Test = Callable[[Item], bool]

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"


def condition_of(request: Request) -> Test | None:
    """The condition of a put or delete: ConditionExpression, or the legacy Expected."""
    if "Expected" in request or "ConditionalOperator" in request:
        binding.refuse_mixture(request, ("Expected", "ConditionalOperator"), (CONDITION,))
    if (
        CONDITION not in request
        and "ExpressionAttributeNames" not in request
        and "ExpressionAttributeValues" not in request
    ):
        return _expected(request)
    bound = Bound(request, (CONDITION,), "ConditionExpression is null")
    condition = bound.condition(CONDITION, request[CONDITION])
    bound.finish()
    return bound.test(condition)


def _expected(request: Request) -> Test | None:
    expected, operator = request.get("Expected"), request.get("ConditionalOperator")
    if operator is not None:
        if not expected:
            raise invalid("ConditionalOperator cannot be used without Filter or Expected")
        if len(expected) == 1:
            raise invalid("ConditionalOperator can only be used when Filter or Expected has two or more elements")
    return legacy.expected_test(expected, operator) if expected else None


def projection_of(request: Request) -> Projection | None:
    """The projection of a read: ProjectionExpression, or the legacy AttributesToGet."""
    names = request.get("AttributesToGet")
    if names is not None:
        binding.refuse_mixture(request, ("AttributesToGet",), (PROJECTION,))
        return binding.attributes_projection(names)
    if PROJECTION not in request and "ExpressionAttributeNames" not in request:
        return None
    bound = Bound(request, (PROJECTION,), "ProjectionExpression is null")
    projection = bound.projection(request[PROJECTION])
    bound.finish()
    return projection


class Changes:
    """What an update does: a function of the item, the attributes it touches, and what UPDATED_OLD/NEW show."""

    __slots__ = ("apply", "attributes", "projection", "test")

    def __init__(self, request: Request) -> None:
        binding.refuse_mixture(request, ("AttributeUpdates", "Expected", "ConditionalOperator"), (UPDATE, CONDITION))
        self.test: Test | None = None
        self.apply: Callable[[Item], Item] = dict
        self.attributes: frozenset[str] = frozenset()
        self.projection: Projection | None = None
        if "AttributeUpdates" in request or "Expected" in request or "ConditionalOperator" in request:
            self._legacy(request)
        else:
            self._expressions(request)

    def _legacy(self, request: Request) -> None:
        self.test = _expected(request)
        update = legacy.LegacyUpdate(request.get("AttributeUpdates") or {})
        self.apply, self.attributes = update.apply, update.attributes
        self.projection = Projection((name,) for name in update.attributes)

    def _expressions(self, request: Request) -> None:
        bound = Bound(request, (UPDATE, CONDITION), "UpdateExpression and ConditionExpression are null")
        if UPDATE in request:
            update = bound.update(request[UPDATE])
            self.apply, self.attributes, self.projection = bound.applied(update), update.attributes, update.projection
        if CONDITION in request:
            self.test = bound.test(bound.condition(CONDITION, request[CONDITION]))
        bound.finish()


def put_of(schema: Schema, item: Item, test: Test | None) -> Write:
    """A put."""
    measure = check_item(schema, item)
    return Write(schema, item, schema.tail(item), test, item=item, row=rows.encode(item, measure))


def update_of(schema: Schema, key: Item, changes: Changes) -> Write:
    """An update."""
    check_key(schema, key)
    check_not_keys(schema, changes.attributes)
    return Write(schema, key, schema.tail(key), changes.test, update=changes.apply, changed=changes.attributes)


def delete_of(schema: Schema, key: Item, test: Test | None) -> Write:
    """A delete."""
    check_key(schema, key)
    return Write(schema, key, schema.tail(key), test, delete=True)


def check_of(schema: Schema, key: Item, test: Test | None) -> Write:
    """A condition check."""
    check_key(schema, key)
    return Write(schema, key, schema.tail(key), test)


def conditional_check_failed(row: bytes | None, wanted: str | None) -> Fault:
    """ConditionalCheckFailedException; with the item where ReturnValuesOnConditionCheckFailure asks for it."""
    item = rows.decode(row) if row is not None and wanted == "ALL_OLD" else None
    return Fault("ConditionalCheckFailedException", "The conditional request failed", Item=item)
