"""FilterCriteria: which records reach the function. Pure; the language is that of EventBridge's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.patterns import Index, PatternError, parse_text

MOST = 5
"""Filters of one mapping (Lambda: "Control which events Lambda sends to your function": five, more by request)."""


def read(criteria: Mapping[str, Any] | None) -> list[str]:
    """The patterns of a FilterCriteria. Raises InvalidParameterValueException."""
    patterns = [each.get("Pattern") for each in (criteria or {}).get("Filters") or []]
    if len(patterns) > MOST:
        raise Fault(
            "InvalidParameterValueException",
            f"1 validation error detected: Value at 'filterCriteria.filters' failed to satisfy constraint: Member must "
            f"have length less than or equal to {MOST}",
            Type="User",
        )
    found: list[str] = []
    for pattern in patterns:
        try:
            parse_text(pattern or "")
        except PatternError as error:
            raise Fault("InvalidParameterValueException", "Invalid filter pattern definition.", Type="User") from error
        found.append(pattern or "")
    return found


class Filters:
    """The compiled filters of a mapping: a record passes when it matches one of them."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._index: Index | None = None
        if patterns:
            self._index = Index()
            for number, pattern in enumerate(patterns):
                self._index.add(str(number), parse_text(pattern))

    def accept(self, fields: Mapping[str, Any] | None) -> bool:
        return self._index is None or fields is None or bool(self._index.match(fields))
