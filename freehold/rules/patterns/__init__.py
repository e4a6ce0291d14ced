"""Event patterns: the language of EventBridge rules, SNS filter policies, Pipes and Lambda's filter criteria. Pure.

`parse` turns a pattern into alternatives of conditions by path; `Index` holds the patterns of many rules in one
structure and says which of them an event matches; `eventbridge` and `sns` price and bound what customers may create.
Semantics follow AWS's event-ruler (README and its rule compiler), which EventBridge runs.
"""

from freehold.rules.patterns.index import Index
from freehold.rules.patterns.parsing import Pattern, PatternError, parse, parse_text

__all__ = ["Index", "Pattern", "PatternError", "parse", "parse_text"]
