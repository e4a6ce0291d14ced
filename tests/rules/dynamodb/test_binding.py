"""Names and values of a request, and what goes together."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import binding
from freehold.rules.dynamodb.binding import Bound


def bind(request: dict[str, Any]) -> None:
    bound = Bound(request, ("ConditionExpression",), "ConditionExpression is null")
    if "ConditionExpression" in request:
        bound.condition("ConditionExpression", request["ConditionExpression"])
    bound.finish()


S = {"S": "x"}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"ExpressionAttributeNames": {"#a": "a"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"ExpressionAttributeValues": {":a": S}},
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            {"ExpressionAttributeNames": {}, "ConditionExpression": "a = :a"},
            "ExpressionAttributeNames must not be empty",
        ),
        (
            {"ExpressionAttributeValues": {}, "ConditionExpression": "a = :a"},
            "ExpressionAttributeValues must not be empty",
        ),
        (
            {"ExpressionAttributeNames": {"a": "a"}, "ConditionExpression": "a = :a"},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
        ),
        (
            {"ExpressionAttributeValues": {"a": S}, "ConditionExpression": "a = :a"},
            'ExpressionAttributeValues contains invalid key: Syntax error; key: "a"',
        ),
        (
            {"ExpressionAttributeValues": {":a": {}}, "ConditionExpression": "a = :a"},
            "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one "
            "of the supported datatypes for key :a",
        ),
        (
            {"ExpressionAttributeNames": {"#a": "a", "#b": "b"}, "ConditionExpression": "attribute_exists(#a)"},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}",
        ),
        (
            {"ExpressionAttributeValues": {":a": S, ":b": S}, "ConditionExpression": "a = :a"},
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}",
        ),
    ],
)
def test_refusals(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault) as caught:
        bind(request_)
    assert caught.value.message == message


def test_legacy_parameters_and_expressions_do_not_mix() -> None:
    with pytest.raises(Fault) as caught:
        binding.refuse_mixture(
            {"AttributesToGet": ["a"], "ProjectionExpression": "a"}, ("AttributesToGet",), ("ProjectionExpression",)
        )
    assert caught.value.message == (
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
    )


def test_an_expression_is_parsed_once() -> None:
    from freehold.rules.dynamodb.conditions import compile_condition

    one = compile_condition("ConditionExpression", "some_name = :x", ())
    assert compile_condition("ConditionExpression", "some_name = :x", ()) is one
