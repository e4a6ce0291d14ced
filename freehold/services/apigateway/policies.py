"""The policies that Lambda authorizers answer: may this caller invoke this method?"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4_096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text), re.S)


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _matches(patterns: Any, text: str, *, fold: bool = False) -> bool:
    if fold:
        return any(_pattern(pattern.lower()).fullmatch(text.lower()) for pattern in _listed(patterns))
    return any(_pattern(pattern).fullmatch(text) for pattern in _listed(patterns))


def allows(document: Any, arn: str) -> bool:
    """Does the policy allow execute-api:Invoke on the method? An explicit Deny wins; no statement is no."""
    if not isinstance(document, dict):
        return False
    statements = document.get("Statement", [])
    allowed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict):
            return False
        action = _matches(statement.get("Action", []), "execute-api:Invoke", fold=True)
        if action and _matches(statement.get("Resource", []), arn):
            if statement.get("Effect") == "Deny":
                return False
            allowed = allowed or statement.get("Effect") == "Allow"
    return allowed
