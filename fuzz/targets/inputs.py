"""Input transformers, templates of pipes, JSON paths: InvalidInput or a text, JSON where JSON was promised."""

from __future__ import annotations

import json
from typing import Any

from freehold.rules.inputs import (
    MISSING,
    InvalidInput,
    PipeVariables,
    RuleVariables,
    compile_path,
    compile_template,
    compile_transformer,
)
from fuzz.draws import Draws
from fuzz.targets import Target, require

NAMES = ("a", "b", "c", "a b", "body")
PATHS = (
    "$",
    "$.a",
    "$.b.c",
    "$.a[0]",
    "$.a[*]",
    "$.a[*].b",
    "$['a b']",
    '$["c"]',
    "$.*",
    "$.body.a",
    "$..a",
    "$[-1]",
    "$.a[999999999]",
)
WORDS = (
    "<a>",
    "<b>",
    "<aws.events.event.json>",
    "<aws.events.event>",
    "<aws.pipes.event>",
    "<aws.pipes.event.json>",
    "<$.a>",
    '"',
)
RULE = RuleVariables("arn:aws:events:us-east-1:000000000000:rule/x", "x", "2026-01-01T00:00:00Z")
PIPE = PipeVariables("arn:pipe", "name", "arn:source", "arn:target", "", "2026-01-01T00:00:00Z")


def _template(draws: Draws, depth: int = 0) -> str:
    kind = draws.integer(0, 9)
    if kind < 3 or depth > 3:
        return draws.pick(WORDS[:-1])
    if kind < 5:
        inner = "".join(draws.many(4, lambda: draws.pick((*WORDS[:-1], "x ", '\\"', "\\\\", "é", "\\u0041"))))
        return f'"{inner}"'
    if kind == 5:
        return json.dumps(draws.scalar())
    if kind == 6:
        return "[" + ",".join(draws.many(3, lambda: _template(draws, depth + 1))) + "]"
    if kind == 7:
        return draws.text(30)
    return "{" + ",".join(draws.many(3, lambda: f'"{draws.pick(NAMES)}": {_template(draws, depth + 1)}')) + "}"


def run(draws: Draws) -> Any:
    """A transformer of a rule, or the template of a pipe, on an event."""
    template = draws.spliced(_template(draws))
    event = draws.object(NAMES)
    if draws.chance(30) and "body" in event:
        event["body"] = json.dumps(event["body"]) if draws.chance(80) else draws.text()
    if draws.chance(50):
        return _transformer(draws, template, event)
    encoded = ("body",) if draws.chance(50) else ()
    try:
        compiled = compile_template(template, encoded=encoded)
        text, as_json = compiled.text(event, PIPE), compiled.json(event, PIPE)
    except InvalidInput as error:
        return str(error)
    json.loads(as_json)
    return text, as_json


def _transformer(draws: Draws, template: str, event: dict[str, Any]) -> Any:
    paths = {draws.pick(NAMES): draws.spliced(draws.pick(PATHS)) for _ in range(draws.integer(0, 3))}
    for text in paths.values():
        try:
            found = compile_path(text)(event)
        except InvalidInput:
            continue
        require(found is MISSING or json.dumps(found) is not None, text)
    try:
        made = compile_transformer(paths, template, target="t")(event, RULE)
    except InvalidInput as error:
        return str(error)
    # Documented: the two whole-event variables are not escaped inside strings.
    if template.lstrip()[:1] in ("{", "[") and "aws.events.event" not in template:
        json.loads(made)
    return made


TARGETS = (Target("transformers", run, dictionary=WORDS),)
