"""Updating: what UpdateTable changes in a table's record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.values import invalid
from freehold.services.dynamodb import definitions
from freehold.services.dynamodb.model import Index, Table, Throughput

Request = dict[str, Any]
_INVALID = "One or more parameter values were invalid: "
_MEMBERS = (
    "ProvisionedThroughput", "BillingMode", "GlobalSecondaryIndexUpdates", "SSESpecification", "TableClass",
    "DeletionProtectionEnabled", "StreamSpecification",
)  # fmt: skip


@dataclass(slots=True)
class Change:
    """The changes of one UpdateTable. `new_id` is for the index that it may create, and for the job it leaves."""

    request: Request
    now: float
    new_id: str
    creates: bool = False
    added: dict[str, str] = field(default_factory=dict)

    def apply(self, table: Table) -> str | None:
        """Change a table's record in place; the id of the index that was dropped, if any."""
        request = self.request
        self._throughput(table)
        if "DeletionProtectionEnabled" in request:
            table.deletion_protection = request["DeletionProtectionEnabled"]
        if "TableClass" in request:
            table.table_class, table.table_class_at = request["TableClass"], self.now
        if "SSESpecification" in request:
            table.encrypted = definitions.encrypted(request["SSESpecification"])
        dropped = None
        for update in request.get("GlobalSecondaryIndexUpdates") or ():
            if "Create" in update:
                self._create(table, update["Create"])
            elif "Delete" in update:
                dropped = self._delete(table, update["Delete"]["IndexName"])
            elif "Update" in update:
                self._update(table, update["Update"])
        return dropped

    def _throughput(self, table: Table) -> None:
        request = self.request
        mode = request.get("BillingMode", table.billing_mode)
        given = request.get("ProvisionedThroughput")
        if mode == "PAY_PER_REQUEST":
            definitions.throughput(given, mode)
            if table.billing_mode != mode:
                table.on_demand_since = self.now
                for units in (table.throughput, *(index.throughput for index in table.indexes)):
                    units.read = units.write = 0
        elif given is not None:
            units = table.throughput
            asked = (given["ReadCapacityUnits"], given["WriteCapacityUnits"])
            if table.billing_mode == mode and (units.read, units.write) == asked:
                raise invalid(_unchanged(units))
            _set_units(table.throughput, given, self.now)
        elif table.billing_mode != mode:
            definitions.throughput(None, mode)
        table.billing_mode = mode

    def _create(self, table: Table, given: Request) -> None:
        index = definitions.global_index(given, table.billing_mode)
        if any(index.name == other.name for other in table.indexes):
            raise invalid("Attempting to create an index which already exists")
        if sum(not other.local for other in table.indexes) >= definitions.MAX_GLOBAL:
            raise Fault(
                "LimitExceededException",
                "Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of "
                f"{definitions.MAX_GLOBAL}",
            )
        types = {**table.definitions, **self.added}
        for name, kind in self.added.items():
            if table.definitions.get(name, kind) != kind:
                raise invalid(_INVALID + f"Attribute {name} is already defined with another type")
        own = [key for key in (index.hash, index.sort) if key is not None]
        if any(key not in types for key in own):
            raise invalid(
                _INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
                f"Keys: [{', '.join(own)}], AttributeDefinitions: [{', '.join(types)}]"
            )
        index.id, index.status = self.new_id, "CREATING"
        table.indexes.append(index)
        definitions.check_indexes(table.indexes)
        table.definitions = _used(table, types)
        self.creates = True

    def _delete(self, table: Table, name: str) -> str:
        index = _global(table, name)
        table.indexes.remove(index)
        table.definitions = _used(table, table.definitions)
        return index.id

    def _update(self, table: Table, given: Request) -> None:
        definitions.refuse_unimplemented(given)
        index = _global(table, given["IndexName"])
        units = given.get("ProvisionedThroughput")
        definitions.throughput(units, table.billing_mode, index.name)
        if units is not None:
            _set_units(index.throughput, units, self.now)


def change_of(request: Request, *, now: float, new_id: str) -> Change:
    """The changes that an UpdateTable asks for, as far as they can be checked without the table."""
    if not any(name in request for name in _MEMBERS):
        raise invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
            "SSESpecification or ReplicaUpdates is required"
        )
    updates = request.get("GlobalSecondaryIndexUpdates")
    if updates is not None:
        if not updates or any(len(update) != 1 for update in updates):
            raise invalid(
                _INVALID
                + "Only one of GlobalSecondaryIndexUpdate's Create, Update and Delete is allowed, and one is required"
            )
        if sum("Update" not in update for update in updates) > 1:
            raise Fault(
                "LimitExceededException",
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
            )
    added = definitions.attribute_definitions(request.get("AttributeDefinitions") or ())
    return Change(request, now, new_id, added=added)


def _global(table: Table, name: str) -> Index:
    for index in table.indexes:
        if index.name == name and not index.local:
            return index
    raise Fault("ResourceNotFoundException", "Requested resource not found")


def _used(table: Table, types: dict[str, str]) -> dict[str, str]:
    """The definitions of the attributes that are keys of the table or an index."""
    used = {table.hash, table.sort, *(index.hash for index in table.indexes), *(index.sort for index in table.indexes)}
    return {name: kind for name, kind in types.items() if name in used}


def _set_units(units: Throughput, given: Request, now: float) -> None:
    read, write = given["ReadCapacityUnits"], given["WriteCapacityUnits"]
    if read > units.read or write > units.write:
        units.increased_at = now
    if read < units.read or write < units.write:
        units.decreased_at = now
    units.read, units.write = read, write


def _unchanged(units: Throughput) -> str:
    return (
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        f"Current ReadCapacityUnits provisioned for the table: {units.read}. "
        f"Requested ReadCapacityUnits: {units.read}. "
        f"Current WriteCapacityUnits provisioned for the table: {units.write}. "
        f"Requested WriteCapacityUnits: {units.write}. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    )
