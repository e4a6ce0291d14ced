"""Parameters: what a template declares, and the values that a caller gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold.rules import regexes
from freehold.rules.templates.document import TemplateError

_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>\Z")
_PLAIN = ("String", "Number", "List<Number>", "CommaDelimitedList", "AWS::SSM::Parameter::Name")
_SSM_KINDS = ("String", "List<String>", "CommaDelimitedList")
_KEYS = frozenset(
    [
        "Type",
        "Default",
        "NoEcho",
        "AllowedValues",
        "AllowedPattern",
        "MaxLength",
        "MinLength",
        "MaxValue",
        "MinValue",
        "Description",
        "ConstraintDescription",
    ]
)


@dataclass(slots=True)
class Given:
    """Values as strings by name (a default, a given or a previous value), before SSM types are resolved."""

    values: dict[str, str]

    def ssm_names(self, declared: Mapping[str, dict[str, Any]]) -> dict[str, str]:
        """Parameter name -> SSM parameter name, of the parameters whose value is fetched from SSM."""
        return {name: value for name, value in self.values.items() if ssm_kind(declared[name])}


def ssm_kind(declaration: Mapping[str, Any]) -> str | None:
    """ "String" of `AWS::SSM::Parameter::Value<String>`, None for other types."""
    match = _SSM_VALUE.match(str(declaration["Type"]))
    return match.group(1) if match else None


def no_echo(declaration: Mapping[str, Any]) -> bool:
    """Must this parameter's value never be shown?"""
    return str(declaration.get("NoEcho", "false")).lower() == "true"


def text(value: Any) -> str:
    """A template's scalar as the string that CloudFormation makes of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def check_declarations(declared: Mapping[str, dict[str, Any]]) -> None:
    """Refuse declarations that CloudFormation (or Freehold, by name) does not know."""
    for name, body in declared.items():
        unknown = sorted(set(body) - _KEYS)
        if unknown:
            raise TemplateError(f"Invalid template parameter property '{unknown[0]}'")
        _check_constraints(name, body)
        kind = str(body["Type"])
        match = _SSM_VALUE.match(kind)
        if kind in _PLAIN or (match and match.group(1) in _SSM_KINDS):
            continue
        if kind.startswith(("AWS::", "List<AWS::")):
            raise TemplateError(
                f"Template format error: Freehold does not implement the type {kind} (parameter {name})"
            )
        raise TemplateError(f"Template format error: Unrecognized parameter type: {kind}")


def _check_constraints(name: str, body: Mapping[str, Any]) -> None:
    """Constraints of the wrong shape."""
    allowed, default = body.get("AllowedValues", []), body.get("Default", "")
    if not isinstance(allowed, list) or any(isinstance(item, dict | list) for item in allowed):
        raise TemplateError("Template format error: Every AllowedValues member must be a list.")
    if isinstance(default, dict) or (isinstance(default, list) and any(isinstance(i, dict | list) for i in default)):
        raise TemplateError("Template format error: Every Default member must be a string.")
    for key in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
        if key in body and (isinstance(body[key], dict | list) or not _is_number(text(body[key]))):
            raise TemplateError(f"Template format error: Every {key} member must be a number (parameter {name}).")


def gather(
    declared: Mapping[str, dict[str, Any]],
    given: Mapping[str, str],
    use_previous: frozenset[str] = frozenset(),
    previous: Mapping[str, str] | None = None,
) -> Given:
    """A value for every declared parameter: given, previous where asked for, or the default. Raises TemplateError."""
    previous = previous or {}
    undeclared = [name for name in (*given, *use_previous) if name not in declared]
    if undeclared:
        raise TemplateError(f"Parameters: [{', '.join(undeclared)}] do not exist in the template")
    values: dict[str, str] = {}
    missing = []
    for name, body in declared.items():
        if name in use_previous and name in previous:
            values[name] = previous[name]
        elif name in given:
            values[name] = given[name]
        elif "Default" in body:
            default = body["Default"]
            values[name] = ",".join(text(item) for item in default) if isinstance(default, list) else text(default)
        else:
            missing.append(name)
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        check(name, declared[name], value)
    return Given(values)


def check(name: str, body: Mapping[str, Any], value: str) -> None:
    """Hold a value against its declaration's constraints."""
    problem = _problem(name, body, value)
    if problem:
        explained = body.get("ConstraintDescription")
        if explained:
            problem = f"Parameter '{name}' failed to satisfy constraint: {explained}"
        raise TemplateError(problem)


def _problem(name: str, body: Mapping[str, Any], value: str) -> str | None:
    kind = str(body["Type"])
    items = [item.strip() for item in value.split(",")] if kind in ("CommaDelimitedList", "List<Number>") else [value]
    if kind in ("Number", "List<Number>") and not all(_is_number(item) for item in items):
        if kind == "Number":
            return f"Parameter '{name}' must be a number."
        return f"Parameter '{name}' must be a list of numbers."
    if "AllowedValues" in body:
        allowed = {text(item) for item in body["AllowedValues"]}
        if not all(item in allowed for item in items):
            return f"Parameter '{name}' must be one of AllowedValues"
    if "AllowedPattern" in body and not all(_matches(name, str(body["AllowedPattern"]), item) for item in items):
        return f"Parameter '{name}' must match pattern {body['AllowedPattern']}"
    if "MinLength" in body and len(value) < float(body["MinLength"]):
        return f"Parameter '{name}' must contain at least {body['MinLength']} characters"
    if "MaxLength" in body and len(value) > float(body["MaxLength"]):
        return f"Parameter '{name}' must contain at most {body['MaxLength']} characters"
    if kind in ("Number", "List<Number>"):
        if "MinValue" in body and any(float(item) < float(body["MinValue"]) for item in items):
            return f"Parameter '{name}' must be a number not less than {text(body['MinValue'])}"
        if "MaxValue" in body and any(float(item) > float(body["MaxValue"]) for item in items):
            return f"Parameter '{name}' must be a number not greater than {text(body['MaxValue'])}"
    return None


def _is_number(item: str) -> bool:
    try:
        float(item)
    except ValueError:
        return False
    return True


def _matches(name: str, pattern: str, value: str) -> bool:
    try:
        return regexes.matches(pattern, value)
    except ValueError as error:
        raise TemplateError(f"Parameter '{name}' has an invalid AllowedPattern: {pattern}") from error


def typed(body: Mapping[str, Any], value: str) -> Any:
    """What Ref of the parameter gives: a list for list types, else the string."""
    kind = ssm_kind(body) or str(body["Type"])
    if kind in ("CommaDelimitedList", "List<Number>", "List<String>"):
        return [item.strip() for item in value.split(",")] if value else []
    return value
