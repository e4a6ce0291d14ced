"""Mappings are known by source and function; events in lanes have their payloads."""

from __future__ import annotations

from freehold.kit.tuples import pack, unpack
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.mappings import rows
from freehold.services.lambda_.mappings.model import DELETING
from freehold.services.lambda_.rows import SERVICE
from freehold.work.checking import Report, Snapshot, shown

KINDS = ("mapping", "mapped", "event", "event-payload")


def check(snapshot: Snapshot, report: Report) -> None:
    """Of all accounts."""
    mapped = 0
    for key, value in snapshot.below(SERVICE, "mapping"):
        mapping = report.decode(shown(key), value, rows.mappings.load)
        if mapping is None:
            continue
        if rows.key(mapping) != key:
            report.broken(f"{shown(key)} is called {mapping.arn}: it cannot be found by its id")
        if mapping.state != DELETING:
            mapped += 1
            if snapshot.get(rows.pair(mapping)) != mapping.uuid.encode():
                report.broken(f"mapping {mapping.arn} is not the one of its source and function")
    report.same("sources mapped to functions", sum(1 for _ in snapshot.below(SERVICE, "mapped")), mapped)
    _events(snapshot, report)


def _events(snapshot: Snapshot, report: Report) -> None:
    payloads = 0
    for key, value in snapshot.below(SERVICE, "event"):
        event = report.decode(shown(key), value, events.load)
        if event is None:
            continue
        lane, shard = events.lane_of(key), unpack(key)[2]
        if (event.account, event.region, event.name) != lane or events.shard_of(*lane) != shard:
            report.broken(f"event {event.request_id} of {'/'.join(lane)} does not lie in the lane of its function")
        if event.payload is None:
            payloads += 1
            if snapshot.get(pack(SERVICE, "event-payload", *lane, event.request_id)) is None:
                report.broken(f"event {event.request_id} of {'/'.join(lane)} has lost its payload")
    report.same("payloads of events", sum(1 for _ in snapshot.below(SERVICE, "event-payload")), payloads)
