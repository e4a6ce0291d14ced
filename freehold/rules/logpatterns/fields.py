"""Patterns for lines of fields separated by spaces, where `[...]` and `"..."` hold one field together."""

from __future__ import annotations

import re

from freehold.rules.logpatterns.conditions import Condition, Conditions
from freehold.rules.logpatterns.operands import MAX_REGEXES, BadPattern, Test
from freehold.rules.logpatterns.terms import Pattern, quoted

_FIELD = re.compile(r"\[([^\]]*)\]|\"([^\"]*)\"|(\S+)")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$\-]*")

Field = tuple[str, Condition | None]
"""A name (may be empty) and what must hold of the field."""


class FieldsPattern:
    """`before` are the first fields, `after` the last; between them, if `open_`, any number of others."""

    def __init__(self, before: list[Field], after: list[Field], open_: bool) -> None:
        self._before, self._after, self._open = before, after, open_

    def match(self, message: str) -> dict[str, str] | None:
        found = [_content(field) for field in _FIELD.finditer(message)]
        fixed = len(self._before) + len(self._after)
        if len(found) < fixed or (len(found) > fixed and not self._open):
            return None
        between: list[Field] = [("", None)] * (len(found) - fixed)
        extracted = {}
        for number, ((name, condition), value) in enumerate(
            zip([*self._before, *between, *self._after], found, strict=True), 1
        ):
            if condition is not None and not condition(value):
                return None
            extracted[f"${name or number}"] = value
        return extracted


def _content(field: re.Match[str]) -> str:
    return next(group for group in field.groups() if group is not None)


def compile_fields(text: str) -> Pattern:
    """Compile `[a, b = 1, ..., c]`. Raises BadPattern."""
    if not text.endswith("]") or len(text) < 2:
        raise BadPattern("a closing bracket is missing")
    before: list[Field] = []
    after: list[Field] = []
    opened, regexes = False, 0
    for part in _split(text[1:-1]):
        if part == "...":
            if opened:
                raise BadPattern("an ellipsis may stand once")
            opened = True
            continue
        field, used = _field(part)
        regexes += used
        (after if opened else before).append(field)
    if regexes > MAX_REGEXES:
        raise BadPattern("a filter pattern has at most two regular expressions")
    return FieldsPattern(before, after, opened)


def _split(text: str) -> list[str]:
    """The parts between commas that are outside of strings and regular expressions."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == '"':
            at = quoted(text, at)[1]
            continue
        if text[at] == "%":
            end = text.find("%", at + 1)
            at = end if end > 0 else at
        elif text[at] == ",":
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, text[start:].strip()]


def _field(part: str) -> tuple[Field, int]:
    if not part or _NAME.fullmatch(part):
        return (part, None), 0
    parser = Conditions(part, _select, _build, None, "[],")
    condition = parser.expression()
    parser.skip()
    if parser.at != len(part):
        raise BadPattern(f"{part[parser.at :]!r} is not understood")
    if len(set(parser.selectors)) != 1:
        raise BadPattern(f"{part!r} names more than one field")
    return (parser.selectors[0], condition), parser.regexes


def _select(text: str, at: int) -> tuple[str, int]:
    found = _NAME.match(text, at)
    if found is None:
        raise BadPattern(f"a field's name is missing at {text[at : at + 10]!r}")
    return found.group(), found.end()


def _build(name: str, test: Test) -> Condition:
    return test
