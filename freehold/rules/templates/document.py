"""Template text to plain values: JSON, or YAML 1.1 with CloudFormation's short-form tags.

TemplateError
└── a template (or what was given for it) that CloudFormation refuses, with AWS's message
"""

from __future__ import annotations

import json
from typing import Any

import yaml

MAX_DEPTH = 100

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
    """PyYAML's safe loader with CloudFormation's tags; dates stay text, aliases and repeated keys are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise TemplateError("Template error: YAML aliases are not allowed in CloudFormation templates")
        return super().compose_node(parent, index)


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
        raise TemplateError("Template format error: the template is nested too deeply.") from error
    except ValueError:
        # A YAML flow mapping starts with a brace as well.
        return _yaml(text, "JSON")


def _yaml(text: str, what: str = "YAML") -> Any:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(f"Template format error: {what} not well-formed.{where}") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: {what} not well-formed.") from error
    except (ValueError, TypeError) as error:
        raise TemplateError("Template format error: unsupported structure.") from error
    except RecursionError as error:
        raise TemplateError("Template format error: the template is nested too deeply.") from error


def _check_nulls(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TemplateError("Template format error: the template is nested too deeply.")
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
