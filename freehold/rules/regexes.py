"""Regular expressions that users write, bounded in time: a pattern that backtracks for ever is refused, not obeyed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

TIMEOUT = 0.05
"""Seconds that one match may take."""


class BadPattern(ValueError):
    """The pattern cannot be compiled."""


class TooExpensive(ValueError):
    """The pattern took too long on this text."""


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern. Raises BadPattern."""
    import regex  # at first use: it takes 10 ms

    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as problem:
        raise BadPattern(str(problem)) from problem


def matches(pattern: str, text: str) -> bool:
    """Does the whole text match? Raises BadPattern, TooExpensive."""
    try:
        return compile_pattern(pattern).fullmatch(text, timeout=TIMEOUT) is not None
    except TimeoutError:
        raise TooExpensive(f"matching took longer than {TIMEOUT} s") from None
