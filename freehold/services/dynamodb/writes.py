"""Writes: put, update, delete and condition check of one item, with its index rows, in one transaction.

A `Write` is prepared outside of the transaction (checked, encoded, compiled) and applied in it, alone or with others.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from freehold.rules.dynamodb.values import Item, Measure
from freehold.services.dynamodb import capacity, rows
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.checks import check_updated
from freehold.services.dynamodb.model import IndexSchema, Schema
from freehold.store.base import Tx


class ConditionFailed(Exception):
    """The condition of a write does not hold. `row` is the item's row as it is."""

    def __init__(self, row: bytes | None) -> None:
        super().__init__()
        self.row = row


class Write(msgspec.Struct):
    """One write. Exactly one of `row` (put), `update` and `delete` says what happens; none: a condition check."""

    schema: Schema
    key: Item
    tail: bytes
    test: Callable[[Item], bool] | None = None
    item: Item | None = None
    row: bytes | None = None
    update: Callable[[Item], Item] | None = None
    changed: frozenset[str] = frozenset()
    delete: bool = False
    read_old: bool = False
    """Does the caller want to know the item as it was?"""

    @property
    def row_key(self) -> bytes:
        """The key of the item's row."""
        return self.schema.prefix + self.tail


class Outcome(msgspec.Struct):
    """Rows before and after a write (before: only where it was read), and the items that were made on the way."""

    old_row: bytes | None = None
    new_row: bytes | None = None
    old: Item | None = None
    new: Item | None = None


def apply(tx: Tx, write: Write) -> Outcome:
    """Apply a write. Raises ConditionFailed, and the faults of updates that do not fit the item."""
    key = write.schema.prefix + write.tail
    indexes = write.schema.indexes
    if write.row is not None and not (
        indexes or write.test or write.read_old
    ):  # a put that need not know what was there
        tx.put(key, write.row)
        return Outcome(None, write.row, None, write.item)
    outcome = Outcome()
    known = bool(indexes or write.test or write.update or write.read_old)
    if known:
        outcome.old_row = tx.get(key)
    old_row = outcome.old_row
    if old_row is not None and (indexes or write.test or write.update):
        outcome.old = rows.decode(old_row)
    if write.test is not None and not write.test(outcome.old or {}):
        raise ConditionFailed(old_row)
    if write.delete:
        if old_row is not None or not known:
            tx.delete(key)
    elif write.update is not None:
        outcome.new = write.update(outcome.old if outcome.old is not None else dict(write.key))
        measure: Measure = check_updated(write.schema, outcome.new, write.changed)
        outcome.new_row = rows.encode(outcome.new, measure)
        tx.put(key, outcome.new_row)
    elif write.row is not None:
        outcome.new, outcome.new_row = write.item, write.row
        tx.put(key, write.row)
    else:
        return outcome
    for index in indexes:
        _write_index(tx, index, write.tail, outcome)
    return outcome


def _write_index(tx: Tx, index: IndexSchema, tail: bytes, outcome: Outcome) -> None:
    before = index.row_key(outcome.old, tail) if outcome.old is not None else None
    after = index.row_key(outcome.new, tail) if outcome.new is not None else None
    if before is not None and before != after:
        tx.delete(before)
    if after is not None:
        assert outcome.new is not None and outcome.new_row is not None
        row = index_row(index, outcome.new, outcome.new_row)
        # A row of an index that is still being filled may be missing though nothing changes: write it then.
        if before != after or index.index.status != "ACTIVE" or row != _old_index_row(index, outcome):
            tx.put(after, row)


def index_row(index: IndexSchema, item: Item, row: bytes) -> bytes:
    """An item's row in an index."""
    return row if index.projected is None else rows.encode_part(index.project(item), row)


def _old_index_row(index: IndexSchema, outcome: Outcome) -> bytes | None:
    if outcome.old is None or outcome.old_row is None:
        return None
    return index_row(index, outcome.old, outcome.old_row)


def consumed(write: Write, outcome: Outcome) -> Consumed:
    """What a write consumed: the larger of the item before and after; per index, what changed in it."""
    total = Consumed()
    before = rows.size(outcome.old_row) if outcome.old_row is not None else 0
    after = rows.size(outcome.new_row) if outcome.new_row is not None else 0
    total.table = capacity.write_units(max(before, after))
    for index in write.schema.indexes:
        units = _index_units(index, write.tail, outcome)
        if units:
            total.add_index(index.name, units, local=index.index.local)
    return total


def _index_units(index: IndexSchema, tail: bytes, outcome: Outcome) -> float:
    before = index.row_key(outcome.old, tail) if outcome.old is not None else None
    after = index.row_key(outcome.new, tail) if outcome.new is not None else None
    old_row = _old_index_row(index, outcome) if before is not None else None
    new_row = None
    if after is not None and outcome.new is not None and outcome.new_row is not None:
        new_row = index_row(index, outcome.new, outcome.new_row)
    if before == after:
        if old_row == new_row or old_row is None or new_row is None:
            return 0.0
        return capacity.write_units(max(rows.size(old_row), rows.size(new_row)))
    return sum(capacity.write_units(rows.size(row)) for row in (old_row, new_row) if row is not None)
