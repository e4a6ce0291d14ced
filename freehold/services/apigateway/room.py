"""How large an API may be: what one row of the store holds."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.store.limits import MAX_VALUE


class Room:
    """What a row holds, counted while an API is made of its definition. What many parts refer to is written out in each:
    a few megabytes of text can stand for more than any memory holds."""

    def __init__(self, full: str) -> None:
        self._full, self._left = full, MAX_VALUE

    def take(self, part: Any) -> None:
        """Raises the error of an API that is too large: earlier than the store would, never where the API fits."""
        stack = [part]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack += value
                stack += value.values()
            elif isinstance(value, list):
                stack += value
            self._left -= 1 + (len(value) if isinstance(value, str) else 0)
            if self._left < 0:
                raise too_large(self._full)


def too_large(code: str) -> Fault:
    """An API's definition is larger than a row of the store."""
    return Fault(code, "Maximum size of an API definition has been reached.")
