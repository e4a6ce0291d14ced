"""Functions of lists."""

from __future__ import annotations

import ipaddress
from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions.evaluation import Scope, evaluate, need_extensions
from freehold.rules.templates.functions.values import UNKNOWN


def select(argument: Any, scope: Scope) -> Any:
    """Fn::Select"""
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(
            "Template error: every Fn::Select object requires two parameters, (1) an index (0-based) and (2) a list of"
            " objects or a function that returns a list of objects."
        )
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if index is UNKNOWN or items is UNKNOWN:
        return UNKNOWN
    try:
        at = int(index)
    except (TypeError, ValueError) as error:
        raise TemplateError("Template error: Fn::Select requires an index that is a number") from error
    if not isinstance(items, list):
        raise TemplateError(
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        )
    if not 0 <= at < len(items):
        raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {at}")
    return items[at]


def cidr(argument: Any, scope: Scope) -> Any:
    """Fn::Cidr"""
    arguments = [evaluate(item, scope) for item in argument] if isinstance(argument, list) else []
    if any(item is UNKNOWN for item in arguments):
        return UNKNOWN
    if len(arguments) not in (2, 3):
        raise TemplateError("Template error: every Fn::Cidr object requires two or three parameters")
    try:
        block, count = ipaddress.ip_network(str(arguments[0])), int(arguments[1])
        bits = int(arguments[2]) if len(arguments) == 3 else 8
        prefix = block.max_prefixlen - bits
        if not 1 <= count <= 256 or prefix < block.prefixlen or prefix > block.max_prefixlen:
            raise ValueError
        subnets = block.subnets(new_prefix=prefix)
        return [str(next(subnets)) for _ in range(count)]
    except (TypeError, ValueError, StopIteration) as error:
        raise TemplateError(f"Template error: Fn::Cidr cannot make the blocks asked for from {arguments[0]}") from error


def get_azs(argument: Any, scope: Scope) -> Any:
    """Fn::GetAZs"""
    region = evaluate(argument, scope)
    if region is UNKNOWN:
        return UNKNOWN
    if not isinstance(region, str):
        raise TemplateError("Template error: every Fn::GetAZs object must have a String-typed value.")
    region = region or str(scope.pseudo["AWS::Region"])
    return [region + letter for letter in "abc"]


def length(argument: Any, scope: Scope) -> Any:
    """Fn::Length"""
    need_extensions("Fn::Length", scope)
    value = evaluate(argument, scope)
    if value is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, list):
        raise TemplateError("Template error: Fn::Length requires an array, or a function that returns an array")
    return len(value)
