"""Provisioned throughput: what a table or index may consume.

A token bucket each for reads and writes holds what was not used in the last 300 seconds (developer guide, "Burst
capacity"). A request is admitted while there is anything in it, and pays afterwards what it consumed, into debt if need
be. Buckets are kept in memory and begin full; each node of a cluster has an equal share of the rate.
"""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.dynamodb.capacity import Consumed
from freehold.services.dynamodb.catalog import memory
from freehold.services.dynamodb.model import IndexSchema, Schema, Throughput

BURST_SECONDS = 300
READ, WRITE = "Read", "Write"
MESSAGE = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_MESSAGE = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. "
    "Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable "
    "API"
)


class Bucket:
    """Capacity units that may still be consumed. Times are monotonic seconds."""

    __slots__ = ("_at", "_units")

    def __init__(self, rate: float, now: float) -> None:
        self._units = rate * BURST_SECONDS
        self._at = now

    def admits(self, rate: float, now: float) -> bool:
        """Is anything left, at this many units per second?"""
        self._units = min(self._units + (now - self._at) * rate, rate * BURST_SECONDS)
        self._at = now
        return self._units > 0

    def take(self, units: float) -> None:
        """Pay what was consumed."""
        self._units -= units


def refusal(call: Call, schema: Schema, kind: str, index: IndexSchema | None = None) -> Fault | None:
    """Why a request is not admitted now, or None. Reads name the index they use; writes concern all of them."""
    if not schema.limited:
        return None
    now, nodes = call.platform.clock.monotonic(), call.platform.duties.members.size
    for key, units, arn, message in _limits(schema, kind, index):
        rate = (units.read if kind == READ else units.write) / nodes
        bucket = _buckets(call).get((key, kind))
        if bucket is None:
            bucket = _buckets(call)[key, kind] = Bucket(rate, now)
        if not bucket.admits(rate, now):
            level = "Table" if message is MESSAGE else "Index"
            reason = {"reason": f"{level}{kind}ProvisionedThroughputExceeded", "resource": arn}
            return Fault("ProvisionedThroughputExceededException", message, ThrottlingReasons=[reason])
    return None


def admit(call: Call, schema: Schema, kind: str, index: IndexSchema | None = None) -> None:
    """Raise ProvisionedThroughputExceededException unless a request is admitted now."""
    fault = refusal(call, schema, kind, index)
    if fault is not None:
        raise fault


def charge(call: Call, schema: Schema, kind: str, consumed: Consumed, factor: float = 1.0) -> None:
    """Take what a request consumed from the buckets of the table and its global indexes. Local indexes use the table's."""
    if not schema.limited:
        return
    buckets = _buckets(call)
    own = buckets.get((schema.table.id, kind))
    if own is not None:
        own.take((consumed.table + sum(consumed.local.values())) * factor)
    for name, units in consumed.global_.items():
        index = schema.by_name.get(name)
        bucket = buckets.get((index.index.id, kind)) if index is not None else None
        if bucket is not None:
            bucket.take(units * factor)


def _buckets(call: Call) -> dict[tuple[str, str], Bucket]:
    return memory(call.platform).buckets


def _limits(schema: Schema, kind: str, index: IndexSchema | None) -> Iterator[tuple[str, Throughput, str, str]]:
    table = schema.table
    if kind == READ and index is not None and not index.index.local:
        yield index.index.id, index.index.throughput, f"{table.arn}/index/{index.name}", INDEX_MESSAGE
        return
    yield table.id, table.throughput, table.arn, MESSAGE
    if kind == WRITE:
        for other in schema.indexes:
            if not other.index.local:
                yield other.index.id, other.index.throughput, f"{table.arn}/index/{other.name}", INDEX_MESSAGE
