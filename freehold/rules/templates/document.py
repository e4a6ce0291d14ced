"""Template text to plain values: JSON, or YAML 1.1 with CloudFormation's short-form tags.

TemplateError
└── a template (or what was given for it) that CloudFormation refuses, with AWS's message
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from freehold.rules.nesting import TooDeep, bound_yaml

MAX_DEPTH = 100

_TOO_DEEP = "Template format error: the template is nested too deeply."

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHORT = [
    "Base64",
    "Cidr",
    "FindInMap",
    "GetAZs",
    "ImportValue",
    "Join",
    "Select",
    "Split",
    "Sub",
    "Transform",
    "And",
    "Equals",
    "If",
    "Not",
    "Or",
    "Length",
    "ToJsonString",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "RefAll",
    "ValueOf",
    "ValueOfAll",
    "GetStackOutput",
]


class TemplateError(Exception):
    """CloudFormation refuses this template. The text is AWS's message."""

    @property
    def message(self) -> str:
        return str(self)


class _Loader(_LOADER):  # type: ignore[misc]
    """PyYAML's safe loader with CloudFormation's tags; dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
}


def _construct(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


def _tagged(key: str) -> Any:
    return lambda loader, node: {key: _construct(loader, node)}


def _get_att(loader: Any, node: Any) -> Any:
    value = _construct(loader, node)
    return {"Fn::GetAtt": value.split(".", 1) if isinstance(value, str) else value}


for _name in _SHORT:
    _Loader.add_constructor(f"!{_name}", _tagged(f"Fn::{_name}"))
_Loader.add_constructor("!Ref", _tagged("Ref"))
_Loader.add_constructor("!Condition", _tagged("Condition"))
_Loader.add_constructor("!GetAtt", _get_att)


def parse(text: str) -> dict[str, Any]:
    """The document of a template body. Raises TemplateError."""
    stripped = text.lstrip("\ufeff \t\r\n")
    value = _json(text) if stripped.startswith("{") else _yaml(text)
    if not isinstance(value, dict):
        raise TemplateError("Template format error: unsupported structure.")
    _check_nulls(value, "", 0)
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"))
    except RecursionError as error:
        raise TemplateError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        try:
            return _yaml(text)  # a YAML flow mapping starts with a brace as well
        except TemplateError:
            where = f"(line {error.lineno}, column {error.colno})"
            raise TemplateError(f"Template format error: JSON not well-formed. {where}") from error
    except ValueError as error:  # a number of thousands of digits
        raise TemplateError("Template format error: JSON not well-formed.") from error


def _yaml(text: str) -> Any:
    try:
        bound_yaml(text, MAX_DEPTH + 1)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_nodes(node, set(), 0)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except TooDeep as error:
        raise TemplateError(_TOO_DEEP) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(f"Template format error: YAML not well-formed.{where}") from error
    except yaml.YAMLError as error:
        raise TemplateError("Template format error: YAML not well-formed.") from error
    except (ValueError, TypeError) as error:
        raise TemplateError("Template format error: unsupported structure.") from error


def _check_nodes(node: Any, seen: set[int], depth: int) -> None:
    """Refuse aliases (a node met twice) and deep nesting, before anything is built."""
    if id(node) in seen:
        raise TemplateError("Template error: YAML aliases are not allowed in CloudFormation templates")
    seen.add(id(node))
    if depth > MAX_DEPTH:
        raise TemplateError(_TOO_DEEP)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_nodes(item, seen, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _check_nodes(key, seen, depth + 1)
            _check_nodes(value, seen, depth + 1)


def _check_nulls(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TemplateError(_TOO_DEEP)
    if value is None:
        raise TemplateError(f"Template format error: [{path or '/'}] 'null' values are not allowed in templates")
    if isinstance(value, dict):
        for key in list(value):
            if not isinstance(key, str):
                value[_key(key)] = value.pop(key)
        for key, item in value.items():
            _check_nulls(item, f"{path}/{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_nulls(item, f"{path}/{index}", depth + 1)


def _key(key: Any) -> str:
    """A key as CloudFormation reads it: `200:` is "200", `on:` is "true"."""
    return str(key).lower() if isinstance(key, bool) else str(key)
