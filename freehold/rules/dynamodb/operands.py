"""Operands of expressions: paths, values, `size(path)`; and the comparisons between values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from freehold.rules.dynamodb import paths
from freehold.rules.dynamodb.paths import Names, Path
from freehold.rules.dynamodb.tokens import VALUE, Tokens
from freehold.rules.dynamodb.values import Item, Value, comparable, shown, text_size, type_of

Values = dict[str, Value]
Read = Callable[[Item, Values], Value | None]
Check = Callable[[Values], None]


class Operand:
    """One operand: exactly one of `path`, `value` and `function` says where its value comes from."""

    __slots__ = ("function", "path", "read", "value")

    def __init__(self, read: Read, *, path: Path | None = None, value: str | None = None, function: str | None = None):
        self.read = read
        self.path = path
        self.value = value
        self.function = function


class Scope:
    """What the parts of one expression share while it is parsed: names, values used, paths used, checks on values."""

    __slots__ = ("checks", "names", "paths", "tokens", "values", "what")

    def __init__(self, tokens: Tokens, names: Names) -> None:
        self.tokens = tokens
        self.names = names
        self.what = tokens.what
        self.values: set[str] = set()
        self.paths: list[Path] = []
        self.checks: list[Check] = []

    def path_operand(self) -> Operand:
        """Take a document path."""
        path = paths.parse(self.tokens, self.names)
        self.paths.append(path)
        return Operand(reader(path), path=path)

    def value_operand(self) -> Operand:
        """Take `:value`."""
        key = self.tokens.next().text
        self.values.add(key)
        return Operand(lambda item, values: values[key], value=key)

    def at_value(self) -> bool:
        """Is the next token `:value`?"""
        return self.tokens.token.kind == VALUE

    def check_defined(self, values: Values) -> None:
        """Refuse an expression that uses a value which the request does not define."""
        for key in sorted(self.values - values.keys()):
            raise self.tokens.invalid(
                f"An expression attribute value used in expression is not defined; attribute value: {key}"
            )

    def require_type(self, operand: Operand, allowed: frozenset[str], label: str) -> None:
        """Check, on every request, that a value operand has one of these types. `label` names operator or function."""
        if operand.value is None:
            return
        key, tokens = operand.value, self.tokens

        def check(values: Values) -> None:
            kind = type_of(values[key])
            if kind not in allowed:
                raise tokens.invalid(f"Incorrect operand type for operator or function; {label}, operand type: {kind}")

        self.checks.append(check)


def reader(path: Path) -> Read:
    """A function that reads a path."""
    if len(path) == 1:
        name: Any = path[0]
        return lambda item, values: item.get(name)
    return lambda item, values: paths.find(item, path)


def size_reader(read: Read) -> Read:
    """A function that reads `size(...)`."""

    def size(item: Item, values: Values) -> Value | None:
        found = read(item, values)
        if found is None:
            return None
        ((kind, content),) = found.items()
        if kind in ("N", "BOOL", "NULL"):
            return None
        return {"N": str(text_size(content) if kind == "S" else len(content))}

    return size


ORDERED = frozenset(("S", "N", "B"))


def less(left: Value, right: Value) -> bool | None:
    """left < right; None where the two have no common order."""
    one, two = comparable(left), comparable(right)
    if one is None or two is None or one[0] != two[0]:
        return None
    return bool(one[1] < two[1])


def contains(container: Value, sought: Value) -> bool:
    """Is `sought` a substring, a member of a set, or an element of a list?"""
    ((kind, content),) = container.items()
    ((sought_kind, sought_content),) = sought.items()
    if kind == "L":
        return sought in content
    if kind in ("S", "B", "SS", "NS", "BS"):
        return kind[0] == sought_kind and sought_content in content
    return False


def begins_with(value: Value, prefix: Value) -> bool:
    """Does a string or binary begin with another?"""
    ((kind, content),) = value.items()
    ((prefix_kind, prefix_content),) = prefix.items()
    return kind == prefix_kind and kind in ("S", "B") and content.startswith(prefix_content)


def check_bounds(what: str, tokens_invalid: Callable[[str], Exception], lower: Value, upper: Value) -> None:
    """Refuse bounds of BETWEEN that differ in type or are the wrong way round."""
    one, two = comparable(lower), comparable(upper)
    if one is None or two is None:
        return
    bounds = f"lower bound operand: AttributeValue: {shown(lower)}, upper bound operand: AttributeValue: {shown(upper)}"
    if one[0] != two[0]:
        raise tokens_invalid(f"The {what} operator requires same data type for lower and upper bounds; {bounds}")
    if two[1] < one[1]:
        raise tokens_invalid(
            f"The {what} operator requires upper bound to be greater than or equal to lower bound; {bounds}"
        )


def between(value: Value, lower: Value, upper: Value) -> bool:
    """lower <= value <= upper, all of one ordered type."""
    kind = type_of(value)
    if kind not in ORDERED or kind not in lower or kind not in upper:
        return False
    if kind == "N":
        return Decimal(lower["N"]) <= Decimal(value["N"]) <= Decimal(upper["N"])
    return bool(lower[kind] <= value[kind] <= upper[kind])
