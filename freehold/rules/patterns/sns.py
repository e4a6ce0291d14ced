"""What SNS accepts as a filter policy, and what a policy is held against: a message's attributes or its body.

Limits: SNS Developer Guide, "Filter policy constraints".
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import orjson

from freehold.rules.patterns.parsing import Path, Pattern, PatternError, parse_text

MAX_BYTES = 256 << 10
MAX_KEYS = 5
MAX_COMBINATIONS = 150
ATTRIBUTES = "MessageAttributes"
BODY = "MessageBody"


def read(text: str, scope: str = ATTRIBUTES) -> Pattern:
    """The pattern of a filter policy for `scope`. Raises PatternError with the reason, as SNS's words begin after
    "FilterPolicy: "."""
    if len(text.encode()) > MAX_BYTES:
        raise PatternError("Filter policy is too large")
    pattern = parse_text(text)
    if scope == ATTRIBUTES and any(len(path) > 1 for paths in pattern.alternatives for path in paths):
        raise PatternError("Filter policy scope MessageAttributes does not support nested filter policy")
    if len({path for paths in pattern.alternatives for path in paths}) > MAX_KEYS:
        raise PatternError(f"Filter policy can not have more than {MAX_KEYS} keys")
    if sum(map(_combinations, pattern.alternatives)) > MAX_COMBINATIONS:
        raise PatternError("Filter policy is too complex")
    return pattern


def _combinations(paths: Mapping[Path, tuple[Any, ...]]) -> int:
    """Values of every key, each as often as its level is deep, multiplied."""
    return prod(len(accepted) * len(path) for path, accepted in paths.items())


def event_of_attributes(attributes: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """What a policy on attributes sees: (data type, text) by name. Binary attributes are not filtered on; an array or a
    number that cannot be read is none."""
    event: dict[str, Any] = {}
    for name, (data_type, text) in attributes.items():
        kind = data_type if data_type == "String.Array" else data_type.partition(".")[0]
        if kind == "String":
            event[name] = text
        elif kind in ("Number", "String.Array"):
            value = _parsed(text)
            if isinstance(value, list) if kind == "String.Array" else type(value) in (int, float):
                event[name] = value
    return event


def event_of_body(body: str) -> dict[str, Any] | None:
    """What a policy on the body sees; None where the body is no JSON object, which no policy accepts."""
    value = _parsed(body)
    return value if isinstance(value, dict) else None


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
