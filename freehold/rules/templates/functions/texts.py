"""Functions of texts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions.evaluation import Scope, evaluate, need_extensions
from freehold.rules.templates.functions.lookups import get_att, ref
from freehold.rules.templates.functions.values import UNKNOWN, NoValue, holds_unknown
from freehold.rules.templates.parameters import text

SUB_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SUB_NAME = re.compile(r"[A-Za-z0-9_.:]+\Z")
MAX_TEXT = 1 << 20
"""Characters that one Fn::Sub or Fn::Join may produce."""


def join(argument: Any, scope: Scope) -> Any:
    """Fn::Join"""
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
            " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
    delimiter, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if items is UNKNOWN or delimiter is UNKNOWN:
        return UNKNOWN
    if not isinstance(delimiter, str) or not isinstance(items, list):
        raise TemplateError(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
            " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
    if any(item is UNKNOWN for item in items):
        return UNKNOWN
    if any(isinstance(item, dict | list) for item in items):
        raise TemplateError("Template error: every Fn::Join object requires a list of strings to be joined.")
    return _bounded(delimiter.join(text(item) for item in items))


def _bounded(result: str) -> str:
    if len(result) > MAX_TEXT:
        raise TemplateError("Template error: the result of a function is larger than 1 MB")
    return result


def sub(argument: Any, scope: Scope) -> Any:
    """Fn::Sub"""
    variables: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        argument, variables = argument
    if not isinstance(argument, str):
        raise TemplateError(
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string"
            " as first argument, and an optional second argument to specify a mapping of values to replace in the string"
        )
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match.group(1).strip()
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        value = _sub_value(name, variables, scope)
        if value is UNKNOWN:
            unknown = True
            return ""
        return text(value)

    result = _bounded(SUB_VARIABLE.sub(replace, argument))
    return UNKNOWN if unknown else result


def _sub_value(name: str, variables: Mapping[str, Any], scope: Scope) -> Any:
    if not _SUB_NAME.match(name):
        raise TemplateError(
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores,"
            " periods, and colons"
        )
    if name in variables:
        value = evaluate(variables[name], scope)
    elif name in scope.parameters or "." not in name:
        value = ref(name, scope)
    else:
        value = get_att(name, scope)
    if isinstance(value, dict | list | NoValue):
        raise TemplateError(f"Template error: variable {name} in Fn::Sub expression does not resolve to a string")
    return value


def split(argument: Any, scope: Scope) -> Any:
    """Fn::Split"""
    message = (
        "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be"
        " split or a function that returns a string to be split."
    )
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(message)
    delimiter, source = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if delimiter is UNKNOWN or source is UNKNOWN:
        return UNKNOWN
    if not isinstance(delimiter, str) or not delimiter or not isinstance(source, str):
        raise TemplateError(message)
    return source.split(delimiter)


def base64_of(argument: Any, scope: Scope) -> Any:
    """Fn::Base64"""
    value = evaluate(argument, scope)
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, dict | list):
        raise TemplateError("Template error: every Fn::Base64 object must have a String-typed value.")
    return base64.b64encode(text(value).encode()).decode()


def to_json_string(argument: Any, scope: Scope) -> Any:
    """Fn::ToJsonString"""
    need_extensions("Fn::ToJsonString", scope)
    value = evaluate(argument, scope)
    if holds_unknown(value):
        return UNKNOWN
    if not isinstance(value, dict | list):
        raise TemplateError("Template error: Fn::ToJsonString requires an object or an array")
    return json.dumps(value, separators=(",", ":"))
