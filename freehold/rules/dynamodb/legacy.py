"""Legacy conditional parameters: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter.

They are read into the same tests, updates and key conditions as expressions.
Source: developer guide, "Legacy DynamoDB conditional parameters".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.rules.dynamodb import numbers, values
from freehold.rules.dynamodb.key_conditions import KeyCondition, KeySchema, match
from freehold.rules.dynamodb.operands import begins_with, between, contains, less
from freehold.rules.dynamodb.values import Item, Value, comparable, invalid, order_set, shown, type_of

ItemTest = Callable[[Item], bool]
_INVALID = "One or more parameter values were invalid: "
_COUNTS = {
    "EQ": (1, 1), "NE": (1, 1), "LE": (1, 1), "LT": (1, 1), "GE": (1, 1), "GT": (1, 1), "CONTAINS": (1, 1),
    "NOT_CONTAINS": (1, 1), "BEGINS_WITH": (1, 1), "NULL": (0, 0), "NOT_NULL": (0, 0), "BETWEEN": (2, 2),
    "IN": (1, 100),
}  # fmt: skip
_ORDERING = {
    "LE": "<=",
    "LT": "<",
    "GE": ">=",
    "GT": ">",
    "EQ": "=",
    "BETWEEN": "BETWEEN",
    "BEGINS_WITH": "begins_with",
}


def filter_test(conditions: dict[str, dict[str, Any]], operator: str | None) -> ItemTest:
    """QueryFilter or ScanFilter with ConditionalOperator."""
    tests = [
        _condition(name, condition["ComparisonOperator"], condition.get("AttributeValueList") or [])
        for name, condition in conditions.items()
    ]
    return _combined(tests, operator)


def expected_test(expected: dict[str, dict[str, Any]], operator: str | None) -> ItemTest:
    """Expected with ConditionalOperator."""
    tests: list[ItemTest] = []
    for name, condition in expected.items():
        tests.append(_expected(name, condition))
    return _combined(tests, operator)


def _combined(tests: list[ItemTest], operator: str | None) -> ItemTest:
    if operator == "OR":
        return lambda item: any(test(item) for test in tests)
    return lambda item: all(test(item) for test in tests)


def _expected(name: str, condition: dict[str, Any]) -> ItemTest:
    comparison = condition.get("ComparisonOperator")
    exists = condition.get("Exists")
    value = condition.get("Value")
    listed = condition.get("AttributeValueList")
    if comparison is not None:
        if exists is not None:
            raise invalid(_INVALID + f"Exists and ComparisonOperator cannot be used together for Attribute: {name}")
        if value is not None and listed is not None:
            raise invalid(_INVALID + f"Value and AttributeValueList cannot be used together for Attribute: {name}")
        return _condition(name, comparison, [value] if value is not None else listed or [])
    if listed is not None:
        raise invalid(_INVALID + f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
    if exists is False:
        if value is not None:
            raise invalid(_INVALID + f"Value cannot be used when Exists is set to false for Attribute: {name}")
        return lambda item: name not in item
    if value is None:
        shown_exists = "null" if exists is None else "true"
        raise invalid(_INVALID + f"Value must be provided when Exists is set to {shown_exists} for Attribute: {name}")
    values.check(value)
    return lambda item: item.get(name) == value


def _condition(name: str, operator: str, operands: list[Value]) -> ItemTest:
    _check_operands(operator, operands)
    if operator == "NULL":
        return lambda item: name not in item
    if operator == "NOT_NULL":
        return lambda item: name in item
    if operator == "NE":
        return lambda item: item.get(name) != operands[0]
    if operator == "NOT_CONTAINS":
        return lambda item: name in item and not contains(item[name], operands[0])
    relate = _RELATIONS[operator]
    return lambda item: name in item and bool(relate(item[name], operands))


_RELATIONS: dict[str, Callable[[Value, list[Value]], bool | None]] = {
    "EQ": lambda value, operands: value == operands[0],
    "LT": lambda value, operands: less(value, operands[0]),
    "GT": lambda value, operands: less(operands[0], value),
    "LE": lambda value, operands: less(operands[0], value) is False,
    "GE": lambda value, operands: less(value, operands[0]) is False,
    "CONTAINS": lambda value, operands: contains(value, operands[0]),
    "BEGINS_WITH": lambda value, operands: begins_with(value, operands[0]),
    "BETWEEN": lambda value, operands: between(value, operands[0], operands[1]),
    "IN": lambda value, operands: value in operands,
}


def _check_operands(operator: str, operands: list[Value]) -> None:
    for operand in operands:
        values.check(operand)
    low, high = _COUNTS[operator]
    if not low <= len(operands) <= high:
        raise invalid(_INVALID + f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = [type_of(operand) for operand in operands]
    if operator in ("IN", "BETWEEN") and len(set(kinds)) > 1:
        raise invalid(_INVALID + "AttributeValues inside AttributeValueList must be of same type")
    allowed = {"BEGINS_WITH": "S B", "LE": "S N B", "LT": "S N B", "GE": "S N B", "GT": "S N B", "BETWEEN": "S N B",
               "IN": "S N B", "CONTAINS": "S N B BOOL NULL", "NOT_CONTAINS": "S N B BOOL NULL"}.get(operator)  # fmt: skip
    for kind in kinds:
        if allowed is not None and kind not in allowed.split():
            raise invalid(_INVALID + f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type")
    if operator == "BETWEEN":
        one, two = comparable(operands[0]), comparable(operands[1])
        if one is not None and two is not None and two[1] < one[1]:
            raise invalid(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound; "
                f"lower bound operand: AttributeValue: {shown(operands[0])}, "
                f"upper bound operand: AttributeValue: {shown(operands[1])}"
            )


def key_condition(conditions: dict[str, dict[str, Any]], schema: KeySchema) -> KeyCondition:
    """KeyConditions of a query."""
    read: dict[str, tuple[str, tuple[Value, ...]]] = {}
    for name, condition in conditions.items():
        operator = condition["ComparisonOperator"]
        operands = condition.get("AttributeValueList") or []
        _check_operands(operator, operands)
        if operator not in _ORDERING:
            raise invalid("Attempted conditional constraint is not an indexable operation")
        read[name] = (_ORDERING[operator], tuple(operands))
    return match(read, schema)


class LegacyUpdate:
    """AttributeUpdates as an update: the same face as `updates.Update` shows to a write."""

    __slots__ = ("_updates", "attributes")

    def __init__(self, updates: dict[str, dict[str, Any]]) -> None:
        for name, update in updates.items():
            _check_update(name, update)
        self._updates = updates
        self.attributes = frozenset(updates)

    def apply(self, item: Item) -> Item:
        """The updated copy of an item."""
        updated = dict(item)
        for name, update in self._updates.items():
            action = update.get("Action", "PUT")
            value = update.get("Value")
            found = item.get(name)
            result = value if action == "PUT" else (_add if action == "ADD" else _delete)(found, value)
            if result is None:
                updated.pop(name, None)
            else:
                updated[name] = result
        return updated


def _check_update(name: str, update: dict[str, Any]) -> None:
    action, value = update.get("Action", "PUT"), update.get("Value")
    if value is None:
        if action != "DELETE":
            raise invalid(_INVALID + "Only DELETE action is allowed when no attribute value is specified")
        return
    values.check(value)
    kind = type_of(value)
    if action == "ADD" and kind not in ("N", "SS", "NS", "BS", "L"):
        raise invalid(_INVALID + f"ADD action is not supported for the type {kind}")
    if action == "DELETE" and kind not in ("SS", "NS", "BS"):
        raise invalid(_INVALID + f"DELETE action with value is not supported for the type {kind}")


def _add(found: Value | None, value: Any) -> Value | None:
    if found is None:
        return dict(value)
    kind = type_of(value)
    if kind not in found:
        raise invalid("Type mismatch for attribute to update")
    if kind == "N":
        return {"N": numbers.add(found["N"], value["N"])}
    if kind == "L":
        return {"L": found["L"] + value["L"]}
    return {kind: order_set(kind, list({*found[kind], *value[kind]}))}


def _delete(found: Value | None, value: Any) -> Value | None:
    if found is None or value is None:
        return None
    kind = type_of(value)
    if kind not in found:
        raise invalid("Type mismatch for attribute to update")
    gone = set(value[kind])
    left = [member for member in found[kind] if member not in gone]
    return {kind: left} if left else None
