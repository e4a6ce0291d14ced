from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.rules.inputs import InvalidInput, PipeVariables, compile_template

PIPE = PipeVariables("arn:pipe", "example", "arn:queue", "arn:target", "", "2026-01-01T00:00:00Z")


def message(body: str) -> dict[str, Any]:
    return {"messageId": "m1", "body": body, "attributes": {"SenderId": "AIDA"}}


def text(template: str, event: Any, *, encoded: tuple[str, ...] = ("body",)) -> str:
    return compile_template(template, encoded=encoded).text(event, PIPE)


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("Hello, sender", "Hello, sender"),
        ('"Hello, <$.attributes.SenderId>"', '"Hello, AIDA"'),
        ("Hello, <$.attributes.SenderId>", "Hello, AIDA"),
        ("<$.attributes.SenderId>", "AIDA"),
        ("<$.body>", '{"key":"v","Records":[1,2,3,4]}'),
        ('{\n "k": "v1",\n "k2": <$.body.key>,\n "d": <aws.pipes.event.ingestion-time>\n}',
         '{"k":"v1","k2":"v","d":"2026-01-01T00:00:00Z"}'),
        ('{"k2": <$.body.Records[3]>}', '{"k2":4}'),
        ('{"a": "<$.body>"}', '{"a":"{key:v,Records:[1,2,3,4]}"}'),
        ('{"a": <$.body.nothing>, "b": "<$.body.nothing>"}', '{"a":"","b":""}'),
        ('{"p": <aws.pipes.pipe-arn>, "n": "<aws.pipes.pipe-name>", "s": <aws.pipes.source-arn>}',
         '{"p":"arn:pipe","n":"example","s":"arn:queue"}'),
        ('{"e": <aws.pipes.enrichment-arn>}', '{"e":""}'),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)  # fmt: skip
def test_the_documented_forms(template: str, output: str) -> None:
    assert text(template, message('{"key": "v", "Records": [1, 2, 3, 4]}')) == output


def test_the_whole_event_is_as_received_or_with_its_body_opened() -> None:
    event = message('{"key": 1}')
    assert json.loads(text("<aws.pipes.event>", event)) == event
    assert json.loads(text('{"e": <aws.pipes.event.json>}', event)) == {"e": event | {"body": {"key": 1}}}


def test_a_body_that_is_not_json_is_text() -> None:
    assert text("<$.body>", message("plain")) == "plain"
    assert text('{"b": <$.body>}', message('say "hi"')) == '{"b":"say \\"hi\\""}'


def test_a_batch_takes_json_values() -> None:
    template = compile_template("<$.body>", encoded=("body",))
    assert template.json(message("plain"), PIPE) == '"plain"'
    assert template.json(message('{"a":1}'), PIPE) == '{"a":1}'
    assert compile_template("Hello <$.messageId>").json(message(""), PIPE) == '"Hello m1"'


def test_only_the_sources_own_fields_are_opened() -> None:
    assert text('{"a": <$.body>}', {"body": "1"}, encoded=()) == '{"a":"1"}'


@pytest.mark.parametrize("template", ["<$..x>", "<$.a[-1]>", "<aws.pipes.other>", "x" * 8_193])
def test_what_cannot_act_is_refused(template: str) -> None:
    with pytest.raises(InvalidInput):
        compile_template(template)


@pytest.mark.parametrize("template", ["<$.body>", '{"a": "<$.body>"}', "<aws.pipes.event.json>"])
def test_what_is_nested_too_deeply_to_be_written_is_refused(template: str) -> None:
    """Found by ./dev fuzz: JSON is read to 1,024 levels and written to 254."""
    event = message("[" * 300 + "]" * 300)
    with pytest.raises(InvalidInput, match="254 levels"):
        text(template, event)
    with pytest.raises(InvalidInput, match="254 levels"):
        compile_template(template, encoded=("body",)).json(event, PIPE)
    assert text(template, message("[" * 200 + "]" * 200))
