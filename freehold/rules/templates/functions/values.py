"""Values that are no values: what is not known yet, and what is left out."""

from __future__ import annotations

from typing import Any


class Unknown:
    """The value of something that will only be known when it has been created."""

    def __repr__(self) -> str:
        return "UNKNOWN"


class NoValue:
    """AWS::NoValue: the property that holds it is left out."""


UNKNOWN = Unknown()
NO_VALUE = NoValue()


def holds_unknown(value: Any) -> bool:
    """Is any part of an evaluated value unknown?"""
    if isinstance(value, dict):
        return any(holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_unknown(item) for item in value)
    return value is UNKNOWN
