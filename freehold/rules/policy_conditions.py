"""Condition operators of IAM policies. Pure."""

from __future__ import annotations

import base64
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Context = Mapping[str, tuple[str, ...]]
"""What a request brings, by lower-case condition key."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NARROWING = frozenset(
    (
        "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid",
        "aws:sourceip", "aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths",
        "aws:sourceorgid", "s3:dataaccesspointarn", "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    )
)  # fmt: skip
"""Keys that keep a policy from being public when fixed (S3 User Guide, "The meaning of 'public'")."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator."""

    operator: str
    key: str
    values: tuple[str, ...]
    test: Callable[[str, str], bool] | None
    """(request's value, policy's value); None for Null."""
    negated: bool
    if_exists: bool
    quantifier: str
    """"", "ForAllValues" or "ForAnyValue"."""

    def holds(self, context: Context) -> bool:
        """Does the request satisfy it?"""
        found = context.get(self.key)
        if self.test is None:
            return any((value.lower() == "true") == (found is None) for value in self.values)
        if found is None:
            return self.if_exists or self.negated or self.quantifier == "ForAllValues"
        wanted = [fill(value, context) for value in self.values]
        outcomes = [any(_passes(self.test, one, value) for value in wanted) != self.negated for one in found]
        return all(outcomes) if self.quantifier == "ForAllValues" or self.negated else any(outcomes)

    @property
    def narrows(self) -> bool:
        """Does it limit a policy for everybody to fixed callers?"""
        if self.key not in _NARROWING or self.negated or self.if_exists or self.test is None:
            return False
        if self.key == "aws:sourceip":
            return all(_prefix_length(value) >= 8 for value in self.values)
        return not any("*" in value or "?" in value or "${" in value for value in self.values)


def _passes(test: Callable[[str, str], bool], one: str, value: str) -> bool:
    try:
        return test(one, value)
    except ValueError:  # what the request brought is no number, date or address
        return False


def compile_condition(name: str, key: str, values: Any) -> Condition:
    """A condition, ready to be tested. Raises ValueError with S3's words for what is wrong."""
    quantifier, _, bare = name.rpartition(":")
    if_exists = bare.endswith("IfExists")
    bare = bare.removesuffix("IfExists")
    if quantifier not in ("", "ForAllValues", "ForAnyValue") or (bare not in _TESTS and bare != "Null"):
        raise ValueError(f"Invalid Condition type : {name}")
    listed = values if isinstance(values, list) else [values]
    texts = tuple(_text(value) for value in listed)
    if not texts:
        raise ValueError("Policy has an invalid condition value")
    negated = bare in _NEGATED
    test = None if bare == "Null" else _TESTS[bare]
    if test is not None and bare.startswith(("Numeric", "Date", "IpAddress", "NotIpAddress")):
        _check_values(test, texts)
    return Condition(bare, key.lower(), texts, test, negated, if_exists, quantifier)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("Policy has an invalid condition value")


def _check_values(test: Callable[[str, str], bool], values: tuple[str, ...]) -> None:
    for value in values:
        if "${" not in value:
            try:
                test(value, value)
            except ValueError:
                raise ValueError("Policy has an invalid condition value") from None


def fill(text: str, context: Context) -> str:
    """`text` with its policy variables (`${aws:username}`, `${*}`) put in; an unknown one matches nothing."""
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(",")
        if name in ("*", "?", "$"):
            return name
        found = context.get(name.strip().lower())
        if found:
            return found[0]
        return default.strip().strip("'") if default else "\x00"

    return _VARIABLE.sub(value, text)


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str]:
    # Runs of stars are one star: a pattern cannot be made expensive by repeating them.
    pieces = re.split(r"(\*+|\?)", pattern)
    return re.compile(
        "".join("(?:.*)" if piece[:1] == "*" else "." if piece == "?" else re.escape(piece) for piece in pieces),
        re.DOTALL,
    )


def matches_like(pattern: str, text: str) -> bool:
    """Does `text` match a pattern with `*` and `?`, case-sensitively? Linear in time for any pattern."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    pieces = re.sub(r"\*+", "*", pattern).split("*")
    if len(pieces) <= 3:
        return _pattern(pattern).fullmatch(text) is not None
    return _glob(pieces, text)


def _glob(pieces: list[str], text: str) -> bool:
    """Match piece by piece, each as early as possible: no backtracking over several stars."""
    first, *middle, last = pieces
    head = _pattern(first).match(text)
    if head is None or len(text) < head.end():
        return False
    at = head.end()
    for piece in middle:
        found = _pattern(piece).search(text, at)
        if found is None:
            return False
        at = found.end()
    tail = len(text) - len(last)
    return tail >= at and _pattern(last).fullmatch(text, tail) is not None


def _prefix_length(value: str) -> int:
    try:
        return ipaddress.ip_network(value, strict=False).prefixlen
    except ValueError:
        return 0


def _in_network(address: str, network: str) -> bool:
    where = ipaddress.ip_network(network, strict=False)
    one = ipaddress.ip_network(address, strict=False)
    return one.version == where.version and one.subnet_of(where)  # type: ignore[arg-type]


def _moment(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _arn_like(arn: str, pattern: str) -> bool:
    found, wanted = arn.split(":", 5), pattern.split(":", 5)
    return len(found) == len(wanted) and all(matches_like(want, have) for want, have in zip(wanted, found, strict=True))


def _numbers(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    return lambda one, other: compare(float(one), float(other))


def _moments(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    return lambda one, other: compare(_moment(one), _moment(other))


def _binary(one: str, other: str) -> bool:
    return base64.b64decode(one) == base64.b64decode(other)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringNotEquals": operator.eq,
    "StringEqualsIgnoreCase": lambda one, other: one.lower() == other.lower(),
    "StringNotEqualsIgnoreCase": lambda one, other: one.lower() == other.lower(),
    "StringLike": lambda one, other: matches_like(other, one),
    "StringNotLike": lambda one, other: matches_like(other, one),
    "Bool": lambda one, other: one.lower() == other.lower(),
    "BinaryEquals": _binary,
    "IpAddress": _in_network,
    "NotIpAddress": _in_network,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "ArnNotEquals": _arn_like,
    "ArnNotLike": _arn_like,
    "NumericEquals": _numbers(operator.eq),
    "NumericNotEquals": _numbers(operator.eq),
    "NumericLessThan": _numbers(operator.lt),
    "NumericLessThanEquals": _numbers(operator.le),
    "NumericGreaterThan": _numbers(operator.gt),
    "NumericGreaterThanEquals": _numbers(operator.ge),
    "DateEquals": _moments(operator.eq),
    "DateNotEquals": _moments(operator.eq),
    "DateLessThan": _moments(operator.lt),
    "DateLessThanEquals": _moments(operator.le),
    "DateGreaterThan": _moments(operator.gt),
    "DateGreaterThanEquals": _moments(operator.ge),
}
_NEGATED = frozenset(name for name in _TESTS if "Not" in name)
