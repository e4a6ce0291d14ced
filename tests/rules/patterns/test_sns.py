"""Filter policies of SNS subscriptions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.rules.patterns import Index, PatternError, sns


def accepts(policy: dict[str, Any], event: dict[str, Any] | None, scope: str = sns.ATTRIBUTES) -> bool:
    index = Index()
    index.add("s", sns.read(json.dumps(policy), scope))
    return event is not None and bool(index.match(event))


def test_attributes_are_filtered_by_their_data_type() -> None:
    event = sns.event_of_attributes(
        {
            "store": ("String", "a"),
            "price": ("Number", "210.50"),
            "labels": ("String.Array", '["x", 1, true, null]'),
            "raw": ("Binary", "AAAA"),
            "broken": ("String.Array", "nothing"),
            "custom": ("String.name", "c"),
        }
    )
    assert accepts({"store": ["a"], "price": [{"numeric": ["=", 210.5]}], "custom": ["c"]}, event)
    assert accepts({"labels": [True]}, event) and accepts({"labels": [None]}, event) and accepts({"labels": [1]}, event)
    assert accepts({"price": [{"anything-but": [100]}]}, event) and not accepts({"price": ["210.50"]}, event)
    assert accepts({"raw": [{"exists": False}], "broken": [{"exists": False}]}, event)


def test_bodies_are_filtered_if_they_are_json_objects() -> None:
    policy = {"detail": {"state": [{"prefix": "run"}]}}
    assert accepts(policy, sns.event_of_body('{"detail":{"state":"running"}}'), sns.BODY)
    assert not accepts(policy, sns.event_of_body('{"detail":{"state":"stopped"}}'), sns.BODY)
    assert sns.event_of_body("running") is None and sns.event_of_body("[1]") is None


def test_policies_are_bounded() -> None:
    nested = {"key_a": {"key_b": {"key_c": [1, 2, 3, 4]}}, "key_d": {"key_e": [1, 2, 3]}, "key_f": [1, 2, 3]}
    for policy, scope in (
        ({str(n): [1] for n in range(6)}, sns.ATTRIBUTES),
        ({"a": list(range(151))}, sns.ATTRIBUTES),
        ({"a": {"b": [1]}}, sns.ATTRIBUTES),
        (nested, sns.BODY),  # the guide's example: 4 x 3 x 3 x 2 x 3 = 216
        ({"a": ["x" * (256 << 10)]}, sns.ATTRIBUTES),
    ):
        with pytest.raises(PatternError):
            sns.read(json.dumps(policy), scope)
    assert sns.read(json.dumps({"a": list(range(150))}))
