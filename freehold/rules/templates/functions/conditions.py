"""Functions of conditions."""

from __future__ import annotations

from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions.evaluation import Scope, decide, evaluate
from freehold.rules.templates.parameters import text


def choose(argument: Any, scope: Scope) -> Any:
    """Fn::If"""
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise TemplateError("Template error: Fn::If requires a list argument with three elements")
    return evaluate(argument[1] if scope.condition(argument[0]) else argument[2], scope)


def _members(argument: Any, scope: Scope, name: str, least: int, most: int) -> list[bool]:
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        if least == most:
            raise TemplateError(f"Template error: every {name} object requires a list of exactly one string parameter")
        raise TemplateError(
            f"Template error: every {name} object requires a list of at least {least} and at most {most} boolean parameters."
        )
    return [decide(item, scope, name) for item in argument]


def both(argument: Any, scope: Scope) -> bool:
    """Fn::And"""
    return all(_members(argument, scope, "Fn::And", 2, 10))


def either(argument: Any, scope: Scope) -> bool:
    """Fn::Or"""
    return any(_members(argument, scope, "Fn::Or", 2, 10))


def negate(argument: Any, scope: Scope) -> bool:
    """Fn::Not"""
    return not _members(argument, scope, "Fn::Not", 1, 1)[0]


def equals(argument: Any, scope: Scope) -> bool:
    """Fn::Equals"""
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError("Template error: every Fn::Equals object requires a list of 2 string parameters.")
    left, right = (evaluate(item, scope) for item in argument)
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    return text(left) == text(right)
