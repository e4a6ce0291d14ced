"""Attribute values: checks, normal form, sizes."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import values


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"S": "a", "N": "1"},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            {"NULL": False},
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
        ({"SS": []}, "One or more parameter values were invalid: An string set  may not be empty"),
        ({"NS": []}, "One or more parameter values were invalid: An number set  may not be empty"),
        ({"BS": []}, "One or more parameter values were invalid: Binary sets should not be empty"),
        ({"SS": ["a", "a"]}, "One or more parameter values were invalid: Input collection [a, a] contains duplicates."),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        (
            {"BS": [b"a", b"a"]},
            "One or more parameter values were invalid: Input collection [YQ==, YQ==]of type BS contains duplicates.",
        ),
        (
            {"M": {"a": {"L": [{}]}}},
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
    ],
)
def test_values_that_are_none_are_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault) as caught:
        values.check(value)
    assert caught.value.message == message


def test_normal_form_makes_equal_values_equal() -> None:
    one: dict[str, Any] = {"M": {"n": {"N": "1.0"}, "s": {"NS": ["10", "9", "1e0"]}}}
    two: dict[str, Any] = {"M": {"n": {"N": "1"}, "s": {"NS": ["1", "10.0", "9"]}}}
    values.check(one)
    values.check(two)
    assert one == two == {"M": {"n": {"N": "1"}, "s": {"NS": ["1", "9", "10"]}}}


def test_size_counts_names_values_and_three_bytes_per_document() -> None:
    item: dict[str, Any] = {
        "name": {"S": "é"},  # 4 + 2
        "n": {"N": "12"},  # 1 + 2
        "b": {"B": b"123"},  # 1 + 3
        "m": {"M": {"k": {"BOOL": True}}},  # 1 + 3 + 1 + 1 + 1
        "l": {"L": [{"NULL": True}, {"S": "ab"}]},  # 1 + 3 + (1 + 1) + (1 + 2)
        "ss": {"SS": ["a", "bc"]},  # 2 + 3
    }
    measure = values.check_item(item)
    assert measure.size == 6 + 3 + 4 + 7 + 9 + 5
    assert measure.size == values.size_of_item(item)
    assert measure.binary


def test_documents_nest_32_levels_and_no_more() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {"S": "x"}
        for _ in range(levels):
            value = {"L": [value]}
        return value

    values.check(nested(32))
    with pytest.raises(Fault, match="Nesting Levels have exceeded supported limits"):
        values.check(nested(33))
