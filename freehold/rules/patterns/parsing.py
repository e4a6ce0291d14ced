"""Reading a pattern. The messages are those of AWS's rule compiler, without the place in the text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from freehold.rules.patterns.values import ABSENT, IPV6, PRESENT, Matcher, Range, address, is_number, leaf

MAX_DEPTH = 100
"""Levels of a pattern: what reads patterns calls itself once a level."""
MAX_ALTERNATIVES = 1_000
"""Conjunctions that a pattern with $or may mean."""

Path = tuple[str, ...]
RESERVED = frozenset(
    [
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    ]
)
"""Names that are no fields inside $or."""


class PatternError(Exception):
    """A document that is no pattern; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What an event must look like: one of `alternatives`, each with the accepted values of every path it names."""

    alternatives: tuple[Mapping[Path, tuple[Matcher, ...]], ...]


Rules = list[dict[Path, tuple[Matcher, ...]]]


def parse_text(text: str | bytes) -> Pattern:
    """The pattern in a JSON text. Raises PatternError."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PatternError(f"Filter is not valid JSON: {error}") from None
    return parse(document)


def parse(document: Any) -> Pattern:
    """The pattern of a parsed document. Raises PatternError."""
    if not isinstance(document, dict):
        raise PatternError("Filter is not an object")
    rules = _object([{}], (), document, inside_or=False)
    return Pattern(tuple(rules))


def _object(rules: Rules, path: Path, document: dict[str, Any], *, inside_or: bool) -> Rules:
    if not document:
        raise PatternError("Empty objects are not allowed")
    if len(path) >= MAX_DEPTH:
        raise PatternError(f"Patterns may have at most {MAX_DEPTH} levels")
    for name, value in document.items():
        if name == "$or":
            rules = _alternatives(rules, path, value)
            continue
        if inside_or and name in RESERVED:
            raise PatternError(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        if isinstance(value, dict):
            rules = _object(rules, (*path, name), value, inside_or=inside_or)
        elif isinstance(value, list):
            matchers = _values(value)
            rules = [{**rule, (*path, name): matchers} for rule in rules]
        else:
            raise PatternError(f'"{name}" must be an object or an array')
    return rules


def _alternatives(rules: Rules, path: Path, value: Any) -> Rules:
    if not isinstance(value, list):
        raise PatternError("It must be an Array followed with $or.")
    found: Rules = []
    for document in value:
        if not isinstance(document, dict):
            raise PatternError("Only JSON object is allowed in array of $or relationship.")
        found += _object(rules, path, document, inside_or=True)
        if len(found) > MAX_ALTERNATIVES:
            raise PatternError(f"Rule is too complex: $or makes more than {MAX_ALTERNATIVES} combinations")
    if len(value) < 2:
        raise PatternError("There must have at least 2 Objects in $or relationship.")
    return found


def _values(values: list[Any]) -> tuple[Matcher, ...]:
    if not values:
        raise PatternError("Empty arrays are not allowed")
    matchers: dict[Matcher, None] = {}
    for value in values:
        if isinstance(value, dict):
            matchers[_expression(value)] = None
        elif isinstance(value, list):
            raise PatternError("Match value must be String, number, true, false, or null")
        else:
            matchers[_exact(value)] = None
    return tuple(matchers)


def _exact(value: Any) -> Matcher:
    """A literal; an IPv6 address is the same in every spelling."""
    number = address(value)
    if number is not None and number >= IPV6:
        return Matcher("cidr", Range(number, False, number, False))
    return Matcher("exact", leaf(value))


def _expression(document: dict[str, Any]) -> Matcher:
    if not document:
        raise PatternError("Match expression name not found")
    name, value = next(iter(document.items()))
    reader = _READERS.get(name)
    if reader is None:
        raise PatternError(f"Unrecognized match type {name}")
    matcher = reader(value)
    if len(document) > 1:
        too_many = name in ("numeric", "anything-but")
        raise PatternError(
            "Too many elements in numeric expression" if too_many else "Only one key allowed in match expression"
        )
    return matcher


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise PatternError(f"{what} match pattern must be a string")
    return value


def _affix(kind: str) -> Callable[[Any], Matcher]:
    """A prefix or a suffix, with equals-ignore-case inside or without."""

    def read(value: Any) -> Matcher:
        if not isinstance(value, dict):
            return Matcher(kind, _text(value, kind))
        if not value:
            raise PatternError(f"{kind.capitalize()} expression name not found")
        name, text = next(iter(value.items()))
        if name != "equals-ignore-case":
            raise PatternError(f"Unsupported {kind} pattern: {name}")
        matcher = Matcher(f"nocase-{kind}", _text(text, name).lower())
        if len(value) > 1:
            raise PatternError("Only one key allowed in match expression")
        return matcher

    return read


def _wildcard(value: Any) -> Matcher:
    return Matcher("wildcard", tuple(literals(_text(value, "wildcard"))))


def literals(text: str) -> list[str]:
    """The literals between the asterisks of a wildcard pattern; a backslash makes an asterisk or backslash literal."""
    found, piece, at = [], "", 0
    while at < len(text):
        sign = text[at]
        if sign == "*":
            if text[at + 1 : at + 2] == "*":
                raise PatternError(f"Consecutive wildcard characters at pos {at + 1}")
            found.append(piece)
            piece = ""
        elif sign == "\\":
            at += 1
            if text[at : at + 1] not in ("*", "\\"):
                raise PatternError(f"Invalid escape character at pos {at}")
            piece += text[at]
        else:
            piece += sign
        at += 1
    return [*found, piece]


def _exists(value: Any) -> Matcher:
    if value is True:
        return PRESENT
    if value is False:
        return ABSENT
    raise PatternError("exists match pattern must be either true or false.")


def _cidr(value: Any) -> Matcher:
    if not isinstance(value, str):
        raise PatternError("prefix match pattern must be a string")
    ip, slash, mask = value.partition("/")
    if not slash or "/" in mask:
        raise PatternError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", mask):
        raise PatternError("Malformed CIDR, mask bits must be an integer")
    bits, number = int(mask), address(ip)
    if bits < 0:
        raise PatternError("Malformed CIDR, mask bits must not be negative")
    if number is None:
        raise PatternError(f"Nonstandard IP address: {ip}")
    if number < IPV6 and bits > 31:
        raise PatternError("IPv4 mask bits must be < 32")
    if number >= IPV6 and bits > 127:
        raise PatternError("IPv6 mask bits must be < 128")
    network = ipaddress.ip_network((ip, bits), strict=False)
    base = IPV6 if network.version == 6 else 0
    return Matcher("cidr", Range(base + int(network[0]), False, base + int(network[-1]), False))


def _numeric(value: Any) -> Matcher:
    if not isinstance(value, list):
        raise PatternError("Value of numeric must be an array.")
    if not value or not isinstance(value[0], str):
        raise PatternError(f"Invalid member in numeric match: {value[0] if value else ']'}")
    operator = value[0]
    if operator not in ("=", "<", "<=", ">", ">="):
        raise PatternError(f"Unrecognized numeric range operator: {operator}")
    bound = _bound(value, 1, "equals" if operator == "=" else operator)
    if operator[0] in "=<" and len(value) > 2:
        raise PatternError("Too many elements in numeric expression")
    if operator == "=":
        return Matcher("exact", bound)
    if operator[0] == "<":
        return Matcher("range", Range(None, False, bound, operator == "<"))
    if len(value) == 2:
        return Matcher("range", Range(bound, operator == ">", None, False))
    if not isinstance(value[2], str):
        raise PatternError(f"Bad value in numeric range: {value[2]}")
    if value[2] not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {value[2]}")
    top = _bound(value, 3, value[2])
    if len(value) > 4:
        raise PatternError("Too many terms in numeric range expression")
    if bound >= top:
        raise PatternError("Bottom must be less than top")
    return Matcher("range", Range(bound, operator == ">", top, value[2] == "<"))


def _bound(value: Sequence[Any], at: int, operator: str) -> float:
    number = value[at] if len(value) > at else None
    if number is None or not is_number(number):
        raise PatternError(f"Value of {operator} must be numeric")
    bound: float = number
    return bound


_INSIDE = ("equals-ignore-case", "prefix", "suffix", "wildcard")


def _anything_but(value: Any) -> Matcher:
    kind = ""
    if isinstance(value, dict):
        if not value:
            raise PatternError("Anything-But expression name not found")
        kind, inner = next(iter(value.items()))
        if kind not in _INSIDE:
            raise PatternError(f"Unsupported anything-but pattern: {kind}")
        if len(value) > 1:
            raise PatternError("Too many elements in numeric expression")
        value = inner
    listed = value if isinstance(value, list) else [value]
    if not isinstance(value, list) and not isinstance(value, str) and not is_number(value):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    if kind:
        return Matcher("not", tuple(dict.fromkeys(_excluded(kind, item) for item in listed)))
    if not all(isinstance(item, str) or is_number(item) for item in listed):
        raise PatternError("Inside anything but list, start|null|boolean is not supported.")
    texts = sum(isinstance(item, str) for item in listed)
    if not listed or 0 < texts < len(listed):
        raise PatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    return Matcher("not", tuple(dict.fromkeys(Matcher("exact", item) for item in listed)))


def _excluded(kind: str, item: Any) -> Matcher:
    if kind == "equals-ignore-case":
        if not isinstance(item, str):
            raise PatternError(
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            )
        return Matcher("nocase", item.lower())
    if kind == "wildcard":
        return _wildcard(item)
    if not isinstance(item, str):
        raise PatternError("prefix/suffix match pattern must be a string")
    if not item:
        raise PatternError("Null prefix/suffix not allowed")
    return Matcher(kind, item)


_READERS: dict[str, Callable[[Any], Matcher]] = {
    "exactly": lambda value: Matcher("exact", _text(value, "exact")),
    "prefix": _affix("prefix"),
    "suffix": _affix("suffix"),
    "numeric": _numeric,
    "anything-but": _anything_but,
    "exists": _exists,
    "cidr": _cidr,
    "equals-ignore-case": lambda value: Matcher("nocase", _text(value, "equals-ignore-case").lower()),
    "wildcard": _wildcard,
}
