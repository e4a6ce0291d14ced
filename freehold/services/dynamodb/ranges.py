"""Ranges of rows: where a key condition, an exclusive start key or a scan segment lies in a table or index."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.kit.tuples import after
from freehold.rules.dynamodb import keys, values
from freehold.rules.dynamodb.key_conditions import KeyCondition
from freehold.rules.dynamodb.values import Item, invalid
from freehold.services.dynamodb.checks import check_key
from freehold.services.dynamodb.model import IndexSchema, Schema, is_empty_key

Range = tuple[bytes, bytes]
_STARTING_KEY = "The provided starting key is invalid"


def of_condition(schema: Schema, index: IndexSchema | None, condition: KeyCondition) -> Range:
    """The rows that a key condition asks for."""
    if index is not None:
        return _in_index(index.prefix + keys.spread(condition.partition), condition)
    return _in_table(schema.prefix + keys.spread(condition.partition), condition)


def _in_table(place: bytes, condition: KeyCondition) -> Range:
    operator = condition.operator
    if not operator:
        return place, after(place)
    first = place + keys.sort_bytes(condition.operands[0])
    if operator == "=":
        return first, first + b"\x00"
    if operator == "begins_with":
        return first, after(first)
    if operator == "BETWEEN":
        return first, place + keys.sort_bytes(condition.operands[1]) + b"\x00"
    if operator in ("<", "<="):
        return place, first if operator == "<" else first + b"\x00"
    return first if operator == ">=" else first + b"\x00", after(place)


def _in_index(place: bytes, condition: KeyCondition) -> Range:
    operator = condition.operator
    if not operator:
        return place, after(place)
    raw = keys.sort_bytes(condition.operands[0])
    if operator == "begins_with":
        # From the prefix itself on: a shorter string, padded, may look like it and sorts before it.
        return place + keys.closed(raw), after(place + keys.closed_prefix(raw))
    first = place + keys.closed(raw)
    if operator == "=":
        return first, after(first)
    if operator == "BETWEEN":
        return first, after(place + keys.closed(keys.sort_bytes(condition.operands[1])))
    if operator in ("<", "<="):
        return place, first if operator == "<" else after(first)
    return first if operator == ">=" else after(first), after(place)


def of_segment(prefix: bytes, segment: int, total: int) -> Range:
    """The rows of one parallel scan segment."""
    start, end = keys.segment(segment, total)
    return prefix + start, after(prefix) if end is None else prefix + end


def of_start_key(schema: Schema, index: IndexSchema | None, key: Item) -> bytes:
    """The key of the row that an ExclusiveStartKey names; it need not exist any more."""
    names = schema.key_names if index is None else index.key_names
    if key.keys() != set(names):
        raise invalid(_STARTING_KEY)
    try:
        check_key(schema, {name: key[name] for name in schema.key_names})
    except Fault as fault:
        raise invalid(f"{_STARTING_KEY}: The provided key element does not match the schema") from fault
    tail = schema.tail(key)
    if index is None:
        return schema.prefix + tail
    for name in names:
        values.check(key[name])
        if schema.key_type(name) not in key[name] or is_empty_key(key[name]):
            raise invalid(f"{_STARTING_KEY}: The provided key element does not match the schema")
    row_key = index.row_key(key, tail)
    assert row_key is not None
    return row_key
