"""Patterns for messages that are JSON objects."""

from __future__ import annotations

import re
from typing import Any

import orjson

from freehold.rules.logpatterns.conditions import Condition, Conditions
from freehold.rules.logpatterns.operands import BadPattern, Test, as_text
from freehold.rules.logpatterns.terms import Pattern

Step = str | int | None
"""A member's name, an index, or None for every element (`[*]`)."""
Path = tuple[str, tuple[Step, ...]]
"""A selector as written, and its steps."""

_NAME = re.compile(r"\.([A-Za-z0-9_@\-]+)")
_INDEX = re.compile(r"\.?\[\s*(\d+|\*)\s*\]")
_QUOTED = re.compile(r"\.?\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")


class JsonPattern:
    """A condition on a parsed message. Messages that are no JSON object or array never match."""

    def __init__(self, condition: Condition, paths: list[Path]) -> None:
        self._condition, self._paths = condition, paths

    def match(self, message: str) -> dict[str, str] | None:
        if not message.lstrip().startswith(("{", "[")):
            return None
        try:
            subject = orjson.loads(message)
        except ValueError:
            return None
        if not self._condition(subject):
            return None
        extracted = {}
        for written, steps in self._paths:
            texts = [text for value in _values(subject, steps) if (text := as_text(value)) is not None]
            if texts:
                extracted[written] = texts[0]
        return extracted


def compile_json(text: str) -> Pattern:
    """Compile `{ condition }`. Raises BadPattern."""
    parser = Conditions(text, _select, _build, _words, "{}")
    parser.take("{")
    condition = parser.expression()
    if not parser.take("}"):
        raise BadPattern("a closing brace is missing")
    parser.skip()
    if parser.at != len(text):
        raise BadPattern("there is text after the closing brace")
    return JsonPattern(condition, parser.selectors)


def _select(text: str, at: int) -> tuple[Path, int]:
    if not text.startswith("$", at):
        raise BadPattern("a selector begins with $")
    begun, steps = at, list[Step]()
    at += 1
    while at < len(text):
        if found := _NAME.match(text, at):
            steps.append(found.group(1))
        elif found := _INDEX.match(text, at):
            steps.append(None if found.group(1) == "*" else int(found.group(1)))
        elif found := _QUOTED.match(text, at):
            steps.append(found.group(1) if found.group(1) is not None else found.group(2))
        else:
            break
        at = found.end()
    if not steps:
        raise BadPattern("a selector names a member, as $.name")
    return (text[begun:at], tuple(steps)), at


def _values(subject: Any, steps: tuple[Step, ...]) -> list[Any]:
    """What a path leads to: nothing, one value, or several through `[*]`."""
    found = [subject]
    for step in steps:
        if step is None:
            found = [element for value in found if isinstance(value, list) for element in value]
        elif isinstance(step, int):
            found = [value[step] for value in found if isinstance(value, list) and step < len(value)]
        else:
            found = [value[step] for value in found if isinstance(value, dict) and step in value]
    return found


def _build(path: Path, test: Test) -> Condition:
    steps = path[1]
    return lambda subject: any(test(value) for value in _values(subject, steps))


def _words(path: Path, words: str) -> Condition:
    steps = path[1]
    if words == "NOT EXISTS":
        return lambda subject: not _values(subject, steps)
    wanted = {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}[words]
    return lambda subject: any(value is wanted for value in _values(subject, steps))
