"""JSON paths as EventBridge and Pipes know them: `$`, `$.detail.state`, `$.a[0]`, `$.a[*].b`, `$['a b']`.

Neither service knows all of JSON Path: names, array indices and the wildcard are all there is; deep scans, slices,
filters and negative indices are refused. A path with a wildcard answers the list of what it finds.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

MAX_STEPS = 100
MAX_LENGTH = 4_096

_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]\s'"<>()?*,]+)
      | \[(?P<index>[0-9]{1,9})\]
      | \['(?P<single>[^']*)'\]
      | \["(?P<double>[^"]*)"\]
      | (?P<all>\[\*\]|\.\*)""",
    re.VERBOSE,
)


class InvalidInput(Exception):
    """What the user wrote cannot be compiled, or an application of it made too much text. `str()` says why."""


class _Missing:
    """The answer of a path that finds nothing; JSON's null is None."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


class _All:
    """The step `[*]`."""


MISSING: Final = _Missing()
_ALL: Final = _All()

Path = Callable[[Any], Any]
"""The value at a path of an event, or MISSING."""


def is_path(text: str) -> bool:
    """Is `text` a JSON path rather than a plain value? Where AWS takes either, the whole value is the path."""
    return text == "$" or text.startswith(("$.", "$["))


def compile_path(text: str) -> Path:
    """The path as a function. Raises InvalidInput."""
    steps = _parse(text)
    if _ALL in steps:
        return lambda event: _find_all(event, steps)
    if not steps:
        return lambda event: event
    if len(steps) == 1 and isinstance(steps[0], str):
        name = steps[0]
        return lambda event: event.get(name, MISSING) if isinstance(event, dict) else MISSING
    return lambda event: _find(event, steps)


def _parse(text: str) -> tuple[str | int | _All, ...]:
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"JSON path is longer than {MAX_LENGTH} characters")
    if not text.startswith("$"):
        raise InvalidInput(f"JSON path must begin with $: {text}")
    steps: list[str | int | _All] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise InvalidInput(f"JSON path is not supported at position {at}: {text}")
        kind = found.lastgroup
        if kind == "all":
            steps.append(_ALL)
        elif kind == "index":
            steps.append(int(found["index"]))
        else:
            assert kind is not None
            steps.append(found[kind])
        at = found.end()
    if len(steps) > MAX_STEPS:
        raise InvalidInput(f"JSON path has more than {MAX_STEPS} steps")
    return tuple(steps)


def _step(value: Any, step: str | int | _All) -> Any:
    if isinstance(value, dict):
        return value.get(step, MISSING) if isinstance(step, str) else MISSING
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return MISSING


def _find(value: Any, steps: tuple[str | int | _All, ...]) -> Any:
    for step in steps:
        value = _step(value, step)
        if value is MISSING:
            return MISSING
    return value


def _find_all(event: Any, steps: tuple[str | int | _All, ...]) -> Any:
    """The wildcard opens every list, or the values of every object, that the steps before it have found."""
    found = [event]
    for step in steps:
        if step is _ALL:
            found = [inner for value in found for inner in _members(value)]
        else:
            found = [inner for value in found if (inner := _step(value, step)) is not MISSING]
    return found


def _members(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []
