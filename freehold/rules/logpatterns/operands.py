"""What a value is compared with: strings with wildcards, numbers, regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from freehold.rules import regexes
from freehold.rules.patterns.values import wildcard

if TYPE_CHECKING:
    import regex

MAX_REGEXES = 2

Test = Callable[[Any], bool]
"""A comparison of one value that exists: a string of a line's field, or any JSON value."""

_ALLOWED = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+. ]+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class BadPattern(ValueError):
    """The filter pattern is not valid."""


def search(expression: str) -> Callable[[str], bool]:
    """A test whether a regular expression is found in a text. Only the documented characters are allowed."""
    if not expression or not _ALLOWED.fullmatch(expression):
        raise BadPattern(f"%{expression}% has characters that are not supported in regular expressions")
    try:
        compiled = regexes.compile_pattern(expression)
    except regexes.BadPattern as problem:
        raise BadPattern(str(problem)) from problem
    return lambda text: _found(compiled, text)


def _found(compiled: regex.Pattern[str], text: str) -> bool:
    try:
        return compiled.search(text, timeout=regexes.TIMEOUT) is not None
    except TimeoutError:
        return False


def number(text: str) -> float | None:
    """The number that a text says, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def comparison(operator: str, operand: str, *, quoted: bool = False, is_regex: bool = False) -> Test:
    """The test `value operator operand`. Raises BadPattern for combinations that the language does not have."""
    if is_regex:
        if operator not in ("=", "!="):
            raise BadPattern(f"{operator} does not take a regular expression")
        find = search(operand)
        return _negate(operator, lambda value: (text := as_text(value)) is not None and find(text))
    if operator in ("=", "!="):
        return _negate(operator, _equals(operand, quoted))
    limit = number(operand)
    if limit is None or quoted:
        raise BadPattern(f"{operator} takes a number, not {operand!r}")
    return _orders(operator, limit)


def _negate(operator: str, test: Test) -> Test:
    return test if operator == "=" else lambda value: not test(value)


def _equals(operand: str, quoted: bool) -> Test:
    if operand == "*":
        return lambda value: value is not None
    if "*" in operand:
        glob = wildcard(operand.split("*"))  # no regular expression: that of twelve asterisks backtracks for hours
        return lambda value: (text := as_text(value)) is not None and glob(text)
    wanted = None if quoted else number(operand)
    if wanted is None:
        return lambda value: as_text(value) == operand
    return lambda value: as_text(value) == operand or as_number(value) == wanted


def _orders(operator: str, limit: float) -> Test:
    def test(value: Any) -> bool:
        found = as_number(value)
        if found is None:
            return False
        if operator == "<":
            return found < limit
        if operator == "<=":
            return found <= limit
        return found > limit if operator == ">" else found >= limit

    return test


def as_text(value: Any) -> str | None:
    """A scalar as text; None for null, objects and arrays, which equal no text."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None


def as_number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return number(value) if isinstance(value, str) else None
