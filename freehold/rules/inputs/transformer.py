"""InputTransformer of a rule's target.

`InputPathsMap` names values of the event by JSON path, `InputTemplate` is JSON or one or several JSON strings, in which
`<name>` stands for such a value and `<aws.events...>` for what EventBridge itself knows.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from freehold.rules.inputs.paths import InvalidInput, Path, compile_path
from freehold.rules.inputs.pieces import Piece, Placeholder, as_json, as_text, cut, join

MAX_PATHS = 100
MAX_TEMPLATE = 8_192
MAX_NESTING = 200

RULE_ARN = "aws.events.rule-arn"
RULE_NAME = "aws.events.rule-name"
INGESTION_TIME = "aws.events.event.ingestion-time"
EVENT = "aws.events.event"
EVENT_JSON = "aws.events.event.json"
RESERVED = frozenset({RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON})


class RuleVariables(NamedTuple):
    """What the reserved variables of a rule stand for. `ingestion_time` is ISO 8601."""

    rule_arn: str
    rule_name: str
    ingestion_time: str


Transformer = Callable[[Mapping[str, Any], RuleVariables], str]
"""The text a target is given for an event. Raises InvalidInput when it is larger than MAX_OUTPUT."""


def compile_transformer(paths_map: Mapping[str, str] | None, template: str, *, target: str = "") -> Transformer:
    """The transformer as a function. Raises InvalidInput with AWS's text; `target` is the target's id in it."""
    paths = _paths(paths_map or {}, target)
    if len(template) > MAX_TEMPLATE:
        raise InvalidInput(f"InputTemplate for target {target} is longer than {MAX_TEMPLATE} characters.")
    pieces = cut(template, minify=template.lstrip()[:1] in ("{", "["))
    for piece in pieces:
        if isinstance(piece, Placeholder) and piece.name not in paths and piece.name not in RESERVED:
            raise InvalidInput(f"InputTemplate for target {target} contains invalid placeholder {piece.name}.")
    _check(template, target)
    return lambda event, variables: _apply(pieces, paths, event, variables)


def _paths(paths_map: Mapping[str, str], target: str) -> dict[str, Path]:
    if len(paths_map) > MAX_PATHS:
        raise InvalidInput(f"InputPathsMap for target {target} has more than {MAX_PATHS} entries.")
    paths = {}
    for name, text in paths_map.items():
        if name.upper().startswith("AWS."):
            raise InvalidInput(f"InputPathsMap for target {target} contains reserved key {name}.")
        try:
            paths[name] = compile_path(text)
        except InvalidInput as error:
            raise InvalidInput(
                f"InputPathsMap for target {target} contains invalid path for {name}: {error}."
            ) from None
    return paths


def _check(template: str, target: str) -> None:
    """Is it JSON, or strings one after the other, once the placeholders are filled in?"""
    probe = join(cut(template, minify=False), lambda placeholder: "" if placeholder.quoted else "0")
    decoder, at, values = json.JSONDecoder(), 0, []
    if max(probe.count("{"), probe.count("[")) > MAX_NESTING and _nesting(probe) > MAX_NESTING:
        raise InvalidInput(f"Invalid InputTemplate for target {target} : nested deeper than {MAX_NESTING} levels.")
    try:
        while (at := _blank(probe, at)) < len(probe):
            value, at = decoder.raw_decode(probe, at)
            values.append(value)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"Invalid InputTemplate for target {target} : [Source: (String){json.dumps(template)}; "
            f"line: {error.lineno}, column: {error.colno}]."
        ) from None
    except ValueError:  # a number of thousands of digits
        raise InvalidInput(f"Invalid InputTemplate for target {target} : a number is too long.") from None
    if len(values) != 1 and not (values and all(isinstance(value, (str, int)) for value in values)):
        raise InvalidInput(f"Invalid InputTemplate for target {target} : [Source: (String){json.dumps(template)}].")


def _nesting(text: str) -> int:
    """An upper bound of how deep the JSON is nested (brackets inside strings count too)."""
    depth = deepest = 0
    for char in text:
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _apply(pieces: list[Piece], paths: Mapping[str, Path], event: Mapping[str, Any], variables: RuleVariables) -> str:
    def fill(placeholder: Placeholder) -> str:
        path = paths.get(placeholder.name)
        if path is not None:
            value = path(event)
            return as_text(value) if placeholder.quoted else as_json(value)
        return _reserved(placeholder, event, variables)

    return join(pieces, fill)


def _reserved(placeholder: Placeholder, event: Mapping[str, Any], variables: RuleVariables) -> str:
    match placeholder.name:
        case "aws.events.event.json":
            # AWS does not escape these two: they "can only be used as a value for a JSON field".
            return as_json(event)
        case "aws.events.event":
            return as_json({name: value for name, value in event.items() if name != "detail"})
        case "aws.events.rule-arn":
            value = variables.rule_arn
        case "aws.events.rule-name":
            value = variables.rule_name
        case _:
            value = variables.ingestion_time
    return as_text(value) if placeholder.quoted else as_json(value)
