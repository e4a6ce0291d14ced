"""Attribute values: checking, normalizing, measuring, comparing.

A value is as the wire has it: `{"S": "x"}`, `{"N": "12"}`, `{"B": b"..."}`, `{"SS": [...]}`, `{"M": {...}}`, `{"L": [...]}`,
`{"NULL": True}`, `{"BOOL": True}`. `check` brings it into normal form (canonical numbers, ordered sets), in which two
values are equal exactly if they are equal in Python.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import numbers

Value = dict[str, Any]
Item = dict[str, Value]

MAX_ITEM_SIZE = 400 << 10
MAX_DEPTH = 32
TYPES = frozenset(("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"))
_INVALID = "One or more parameter values were invalid: "


def invalid(message: str) -> Fault:
    """A ValidationException."""
    return Fault("ValidationException", message)


def text_size(text: str) -> int:
    """Bytes of a string in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


class Measure:
    """What one walk over an item or value learns."""

    __slots__ = ("binary", "size")

    def __init__(self) -> None:
        self.size = 0
        self.binary = False


def check_item(item: Item) -> Measure:
    """Check and normalize every value of an item in place; its size as AWS counts it, and whether it has binaries."""
    measure = Measure()
    size = 0
    for name, value in item.items():
        size += len(name) if name.isascii() else len(name.encode())
        if len(value) == 1:
            text = value.get("S")
            if text is not None:
                size += len(text) if text.isascii() else len(text.encode())
                continue
        size += _check(value, measure, 0)
    measure.size = size
    return measure


def check(value: Value) -> int:
    """Check and normalize one value in place; its size in bytes."""
    return _check(value, Measure(), 0)


def _check(value: Value, measure: Measure, depth: int) -> int:
    if len(value) != 1:
        many = "has more than one datatypes set" if value else "is empty"
        raise invalid(f"Supplied AttributeValue {many}, must contain exactly one of the supported datatypes")
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        plain = numbers.canonical(content)
        if plain is not content:
            value["N"] = plain
        return numbers.size(plain)
    if kind == "M" or kind == "L":
        if depth >= MAX_DEPTH:
            raise invalid(
                "Nesting Levels have exceeded supported limits: Attributes have nested levels beyond supported limit"
            )
        size = 3
        if kind == "L":
            for element in content:
                size += 1 + _check(element, measure, depth + 1)
        else:
            for name, element in content.items():
                size += 1 + text_size(name) + _check(element, measure, depth + 1)
        return size
    if kind == "BOOL":
        return 1
    if kind == "B":
        measure.binary = True
        return len(content)
    if kind == "NULL":
        if content is not True:
            raise invalid(_INVALID + "Null attribute value types must have the value of true")
        return 1
    if kind in ("SS", "NS", "BS"):
        measure.binary = measure.binary or kind == "BS"
        return _check_set(value, kind, content)
    raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


_EMPTY_SET = {
    "SS": "An string set  may not be empty",
    "NS": "An number set  may not be empty",
    "BS": "Binary sets should not be empty",
}


def _check_set(value: Value, kind: str, content: list[Any]) -> int:
    if not content:
        raise invalid(_INVALID + _EMPTY_SET[kind])
    members: list[Any] = [numbers.canonical(member) for member in content] if kind == "NS" else content
    if len(set(members)) != len(members):
        if kind == "NS":
            raise invalid("Input collection contains duplicates")
        if kind == "SS":
            raise invalid(_INVALID + f"Input collection [{', '.join(members)}] contains duplicates.")
        shown = ", ".join(base64.b64encode(member).decode() for member in members)
        raise invalid(_INVALID + f"Input collection [{shown}]of type BS contains duplicates.")
    value[kind] = order_set(kind, members)
    if kind == "NS":
        return sum(map(numbers.size, members))
    return sum(map(text_size, members)) if kind == "SS" else sum(map(len, members))


def order_set(kind: str, members: list[Any]) -> list[Any]:
    """The members of a set in the one order in which Freehold keeps them."""
    return sorted(members, key=Decimal) if kind == "NS" else sorted(members)


def size_of(value: Value) -> int:
    """Bytes of a normalized value as AWS counts them (names of map entries included, its own name not)."""
    ((kind, content),) = value.items()
    if kind == "S":
        return text_size(content)
    if kind == "N":
        return numbers.size(content)
    if kind == "B":
        return len(content)
    if kind == "M":
        return 3 + sum(1 + text_size(name) + size_of(element) for name, element in content.items())
    if kind == "L":
        return 3 + sum(1 + size_of(element) for element in content)
    if kind == "SS":
        return sum(map(text_size, content))
    if kind == "NS":
        return sum(map(numbers.size, content))
    if kind == "BS":
        return sum(map(len, content))
    return 1


def size_of_item(item: Item) -> int:
    """Bytes of a normalized item as AWS counts them."""
    return sum(text_size(name) + size_of(value) for name, value in item.items())


def type_of(value: Value) -> str:
    """The type descriptor of a value: "S", "N", ..."""
    for kind in value:
        return kind
    raise ValueError("an attribute value without a type")


def comparable(value: Value) -> tuple[str, Any] | None:
    """The type of a value that has an order, and what orders it; None for types without an order."""
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    if kind == "S" or kind == "B":
        return kind, content
    return None


def shown(value: Value) -> str:
    """A value as AWS writes it into messages: `{S:abc}`."""
    ((kind, content),) = value.items()
    if kind == "B":
        content = base64.b64encode(content).decode()
    elif kind in ("SS", "NS"):
        content = "[" + ", ".join(content) + "]"
    elif kind == "BS":
        content = "[" + ", ".join(base64.b64encode(member).decode() for member in content) + "]"
    elif kind in ("BOOL", "NULL"):
        content = "true" if content else "false"
    elif kind == "L":
        content = "[" + ",".join(shown(element) for element in content) + "]"
    elif kind == "M":
        content = "{" + ",".join(f"{name}={shown(element)}" for name, element in content.items()) + "}"
    return f"{{{kind}:{content}}}"
