"""Values of events and the matchers that patterns hold against them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Test = Callable[[Any], bool]


class Word(Enum):
    """JSON's three words, apart from the numbers 0 and 1 that Python takes for them."""

    TRUE = "true"
    FALSE = "false"
    NULL = "null"


def leaf(value: Any) -> Any:
    """A scalar of an event or a pattern as it is compared: strings and numbers as they are, words as `Word`."""
    if value is True:
        return Word.TRUE
    if value is False:
        return Word.FALSE
    return Word.NULL if value is None else value


IPV6 = 1 << 40
"""Added to the number of an IPv6 address, so that both kinds live on one line without meeting."""


def address(text: Any) -> int | None:
    """The number of an IP address literal, None for anything else."""
    if type(text) is not str or not (":" in text or text.count(".") == 3) or "%" in text:
        return None
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return int(parsed) + (IPV6 if parsed.version == 6 else 0)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one value. `kind` names it, `data` is what it compares with.

    exact (a leaf), prefix, suffix, nocase, nocase-prefix, nocase-suffix (text, lower case where the case is ignored),
    wildcard (the literals between asterisks), range and cidr (a `Range`), present, absent (None), and `not` of a tuple
    of matchers: a value that none of them accepts.
    """

    kind: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers (or addresses) between two bounds; None is no bound. `open_low`: the bound itself is outside."""

    low: float | None
    open_low: bool
    high: float | None
    open_high: bool

    def holds(self, value: Any) -> bool:
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return self.high is None or not (value > self.high or (self.open_high and value == self.high))


PRESENT = Matcher("present")
ABSENT = Matcher("absent")


def is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def wildcard(literals: Sequence[str]) -> Test:
    """Does a text consist of these literals with anything between them? Linear: each literal is found leftmost."""
    if len(literals) == 1:
        whole = literals[0]
        return lambda value: bool(value == whole)
    first, last, between = literals[0], literals[-1], [piece for piece in literals[1:-1] if piece]
    shortest = sum(map(len, literals))

    def test(value: Any) -> bool:
        if type(value) is not str or len(value) < shortest or not (value.startswith(first) and value.endswith(last)):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in between:
            at = value.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return test


def _one(matcher: Matcher) -> Test:
    """The test of one matcher that is not exact."""
    kind, data = matcher.kind, matcher.data
    if kind == "prefix":
        return lambda value: type(value) is str and value.startswith(data)
    if kind == "suffix":
        return lambda value: type(value) is str and value.endswith(data)
    if kind == "nocase":
        return lambda value: type(value) is str and value.lower() == data
    if kind == "nocase-prefix":
        return lambda value: type(value) is str and value.lower().startswith(data)
    if kind == "nocase-suffix":
        return lambda value: type(value) is str and value.lower().endswith(data)
    if kind == "wildcard":
        return wildcard(data)
    if kind == "range":
        return lambda value: is_number(value) and data.holds(value)
    if kind == "cidr":
        return lambda value: (number := address(value)) is not None and data.holds(number)
    if kind == "present":
        return lambda value: True
    if kind == "absent":
        return lambda value: False
    inner = test_of(data)
    return lambda value: not inner(value)


def test_of(matchers: Sequence[Matcher]) -> Test:
    """Does any of the matchers accept a value? Exact values are looked up together."""
    exact = frozenset(matcher.data for matcher in matchers if matcher.kind == "exact")
    others = [_one(matcher) for matcher in matchers if matcher.kind not in ("exact", "absent")]
    if not others:
        return exact.__contains__
    if len(others) == 1 and not exact:
        return others[0]
    return lambda value: value in exact or any(test(value) for test in others)
