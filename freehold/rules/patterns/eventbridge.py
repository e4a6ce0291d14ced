"""What EventBridge accepts as an event pattern of a rule."""

from __future__ import annotations

from freehold.rules.patterns.parsing import Pattern, PatternError, parse_text
from freehold.rules.patterns.values import Matcher

MAX_BYTES = 4_096
MAX_WILDCARDS = 5
"""Asterisks of one wildcard; AWS prices them by the states of its automaton, which it does not publish."""


def read(text: str) -> Pattern:
    """The pattern of a rule. Raises PatternError with the whole message of InvalidEventPatternException."""
    try:
        if len(text.encode()) > MAX_BYTES:
            raise PatternError(f"Event pattern is larger than {MAX_BYTES} bytes")
        pattern = parse_text(text)
        if any(_asterisks(m) > MAX_WILDCARDS for a in pattern.alternatives for ms in a.values() for m in ms):
            raise PatternError(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after "
                "a wildcard character"
            )
    except PatternError as error:
        raise PatternError(f"Event pattern is not valid. Reason: {error}") from None
    return pattern


def _asterisks(matcher: Matcher) -> int:
    if matcher.kind == "not":
        return max(map(_asterisks, matcher.data), default=0)
    return len(matcher.data) - 1 if matcher.kind == "wildcard" else 0
