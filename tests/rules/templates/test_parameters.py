"""Parameters of templates."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.rules.templates import parameters
from freehold.rules.templates.document import TemplateError


def test_given_previous_and_default_values() -> None:
    declared = {"A": {"Type": "String", "Default": "a"}, "B": {"Type": "Number"}, "C": {"Type": "CommaDelimitedList"}}
    found = parameters.gather(declared, {"C": "x, y"}, frozenset({"B"}), {"B": "4", "A": "old"})
    assert found.values == {"A": "a", "B": "4", "C": "x, y"}
    assert parameters.typed(declared["C"], found.values["C"]) == ["x", "y"]


def test_missing_and_undeclared_parameters_are_named() -> None:
    with pytest.raises(TemplateError, match=r"^Parameters: \[A, B\] must have values$"):
        parameters.gather({"A": {"Type": "String"}, "B": {"Type": "String"}}, {})
    with pytest.raises(TemplateError, match=r"^Parameters: \[X\] do not exist in the template$"):
        parameters.gather({}, {"X": "1"})


@pytest.mark.parametrize(
    ("body", "value", "message"),
    [
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A1", "Parameter 'P' must match pattern [a-z]+"),
        ({"Type": "String", "MinLength": 3}, "ab", "Parameter 'P' must contain at least 3 characters"),
        ({"Type": "String", "MaxLength": "2"}, "abc", "Parameter 'P' must contain at most 2 characters"),
        ({"Type": "Number"}, "x", "Parameter 'P' must be a number."),
        ({"Type": "Number", "MinValue": 5}, "4", "Parameter 'P' must be a number not less than 5"),
        ({"Type": "Number", "MaxValue": 5}, "6", "Parameter 'P' must be a number not greater than 5"),
        (
            {"Type": "String", "MinLength": 3, "ConstraintDescription": "three at least"},
            "ab",
            "Parameter 'P' failed to satisfy constraint: three at least",
        ),
    ],
)
def test_constraints_hold_with_the_texts_of_aws(body: dict[str, Any], value: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parameters.gather({"P": body}, {"P": value})
    assert caught.value.message == message


def test_types_that_freehold_lacks_fail_by_name() -> None:
    with pytest.raises(TemplateError, match="AWS::EC2::VPC::Id"):
        parameters.check_declarations({"P": {"Type": "AWS::EC2::VPC::Id"}})
    with pytest.raises(TemplateError, match="Unrecognized parameter type: Text"):
        parameters.check_declarations({"P": {"Type": "Text"}})
    parameters.check_declarations({"P": {"Type": "AWS::SSM::Parameter::Value<List<String>>"}})
