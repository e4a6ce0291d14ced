"""Definitions of APIs: plain JSON, or BadDefinition."""

from __future__ import annotations

import json
from typing import Any

import orjson

from freehold.services.apigateway import definitions
from fuzz.draws import Draws
from fuzz.targets import Target, require
from fuzz.targets.templates import yaml_of

OPENAPI = (
    "paths",
    "/a",
    "get",
    "responses",
    "200",
    "x-amazon-apigateway-policy",
    "definitions",
    "A",
    "info",
    "x-amazon-apigateway-integration",
)


def run_definitions(draws: Draws) -> Any:
    """OpenAPI as text: what is read is plain JSON, whatever YAML says."""
    body: Any = {"openapi": "3.0.1", "info": {"title": "x"}, draws.pick(OPENAPI): draws.json((*OPENAPI, "1"))}
    text = json.dumps(body)
    if not draws.chance(40) and text.count("[") + text.count("{") < 200:
        text = yaml_of(body)
    if draws.chance(30):
        text = (
            "a: &a "
            + text
            + "\nb: "
            + draws.pick(("*a", "[*a, *a]", "{<<: *a}", "2026-01-01", "!!binary aa", "&b [*b]", "0x1f", "!!set {a}"))
        )
    try:
        found = definitions.read(draws.spliced(text))
    except definitions.BadDefinition as problem:
        return type(problem).__name__
    require(orjson.loads(orjson.dumps(found)) == found, found)
    return repr(found)[:2_000]


TARGETS = (Target("definitions", run_definitions, dictionary=OPENAPI),)
