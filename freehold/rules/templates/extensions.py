"""AWS::LanguageExtensions: expands Fn::ForEach; the other extended functions are evaluated in `functions`.

Documented in the CloudFormation user guide, "Fn::ForEach": a loop is a key `Fn::ForEach::Name` with
[identifier, collection, {output key: value}]; `${Identifier}` is replaced everywhere in the fragment, `&{Identifier}`
by the value without its non-alphanumeric characters, and Ref of the identifier by the value. At most 1,000 copies.
"""

from __future__ import annotations

from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import UNKNOWN, Scope, evaluate
from freehold.rules.templates.parameters import text

NAME = "AWS::LanguageExtensions"
MAX_COPIES = 1_000
MAX_NESTING = 5
_PREFIX = "Fn::ForEach::"


def expand(document: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The document with every loop of Conditions, Resources and Outputs written out."""
    budget = [MAX_COPIES * 20]
    out = dict(document)
    for section in ("Conditions", "Resources", "Outputs"):
        if section in out:
            out[section] = _expand(out[section], {}, scope, 0, budget)
    return out


def _expand(value: Any, bound: dict[str, str], scope: Scope, nesting: int, budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise TemplateError("Template error: Fn::ForEach expands to more than 20000 values")
    if isinstance(value, list):
        return [_expand(item, bound, scope, nesting, budget) for item in value]
    if isinstance(value, str):
        return _substitute(value, bound)
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(value.get("Ref"), str) and value["Ref"] in bound:
        return bound[value["Ref"]]
    out: dict[str, Any] = {}
    for key, item in value.items():
        if key.startswith(_PREFIX):
            entries = _loop(key, item, bound, scope, nesting + 1, budget)
        else:
            entries = {_substitute(key, bound): _expand(item, bound, scope, nesting, budget)}
        for name, entry in entries.items():
            if name in out:
                raise TemplateError(f"Template error: Fn::ForEach produces the key {name} twice")
            out[name] = entry
    return out


def _loop(key: str, loop: Any, bound: dict[str, str], scope: Scope, nesting: int, budget: list[int]) -> dict[str, Any]:
    name = key[len(_PREFIX) :]
    if nesting > MAX_NESTING:
        raise TemplateError(f"Template error: Fn::ForEach loops are nested more than {MAX_NESTING} deep")
    if not isinstance(loop, list) or len(loop) != 3 or not isinstance(loop[0], str) or not isinstance(loop[2], dict):
        raise TemplateError(f"{key} layout is incorrect")
    identifier, collection, body = loop
    if identifier in scope.parameters or identifier in bound:
        raise TemplateError(f"Template error: the identifier {identifier} of Fn::ForEach {name} is already in use")
    items = evaluate(_expand(collection, bound, scope, nesting, budget), scope)
    if isinstance(items, list) and any(isinstance(item, list) for item in items):
        items = [inner for item in items for inner in (item if isinstance(item, list) else [item])]
    if not isinstance(items, list) or any(item is UNKNOWN or isinstance(item, dict) for item in items):
        raise TemplateError(f"Template error: the collection of Fn::ForEach {name} must be a list of strings")
    if len(items) > MAX_COPIES:
        raise TemplateError(f"Template error: Fn::ForEach {name} has more than {MAX_COPIES} elements")
    out: dict[str, Any] = {}
    for item in items:
        for output, entry in _expand(body, {**bound, identifier: text(item)}, scope, nesting, budget).items():
            if output in out:
                raise TemplateError(f"Template error: Fn::ForEach {name} produces the key {output} twice")
            out[output] = entry
    return out


def _substitute(value: str, bound: dict[str, str]) -> str:
    for identifier, replacement in bound.items():
        value = value.replace("${" + identifier + "}", replacement)
        if "&{" in value:
            value = value.replace("&{" + identifier + "}", "".join(c for c in replacement if c.isalnum()))
    return value
