"""Consumed capacity, in AWS's units.

A write of up to 1 KB is one unit, a strongly consistent read of up to 4 KB one, an eventually consistent one half;
transactions double both. Source: developer guide, "DynamoDB throughput capacity", "Consumption".
"""

from __future__ import annotations

from typing import Any

WRITE_UNIT = 1_024
READ_UNIT = 4_096


def write_units(size: int) -> float:
    """Units to write (or delete) an item of this size; at least one."""
    return float(max(1, -(-size // WRITE_UNIT)))


def read_units(size: int, *, consistent: bool) -> float:
    """Units to read this many bytes; at least one block."""
    blocks = max(1, -(-size // READ_UNIT))
    return float(blocks) if consistent else blocks / 2


class Consumed:
    """What one request consumed of one table, and of which of its indexes."""

    __slots__ = ("global_", "local", "table")

    def __init__(self) -> None:
        self.table = 0.0
        self.local: dict[str, float] = {}
        self.global_: dict[str, float] = {}

    def add_index(self, name: str, units: float, *, local: bool) -> None:
        """Count units of an index."""
        into = self.local if local else self.global_
        into[name] = into.get(name, 0.0) + units

    def add(self, other: Consumed) -> None:
        """Count what another part of the request consumed."""
        self.table += other.table
        for name, units in other.local.items():
            self.add_index(name, units, local=True)
        for name, units in other.global_.items():
            self.add_index(name, units, local=False)

    def describe(self, table: str, wanted: str, *, kind: str | None = None, factor: float = 1.0) -> dict[str, Any]:
        """A `ConsumedCapacity` shape. `wanted` is TOTAL or INDEXES; `kind` (Read or Write) adds the transactional
        members; `factor` is 2 in transactions."""
        local = {name: units * factor for name, units in self.local.items()}
        global_ = {name: units * factor for name, units in self.global_.items()}
        own = self.table * factor
        total = own + sum(local.values()) + sum(global_.values())
        shape: dict[str, Any] = {"TableName": table, **_units(total, kind)}
        if wanted == "INDEXES":
            shape["Table"] = _units(own, kind)
            if local:
                shape["LocalSecondaryIndexes"] = {name: _units(units, kind) for name, units in local.items()}
            if global_:
                shape["GlobalSecondaryIndexes"] = {name: _units(units, kind) for name, units in global_.items()}
        return shape


def _units(units: float, kind: str | None) -> dict[str, float]:
    shape = {"CapacityUnits": units}
    if kind is not None:
        shape[f"{kind}CapacityUnits"] = units
    return shape
