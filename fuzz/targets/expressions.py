"""DynamoDB's expressions: a Fault or an answer, and for what was made from a tree the answer that the tree gives."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import values as attribute_values
from freehold.rules.dynamodb.binding import Bound
from fuzz.draws import Draws
from fuzz.targets import Target, require

NAMES = ("a", "b", "c", "d")
WORDS = (
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "IN (",
    "attribute_exists(",
    "attribute_not_exists(",
    "attribute_type(",
    "begins_with(",
    "contains(",
    "size(",
    "SET ",
    "REMOVE ",
    "ADD ",
    "DELETE ",
    "if_not_exists(",
    "list_append(",
    "#a",
    ":a",
    "<>",
    "<=",
)
SPELLINGS = (
    "0",
    "1",
    "-1",
    "1.5",
    "10",
    "1E2",
    "-0",
    "00.10",
    "9" * 38,
    "1E125",
    "1E-130",
    "-9.99E125",
    "+3",
    ".5",
    "5.",
    "-1E-130",
)
Value = dict[str, Any]


def value(draws: Draws, depth: int = 0) -> Value:
    """An attribute value, mostly valid."""
    kind = draws.integer(0, 15)
    if kind < 4:
        return {"S": draws.text(6)}
    if kind < 8:
        return {"N": draws.pick(SPELLINGS) if draws.chance(60) else str(draws.integer(-20, 20))}
    if kind == 8:
        return {"B": draws.raw(5)}
    if kind == 9:
        return {"BOOL": draws.chance(50)}
    if kind == 10:
        return {"NULL": not draws.chance(5)}
    if kind == 11:
        return {"SS": draws.many(3, lambda: draws.text(3))}
    if kind == 12:
        return draws.pick(
            ({"NS": draws.many(3, lambda: draws.pick(SPELLINGS))}, {"BS": draws.many(3, lambda: draws.raw(3))})
        )
    if kind == 13 and depth < 4:
        return {"L": draws.many(3, lambda: value(draws, depth + 1))}
    if kind == 14 and depth < 4:
        return {"M": {draws.pick(NAMES): value(draws, depth + 1) for _ in range(draws.integer(0, 3))}}
    return {"S": ""} if kind < 15 else draws.pick(({}, {"S": "a", "N": "1"}, {"N": draws.text(8)}, {"S": "x"}))


def item(draws: Draws) -> dict[str, Value]:
    """Attributes of an item, checked; invalid ones left out."""
    made = {}
    for name in NAMES:
        if draws.chance(70):
            one = {name: value(draws)}
            try:
                attribute_values.check_item(one)
            except Fault:
                continue
            made.update(one)
    return made


def pieces(subject: dict[str, Value]) -> list[Value]:
    """The values in an item, and parts of them: what a condition may find."""
    found: list[Value] = []
    for one in subject.values():
        found.append(one)
        ((kind, content),) = one.items()
        if kind == "M":
            found += pieces(content)
        elif kind == "L":
            found += pieces(dict(enumerate(content)))  # type: ignore[arg-type]
        elif kind in ("SS", "NS", "BS"):
            found += [{kind[0]: member} for member in content]
        elif kind in ("S", "B"):
            found += [{kind: content[:-1]}, {kind: content[1:]}]
    return found


class Text:
    """Writes an expression and the names and values it uses."""

    def __init__(self, draws: Draws, subject: dict[str, Value] | None = None) -> None:
        self.draws = draws
        self.pool = pieces(subject or {})
        self.names: dict[str, str] = {}
        self.values: dict[str, Value] = {}

    def path(self) -> tuple[str, tuple[Any, ...]]:
        draws = self.draws
        parts: list[Any] = [draws.pick(NAMES)]
        text = self._name(parts[0])
        while draws.chance(20) and len(parts) < 5:
            if draws.chance(50):
                parts.append(draws.integer(0, 2))
                text += f"[{parts[-1]}]"
            else:
                parts.append(draws.pick(NAMES))
                text += "." + self._name(parts[-1])
        return text, tuple(parts)

    def _name(self, name: str) -> str:
        if not self.draws.chance(30):
            return name
        self.names["#" + name] = name
        return "#" + name

    def value(self, given: Value | None = None) -> tuple[str, str]:
        key = f":v{len(self.values)}"
        if given is None:
            given = self.draws.pick(self.pool) if self.pool and self.draws.chance(60) else value(self.draws)
        self.values[key] = given
        return key, key

    def request(self, **expressions: str) -> dict[str, Any]:
        made: dict[str, Any] = {name: self.draws.spliced(text) for name, text in expressions.items()}
        if self.names:
            made["ExpressionAttributeNames"] = self.names
        if self.values:
            made["ExpressionAttributeValues"] = copy.deepcopy(self.values)
        return made


Read = Callable[[dict[str, Value], dict[str, Value]], Value | None]
Test = Callable[[dict[str, Value], dict[str, Value]], bool]


def find(holder: dict[str, Value], path: tuple[Any, ...]) -> Any:
    found: Any = {"M": holder}
    for part in path:
        inside = found.get("L" if isinstance(part, int) else "M") if found is not None else None
        if inside is None:
            return None
        found = (inside[part] if part < len(inside) else None) if isinstance(part, int) else inside.get(part)
    return found


def operand(text: Text) -> tuple[str, Read]:
    draws = text.draws
    kind = draws.integer(0, 5)
    if kind < 3:
        written, path = text.path()
        return written, lambda item, values: find(item, path)
    if kind < 5:
        written, key = text.value()
        return written, lambda item, values: values[key]
    written, path = text.path()

    def size(item: dict[str, Value], values: dict[str, Value]) -> Value | None:
        found = find(item, path)
        if found is None:
            return None
        ((kind, content),) = found.items()
        if kind in ("N", "BOOL", "NULL"):
            return None
        return {"N": str(len(content.encode() if kind == "S" else content))}

    return f"size({written})", size


def compared(one: Value | None, two: Value | None) -> int | None:
    """-1, 0 or 1 for two strings, numbers or binaries; None for what has no order."""
    if one is None or two is None:
        return None
    ((kind, left),), ((other, right),) = one.items(), two.items()
    if kind != other or kind not in "SNB":
        return None
    if kind == "N":
        left, right = Decimal(left), Decimal(right)
    elif kind == "S":
        left, right = left.encode(), right.encode()
    return int(left > right) - int(left < right)


def condition(text: Text, depth: int = 0) -> tuple[str, Test]:
    draws = text.draws
    kind = draws.integer(0, 11)
    if depth < 5 and kind < 4:
        one, first = condition(text, depth + 1)
        if kind == 0:
            return f"NOT ({one})", lambda item, values: not first(item, values)
        two, second = condition(text, depth + 1)
        if kind == 1:
            return f"({one}) AND ({two})", lambda item, values: first(item, values) and second(item, values)
        if kind == 2:
            return f"({one}) OR ({two})", lambda item, values: first(item, values) or second(item, values)
        three, third = condition(text, depth + 1)
        # Without brackets: AND binds more than OR, NOT more than AND.
        return (
            f"NOT ({one}) AND ({two}) OR ({three})",
            lambda item, values: (not first(item, values) and second(item, values)) or third(item, values),
        )
    if kind < 8:
        return _comparison(text)
    return _function(text)


def _comparison(text: Text) -> tuple[str, Test]:
    draws = text.draws
    left, one = operand(text)
    kind = draws.integer(0, 7)
    if kind == 6:
        low, lower = operand(text)
        high, upper = operand(text)

        def between(item: dict[str, Value], values: dict[str, Value]) -> bool:
            middle, bottom, top = one(item, values), lower(item, values), upper(item, values)
            return compared(bottom, middle) in (-1, 0) and compared(middle, top) in (-1, 0)

        return f"{left} BETWEEN {low} AND {high}", between
    if kind == 7:
        choices = [operand(text) for _ in range(draws.integer(1, 4))]

        def among(item: dict[str, Value], values: dict[str, Value]) -> bool:
            found = one(item, values)
            return found is not None and any(found == read(item, values) for _, read in choices)

        return f"{left} IN ({', '.join(written for written, _ in choices)})", among
    right, two = operand(text)
    operator = ("=", "<>", "<", "<=", ">", ">=")[kind]

    def compare(item: dict[str, Value], values: dict[str, Value]) -> bool:
        first, second = one(item, values), two(item, values)
        if operator == "=":
            return first is not None and first == second
        if operator == "<>":
            return first is None or second is None or first != second
        order = compared(first, second)
        return order is not None and {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]

    return f"{left} {operator} {right}", compare


def _function(text: Text) -> tuple[str, Test]:
    draws = text.draws
    written, path = text.path()
    kind = draws.integer(0, 4)
    if kind == 0:
        return f"attribute_exists({written})", lambda item, values: find(item, path) is not None
    if kind == 1:
        return f"attribute_not_exists({written})", lambda item, values: find(item, path) is None
    if kind == 2:
        wanted = draws.pick(("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL", "X"))
        other, _ = text.value({"S": wanted})

        def typed(item: dict[str, Value], values: dict[str, Value]) -> bool:
            found = find(item, path)
            return found is not None and wanted in found

        return f"attribute_type({written}, {other})", typed
    second, read = operand(text)
    name = ("begins_with", "contains")[kind - 3]

    def related(item: dict[str, Value], values: dict[str, Value]) -> bool:
        one, two = find(item, path), read(item, values)
        if one is None or two is None:
            return False
        ((kind, content),), ((other, sought),) = one.items(), two.items()
        if name == "begins_with":
            return kind == other and kind in "SB" and content[: len(sought)] == sought
        return (
            two in content
            if kind == "L"
            else kind in ("S", "B", "SS", "NS", "BS") and kind[0] == other and sought in content
        )

    return f"{name}({written}, {second})", related


def bound_of(request: dict[str, Any], *names: str) -> Bound:
    return Bound(request, names, "none")


def run_conditions(draws: Draws) -> Any:
    """ConditionExpression, FilterExpression and ProjectionExpression on an item."""
    subject = item(draws)
    text = Text(draws, subject)
    written, naive = condition(text)
    if draws.chance(10):
        written, naive = draws.text(200), None  # type: ignore[assignment]
    projection = ", ".join(draws.many(3, lambda: text.path()[0])) if draws.chance(40) else None
    request = text.request(
        FilterExpression=written, **({} if projection is None else {"ProjectionExpression": projection})
    )
    before = json.dumps(subject, default=repr)
    try:
        bound = bound_of(request, "FilterExpression", "ProjectionExpression")
        compiled = bound.condition("FilterExpression", request["FilterExpression"])
        projected = bound.projection(request["ProjectionExpression"]) if projection is not None else None
        bound.finish()
        said = compiled.test(subject, bound.values)
        kept = projected.apply(subject) if projected is not None else None
    except Fault as fault:
        require(fault.code == "ValidationException", fault)
        return str(fault)
    if naive is not None and request["FilterExpression"] == written:
        require(said == naive(subject, bound.values), "naive", not said, "engine", said, written, subject, bound.values)
    require(json.dumps(subject, default=repr) == before, "the item was changed", before)
    if kept is not None:
        _check_part(kept, subject)
    return said, kept


def _check_part(kept: dict[str, Value], whole: dict[str, Value]) -> None:
    """What a projection keeps is a part of the item."""

    def part(one: Value, two: Value) -> bool:
        ((kind, content),), ((other, all_of),) = one.items(), two.items()
        if kind != other:
            return False
        if kind == "M":
            return all(name in all_of and part(inner, all_of[name]) for name, inner in content.items())
        if kind == "L":
            rest = iter(all_of)
            return all(any(part(inner, candidate) for candidate in rest) for inner in content)
        return bool(content == all_of)

    require(part({"M": kept}, {"M": whole}), "not a part", kept, whole)


TARGETS = (Target("conditions", run_conditions, dictionary=WORDS),)
