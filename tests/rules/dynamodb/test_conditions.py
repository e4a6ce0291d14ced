"""ConditionExpression: evaluation, and what AWS says of expressions it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.binding import Bound
from freehold.rules.dynamodb.reserved import WORDS

ITEM: dict[str, Any] = {
    "str": {"S": "hello"},
    "num": {"N": "10"},
    "bin": {"B": b"\x01\x02"},
    "flag": {"BOOL": True},
    "nil": {"NULL": True},
    "tags": {"SS": ["a", "b"]},
    "nums": {"NS": ["1", "2"]},
    "doc": {"M": {"elems": {"L": [{"N": "1"}, {"M": {"deep": {"S": "x"}}}]}, "k": {"S": "v"}}},
}
VALUES: dict[str, dict[str, Any]] = {
    ":hello": {"S": "hello"},
    ":h": {"S": "h"},
    ":z": {"S": "z"},
    ":n5": {"N": "5"},
    ":n10": {"N": "10.0"},
    ":n15": {"N": "15"},
    ":true": {"BOOL": True},
    ":a": {"S": "a"},
    ":one": {"N": "1"},
    ":b1": {"B": b"\x01"},
    ":S": {"S": "S"},
    ":BAD": {"S": "STRING"},
    ":list": {"L": []},
}


def run(text: str, names: dict[str, str] | None = None, values: dict[str, Any] | None = None) -> bool:
    used = values
    if used is None:
        used = {
            key: dict(value)
            for key, value in VALUES.items()
            if key + " " in text.replace(")", " ").replace(",", " ") + " "
        }
    request: dict[str, Any] = {"ConditionExpression": text}
    if used:
        request["ExpressionAttributeValues"] = used
    if names:
        request["ExpressionAttributeNames"] = names
    bound = Bound(request, ("ConditionExpression",), "ConditionExpression is null")
    condition = bound.condition("ConditionExpression", text)
    bound.finish()
    return bound.test(condition)(ITEM)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("str = :hello", True),
        ("str <> :hello", False),
        ("absent <> :hello", True),
        ("absent = :hello", False),
        ("absent < :n5", False),
        ("num = :n10", True),
        ("num > :n5 AND num < :n15", True),
        ("num >= :n10 AND num <= :n10", True),
        ("num < :hello", False),
        ("num <> :hello", True),
        (":n5 < num", True),
        ("num BETWEEN :n5 AND :n15", True),
        ("str BETWEEN :h AND :z", True),
        ("NOT num BETWEEN :n5 AND :n15 OR str = :hello", True),
        ("str IN (:z, :hello)", True),
        ("str IN (:z)", False),
        ("attribute_exists(doc.k)", True),
        ("attribute_exists(doc.elems[1].deep)", True),
        ("attribute_exists(doc.elems[7])", False),
        ("attribute_not_exists(str.k)", True),
        ("attribute_not_exists(absent)", True),
        ("attribute_type(str, :S)", True),
        ("attribute_type(num, :S)", False),
        ("begins_with(str, :h)", True),
        ("begins_with(str, :z)", False),
        ("begins_with(num, :h)", False),
        ("begins_with(bin, :b1)", True),
        ("contains(str, :h)", True),
        ("contains(tags, :a)", True),
        ("contains(nums, :one)", True),
        ("contains(tags, :one)", False),
        ("contains(doc.elems, :one)", True),
        ("size(str) = :n5", True),
        ("size(tags) > :one", True),
        ("size(doc) > :one", True),
        ("size(num) > :one", False),
        ("flag = :true", True),
        ("NOT flag = :true", False),
        ("not (flag = :true) or str = :hello", True),
        ("flag = :true OR absent = :h AND absent = :z", True),
        ("(flag = :true OR absent = :h) AND absent = :z", False),
        ("doc.elems[0] = :one", True),
        ("(str) = (:hello)", True),
    ],
)
def test_evaluation(text: str, holds: bool) -> None:
    assert run(text) is holds


def test_names_stand_for_any_attribute() -> None:
    assert run("#d.#l[1].#x = :x", {"#d": "doc", "#l": "elems", "#x": "deep"}, {":x": {"S": "x"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("str =", 'Syntax error; token: "<EOF>", near: "="'),
        ("str = = :h", 'Syntax error; token: "=", near: "= = :h"'),
        ("str ! :h", 'Syntax error; token: "!", near: "str ! :h"'),
        ("str", 'Syntax error; token: "<EOF>", near: "str"'),
        ("(str = :h", 'Syntax error; token: "<EOF>", near: ":h"'),
        ("str = :h)", 'Syntax error; token: ")", near: ":h)"'),
        ("doc..k = :h", 'Syntax error; token: ".", near: "..k"'),
        ("((str = :h))", "The expression has redundant parentheses;"),
        ("size = :n5", "Attribute name is a reserved keyword; reserved keyword: size"),
        ("doc.Name = :h", "Attribute name is a reserved keyword; reserved keyword: Name"),
        ("nope(str)", "Invalid function name; function: nope"),
        ("ATTRIBUTE_EXISTS(str)", "Invalid function name; function: ATTRIBUTE_EXISTS"),
        ("if_not_exists(str, :h)", "The function is not allowed in a condition expression; function: if_not_exists"),
        ("size(str)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "attribute_exists(str) = :true",
            'Syntax error; token: "=", near: ") = :true"',
        ),
        (
            ":true = attribute_exists(str)",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "attribute_exists(str, num)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, "
            "number of operands: 2",
        ),
        (
            "attribute_exists(:h)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "str = str",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, "
            "first operand: [str]",
        ),
        (
            "begins_with(str, :n5)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        ("str < :true", "Incorrect operand type for operator or function; operator: <, operand type: BOOL"),
        (
            "attribute_type(str, :BAD)",
            "Invalid attribute type name found; type: STRING, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "str BETWEEN :z AND :h",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {S:z}, upper bound operand: AttributeValue: {S:h}",
        ),
        (
            "str BETWEEN :n5 AND :h",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:h}",
        ),
        (
            "str = :nowhere",
            "An expression attribute value used in expression is not defined; attribute value: :nowhere",
        ),
        ("#x = :h", "An expression attribute name used in the document path is not defined; attribute name: #x"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        run(text)
    assert caught.value.message == "Invalid ConditionExpression: " + message


def test_an_expression_takes_at_most_4096_bytes() -> None:
    with pytest.raises(Fault, match="Expression size has exceeded the maximum allowed size; expression size: 4097"):
        run("a" * 4097)


def test_an_expression_takes_at_most_300_operators() -> None:
    with pytest.raises(Fault, match="The expression contains too many operators; operator count: 301"):
        run(" OR ".join(["a=:h"] * 200))
    assert run(" OR ".join(["a=:h"] * 150), values={":h": {"S": "h"}}) is False


def test_in_takes_at_most_100_operands() -> None:
    with pytest.raises(Fault, match="The IN operator is provided with too many operands; number of operands: 101"):
        run("str IN (" + ",".join([":h"] * 101) + ")")


def test_all_573_reserved_words_are_refused_in_any_case() -> None:
    assert len(WORDS) == 573
    for word in sorted(WORDS):
        for spelt in (word.lower(), word.capitalize()):
            with pytest.raises(Fault):
                run(f"doc.{spelt} = :h")


@given(st.text(alphabet="abn =<>().,[]:#01ANDORTBEWI_hsize", max_size=60))
def test_whatever_is_written_is_refused_or_evaluated(text: str) -> None:
    try:
        assert run(text, None, {":h": {"S": "h"}}) in (True, False)
    except Fault as fault:
        assert fault.code == "ValidationException"


def test_deep_nesting_is_refused_before_it_exhausts_the_stack() -> None:
    with pytest.raises(Fault, match="nesting"):
        run("(" * 1000 + "str = :h" + ")" * 1000)
    with pytest.raises(Fault, match="nesting"):
        run("NOT " * 1000 + "str = :h")
