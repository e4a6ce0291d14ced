"""Whatever an event holds, a template that is JSON makes JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.rules.inputs import PipeVariables, RuleVariables, compile_template, compile_transformer

text = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
RULE = RuleVariables("arn", "name", "2026-01-01T00:00:00Z")
PIPE = PipeVariables("arn", "name", "source", "target", "", "2026-01-01T00:00:00Z")


@given(values)
@settings(max_examples=300, deadline=None)
def test_rules(value: Any) -> None:
    event = {"source": "s", "detail": {"x": value}}
    template = '{"v": <x>, "t": "a <x> \\"<x>\\"", "l": [<x>, "<none>"], "e": <aws.events.event.json>, "k<x>": 1}'
    made = json.loads(compile_transformer({"x": "$.detail.x", "none": "$.detail.y"}, template)(event, RULE))
    assert made["v"] == value and made["l"] == [value, ""] and made["e"] == event


@given(values, st.sampled_from([json.dumps, str]))
@settings(max_examples=300, deadline=None)
def test_pipes(value: Any, write: Any) -> None:
    event = {"messageId": "m", "body": write(value)}
    template = compile_template('{"v": <$.body>, "t": "a <$.body>", "e": <aws.pipes.event>}', encoded=("body",))
    made = json.loads(template.text(event, PIPE))
    assert made["e"] == event and json.loads(template.json(event, PIPE)) == made
    if write is json.dumps:
        assert made["v"] == value
    json.loads(compile_template("x <$.body> y", encoded=("body",)).json(event, PIPE))
    json.loads(compile_template("<$.body>", encoded=("body",)).json(event, PIPE))
