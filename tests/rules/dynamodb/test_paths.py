"""Projections."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.paths import Names, Projection, parse_projection

ITEM: dict[str, Any] = {
    "a": {"S": "1"},
    "l": {"L": [{"S": "x0"}, {"S": "x1"}, {"M": {"k": {"S": "v"}, "o": {"S": "w"}}}]},
    "m": {"M": {"p": {"M": {"q": {"S": "deep"}, "r": {"S": "other"}}}}},
}


def project(text: str, **names: str) -> dict[str, Any]:
    aliases = {f"#{key}": name for key, name in names.items()}
    return Projection(parse_projection(text, Names(aliases))).apply(ITEM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"a": {"S": "1"}}),
        ("a, nowhere", {"a": {"S": "1"}}),
        ("nowhere", {}),
        ("m.p.q", {"m": {"M": {"p": {"M": {"q": {"S": "deep"}}}}}}),
        ("l[2].k, l[0]", {"l": {"L": [{"S": "x0"}, {"M": {"k": {"S": "v"}}}]}}),
        ("l[9], a.b, m[0]", {}),
        ("m.p.q, m.p.r", {"m": {"M": {"p": {"M": {"q": {"S": "deep"}, "r": {"S": "other"}}}}}}),
    ],
)
def test_projection_keeps_the_shape_of_documents_and_closes_up_lists(text: str, expected: dict[str, Any]) -> None:
    assert project(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", 'Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","'),
        ("a b", 'Invalid ProjectionExpression: Syntax error; token: "b", near: "a b"'),
        (
            "m, m.p",
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [m], path two: [m, p]",
        ),
        ("a, year", "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: year"),
        ("l[x]", 'Invalid ProjectionExpression: Syntax error; token: "x", near: "[x]"'),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        project(text)
    assert caught.value.message == message


def test_an_alias_may_hold_dots() -> None:
    assert project("#x", x="no.such") == {}
