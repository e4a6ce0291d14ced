"""KeyConditionExpression and the legacy KeyConditions."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import legacy
from freehold.rules.dynamodb.key_conditions import KeyCondition, KeySchema, bind, compile_key_condition

SCHEMA = {"pk": "S", "sk": "N"}
KEYS = KeySchema(SCHEMA, "pk", "sk")
VALUES: dict[str, Any] = {":p": {"S": "a"}, ":n": {"N": "1"}, ":m": {"N": "2"}, ":e": {"S": ""}, ":b": {"BOOL": True}}


def read(text: str, sort: str | None = "sk", schema: dict[str, str] | None = None) -> KeyCondition:
    keys = KeySchema(schema or SCHEMA, "pk", sort)
    return bind(compile_key_condition(text, (("#p", "pk"),)), keys, VALUES)


@pytest.mark.parametrize(
    ("text", "operator", "operands"),
    [
        ("pk = :p", "", ()),
        ("#p = :p AND sk > :n", ">", ({"N": "1"},)),
        ("sk <= :n and pk = :p", "<=", ({"N": "1"},)),
        (":p = pk AND :n < sk", ">", ({"N": "1"},)),
        ("(pk = :p) AND (sk BETWEEN :n AND :m)", "BETWEEN", ({"N": "1"}, {"N": "2"})),
        ("(pk = :p AND sk = :n)", "=", ({"N": "1"},)),
    ],
)
def test_reading(text: str, operator: str, operands: tuple[Any, ...]) -> None:
    assert read(text) == KeyCondition({"S": "a"}, operator, operands)


def test_begins_with_is_for_strings_and_binaries() -> None:
    assert read("pk = :p AND begins_with(sk, :p)", schema={"pk": "S", "sk": "S"}).operator == "begins_with"
    with pytest.raises(Fault, match="operator or function: begins_with, operand type: N"):
        read("pk = :p AND begins_with(sk, :n)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sk = :n", "Query condition missed key schema element: pk"),
        ("pk > :p", "Query key condition not supported"),
        ("pk = :p AND wrong = :n", "Query condition missed key schema element: sk"),
        ("pk = :p AND pk = :p", "KeyConditionExpressions must only contain one condition per key"),
        ("pk = :p OR sk = :n", "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: OR"),
        ("NOT pk = :p", "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: NOT"),
        ("pk <> :p", "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: <>"),
        ("pk.a = :p", "KeyConditionExpressions cannot have conditions on nested attributes"),
        (
            "pk = :n",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :p AND sk BETWEEN :m AND :n",
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower "
            "bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "pk = :e",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
            "string value. Key: pk",
        ),
        (
            "pk = :nope",
            "Invalid KeyConditionExpression: An expression attribute value used in expression is not defined; "
            "attribute value: :nope",
        ),
        ("pk =", 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "="'),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        read(text)
    assert caught.value.message == message


def test_legacy_key_conditions_say_the_same() -> None:
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
        "sk": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "1"}]},
    }
    assert legacy.key_condition(conditions, KEYS) == read("pk = :p AND sk >= :n")
    conditions["sk"]["ComparisonOperator"] = "NE"
    with pytest.raises(Fault, match="Attempted conditional constraint is not an indexable operation"):
        legacy.key_condition(conditions, KEYS)


def test_an_index_is_named_where_its_key_is_empty() -> None:
    keys = KeySchema(SCHEMA, "pk", "sk", "by-name")
    with pytest.raises(Fault) as caught:
        bind(compile_key_condition("pk = :e", ()), keys, VALUES)
    assert caught.value.message == (
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
        "The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-name, IndexKey: pk"
    )
