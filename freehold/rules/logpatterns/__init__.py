"""Filter patterns of CloudWatch Logs, as a pure engine: `compile_pattern(text).match(message)`.

Three languages, told apart by their first character, as in "Filter pattern syntax for metric filters, subscription
filters, filter log events, and Live Tail" of the CloudWatch Logs user guide:

- terms: `ERROR "exact phrase" -excluded ?either ?or %regex%`
- JSON: `{ $.eventType = "UpdateTrail" && ($.n > 3 || $.list[0] IS NULL) }`
- fields: `[ip, user, ..., status = 4*, bytes > 1000]` for lines of fields separated by spaces

Matching is case-sensitive. A pattern is at most 1,024 characters, with at most two regular expressions, which have no
groups and so no exponential backtracking; a match that takes longer than 50 ms counts as no match.
"""

from __future__ import annotations

from functools import lru_cache

from freehold.rules.logpatterns.fields import compile_fields
from freehold.rules.logpatterns.json_events import compile_json
from freehold.rules.logpatterns.operands import MAX_REGEXES, BadPattern
from freehold.rules.logpatterns.terms import Everything, Pattern, compile_terms

__all__ = ["MAX_PATTERN", "MAX_REGEXES", "BadPattern", "Pattern", "compile_pattern"]

MAX_PATTERN = 1_024


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """The pattern, compiled. Raises BadPattern."""
    if len(text) > MAX_PATTERN:
        raise BadPattern("a filter pattern has at most 1,024 characters")
    stripped = text.strip()
    if not stripped:
        return Everything()
    if stripped[0] == "{":
        return compile_json(stripped)
    if stripped[0] == "[":
        return compile_fields(stripped)
    return compile_terms(stripped)
