"""The parser of conditions, shared by JSON patterns and patterns of fields: comparisons, `&&`, `||`, parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from freehold.rules.logpatterns.operands import MAX_REGEXES, BadPattern, Test, comparison
from freehold.rules.logpatterns.terms import quoted

S = TypeVar("S")
"""What a selector is: a path into JSON, or the name of a field."""

Condition = Callable[[Any], bool]
"""A condition on a whole message: parsed JSON, or its fields by name."""

_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"!=|<=|>=|=|<|>")
_KEYWORD = re.compile(r"(IS\s+NULL|IS\s+TRUE|IS\s+FALSE|NOT\s+EXISTS)\b", re.IGNORECASE)
_MAX_DEPTH = 50


class Conditions(Generic[S]):
    """Parses one text from `at` on. `select` reads a selector; `build` makes a condition of selector and test;
    `words` makes one of selector and keyword ("IS NULL"), where the language has keywords."""

    def __init__(
        self,
        text: str,
        select: Callable[[str, int], tuple[S, int]],
        build: Callable[[S, Test], Condition],
        words: Callable[[S, str], Condition] | None,
        stops: str,
    ) -> None:
        self._text, self._select, self._build, self._words = text, select, build, words
        self._bare = re.compile(rf"(?:(?!&&|\|\|)[^\s()\"%{re.escape(stops)}])+")
        self.at = 0
        self.regexes = 0
        self.selectors: list[S] = []

    def skip(self) -> None:
        space = _SPACE.match(self._text, self.at)
        assert space is not None
        self.at = space.end()

    def take(self, token: str) -> bool:
        """Consume `token` if it is next."""
        self.skip()
        if not self._text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def expression(self, depth: int = 0) -> Condition:
        """`a || b`, which binds less than `&&`."""
        found = [self._conjunction(depth)]
        while self.take("||"):
            found.append(self._conjunction(depth))
        return found[0] if len(found) == 1 else lambda subject: any(condition(subject) for condition in found)

    def _conjunction(self, depth: int) -> Condition:
        found = [self._primary(depth)]
        while self.take("&&"):
            found.append(self._primary(depth))
        return found[0] if len(found) == 1 else lambda subject: all(condition(subject) for condition in found)

    def _primary(self, depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            raise BadPattern("parentheses are nested too deeply")
        if self.take("("):
            inner = self.expression(depth + 1)
            if not self.take(")"):
                raise BadPattern("a parenthesis is not closed")
            return inner
        self.skip()
        selector, self.at = self._select(self._text, self.at)
        self.selectors.append(selector)
        self.skip()
        if self._words is not None and (keyword := _KEYWORD.match(self._text, self.at)):
            self.at = keyword.end()
            return self._words(selector, " ".join(keyword.group().upper().split()))
        operator = _OPERATOR.match(self._text, self.at)
        if operator is None:
            raise BadPattern(f"an operator is missing at {self._text[self.at : self.at + 10]!r}")
        self.at = operator.end()
        return self._build(selector, self._operand(operator.group()))

    def _operand(self, operator: str) -> Test:
        self.skip()
        text, at = self._text, self.at
        if text.startswith('"', at):
            value, self.at = quoted(text, at)
            return comparison(operator, value, quoted=True)
        if text.startswith("%", at):
            end = text.find("%", at + 1)
            if end < 0:
                raise BadPattern("a regular expression is not closed")
            self.at = end + 1
            self.regexes += 1
            if self.regexes > MAX_REGEXES:
                raise BadPattern("a filter pattern has at most two regular expressions")
            return comparison(operator, text[at + 1 : end], is_regex=True)
        bare = self._bare.match(text, at)
        if bare is None:
            raise BadPattern(f"a value is missing at {text[at : at + 10]!r}")
        self.at = bare.end()
        return comparison(operator, bare.group())
