"""Expected, filters and AttributeUpdates."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import legacy

ITEM: dict[str, Any] = {"a": {"S": "hello"}, "n": {"N": "5"}, "ss": {"SS": ["x", "y"]}}


def condition(operator: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


@pytest.mark.parametrize(
    ("name", "given", "holds"),
    [
        ("a", condition("EQ", {"S": "hello"}), True),
        ("a", condition("NE", {"S": "hello"}), False),
        ("z", condition("NE", {"S": "hello"}), True),
        ("n", condition("LT", {"N": "6"}), True),
        ("n", condition("LE", {"N": "5.0"}), True),
        ("n", condition("GT", {"N": "5"}), False),
        ("n", condition("GE", {"N": "5"}), True),
        ("n", condition("LT", {"S": "6"}), False),
        ("a", condition("BEGINS_WITH", {"S": "he"}), True),
        ("a", condition("CONTAINS", {"S": "ll"}), True),
        ("ss", condition("CONTAINS", {"S": "x"}), True),
        ("ss", condition("NOT_CONTAINS", {"S": "x"}), False),
        ("n", condition("BETWEEN", {"N": "1"}, {"N": "5"}), True),
        ("n", condition("IN", {"N": "1"}, {"N": "5"}), True),
        ("z", condition("NULL"), True),
        ("a", condition("NOT_NULL"), True),
    ],
)
def test_comparisons(name: str, given: dict[str, Any], holds: bool) -> None:
    assert legacy.filter_test({name: given}, None)(ITEM) is holds


def test_conditions_are_joined_by_and_unless_or_is_asked_for() -> None:
    conditions = {"a": condition("EQ", {"S": "hello"}), "n": condition("EQ", {"N": "9"})}
    assert legacy.filter_test(conditions, None)(ITEM) is False
    assert legacy.filter_test(conditions, "OR")(ITEM) is True


def test_expected_value_and_exists() -> None:
    assert legacy.expected_test({"a": {"Value": {"S": "hello"}}}, None)(ITEM)
    assert legacy.expected_test({"z": {"Exists": False}}, None)(ITEM)
    assert not legacy.expected_test({"a": {"Exists": False}}, None)(ITEM)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Exists": True}, "Value must be provided when Exists is set to true for Attribute: a"),
        ({}, "Value must be provided when Exists is set to null for Attribute: a"),
        ({"Exists": False, "Value": {"S": "x"}}, "Value cannot be used when Exists is set to false for Attribute: a"),
        (
            {"Exists": True, "ComparisonOperator": "EQ"},
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (condition("EQ"), "Invalid number of argument(s) for the EQ ComparisonOperator"),
        (condition("LT", {"BOOL": True}), "ComparisonOperator LT is not valid for BOOL AttributeValue type"),
    ],
)
def test_refusals(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault) as caught:
        legacy.expected_test({"a": given}, None)
    assert caught.value.message == "One or more parameter values were invalid: " + message


def test_attribute_updates() -> None:
    update = legacy.LegacyUpdate(
        {
            "a": {"Action": "DELETE"},
            "n": {"Action": "ADD", "Value": {"N": "2"}},
            "ss": {"Action": "DELETE", "Value": {"SS": ["x"]}},
            "new": {"Value": {"S": "v"}},
        }
    )
    assert update.apply(ITEM) == {"n": {"N": "7"}, "ss": {"SS": ["y"]}, "new": {"S": "v"}}
    with pytest.raises(Fault, match="ADD action is not supported for the type S"):
        legacy.LegacyUpdate({"a": {"Action": "ADD", "Value": {"S": "x"}}})
    with pytest.raises(Fault, match="Only DELETE action is allowed when no attribute value is specified"):
        legacy.LegacyUpdate({"a": {"Action": "PUT"}})
