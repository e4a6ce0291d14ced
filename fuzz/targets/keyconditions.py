"""DynamoDB's key conditions and numbers: what they order and select."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import keys, numbers
from freehold.rules.dynamodb import values as attribute_values
from freehold.rules.dynamodb.key_conditions import KeySchema, bind
from freehold.services.dynamodb import ranges
from fuzz.draws import Draws
from fuzz.targets import Target, require
from fuzz.targets.expressions import SPELLINGS, WORDS, Text, Value, bound_of, compared, value


class _Index:
    prefix = b"\x01i"


class _Schema:
    prefix = b"\x01t"


def run_key_conditions(draws: Draws) -> Any:
    """KeyConditionExpression: the rows of its range are those whose key satisfies it, in a table and in an index."""
    kind = draws.pick("SNB")
    text = Text(draws)

    def key_value() -> Value:
        if kind == "N":
            return {"N": draws.pick(SPELLINGS) if draws.chance(40) else str(draws.integer(-20, 20))}
        return {kind: draws.text(12)} if kind == "S" else {"B": draws.raw(20)}

    hash_key = text.value({"S": "h"})[0]
    one = text.value(key_value() if draws.chance(90) else value(draws))[0]
    form = draws.integer(0, 7)
    if form < 5:
        sort = (
            f"s {('=', '<', '<=', '>', '>=')[form]} {one}"
            if draws.chance(60)
            else f"{one} {draws.pick(('=', '<', '<=', '>', '>='))} s"
        )
    elif form == 5:
        sort = f"s BETWEEN {one} AND {text.value(key_value())[0]}"
    elif form == 6:
        sort = f"begins_with(s, {one})"
    else:
        sort = draws.text(40)
    request = text.request(KeyConditionExpression=f"h = {hash_key} AND {sort}")
    rows = [key_value() for _ in range(draws.integer(1, 8))]
    index_name = "i" if draws.chance(50) else None
    try:
        for row in rows:
            attribute_values.check(row)
        bound = bound_of(request, "KeyConditionExpression")
        compiled = bound.key_condition(request["KeyConditionExpression"])
        bound.finish()
        found = bind(compiled, KeySchema({"h": "S", "s": kind}, "h", "s", index_name), bound.values)
    except Fault as fault:
        require(fault.code == "ValidationException", fault)
        return str(fault)
    start, end = ranges.of_condition(_Schema, _Index if index_name else None, found)  # type: ignore[arg-type]
    for row in rows:
        place = (_Index.prefix if index_name else _Schema.prefix) + keys.spread({"S": "h"})
        raw = keys.sort_bytes(row)
        key = place + (keys.closed(raw) + b"tail" if index_name else raw)
        inside = start <= key < end
        wanted = _satisfies(row, found.operator, found.operands)
        require(
            found.partition != {"S": "h"} or inside == wanted, "in range", inside, "satisfies", wanted, row, request
        )
    return start, end


def _satisfies(row: Value, operator: str, operands: tuple[Value, ...]) -> bool:
    if not operator:
        return True
    if operator == "begins_with":
        ((kind, content),), ((_, prefix),) = row.items(), operands[0].items()
        return bool(content.encode().startswith(prefix.encode()) if kind == "S" else content.startswith(prefix))
    order = compared(row, operands[0])
    assert order is not None
    if operator == "BETWEEN":
        return order >= 0 and compared(row, operands[1]) in (-1, 0)
    return {"=": order == 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def run_numbers(draws: Draws) -> Any:
    """Numbers: their canonical text is a fixed point, their bytes order as they do, sums are exact or refused."""
    texts = []
    for _ in range(draws.integer(2, 5)):
        spelt = draws.pick(SPELLINGS) if draws.chance(50) else draws.text(12)
        if draws.chance(40):
            spelt = f"{draws.integer(-(10**9), 10**9)}.{draws.integer(0, 10**6)}E{draws.integer(-140, 130)}"
        try:
            canonical = numbers.canonical(spelt)
        except Fault as fault:
            require(fault.code == "ValidationException", fault)
            continue
        require(numbers.canonical(canonical) == canonical, "not a fixed point", spelt, canonical)
        require(Decimal(canonical) == Decimal(spelt), "another number", spelt, canonical)
        require(len(numbers.encode(canonical)) <= 22, "too long", spelt)
        require(1 <= numbers.size(canonical) <= 21, "size", spelt)
        texts.append(canonical)
    for one in texts:
        for two in texts:
            require((numbers.encode(one) < numbers.encode(two)) == (Decimal(one) < Decimal(two)), "order", one, two)
            closed = [keys.closed(numbers.encode(text)) for text in (one, two)]
            require((closed[0] < closed[1]) == (Decimal(one) < Decimal(two)), "closed order", one, two)
            try:
                total = numbers.add(one, two)
                require(numbers.subtract(total, two) == one, "sum", one, two, total)
            except Fault as fault:
                require(fault.code == "ValidationException", fault)
    return texts


TARGETS = (
    Target("key-conditions", run_key_conditions, dictionary=WORDS),
    Target("numbers", run_numbers),
)
