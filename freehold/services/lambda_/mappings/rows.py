"""Rows of mappings.

`("lambda", "mapping", account, region, uuid)` Mapping; `("lambda", "mapped", account, region, source, function)` the uuid
of the one mapping of a source and a function. A server reads all mappings when it starts, so they lie side by side.
"""

from __future__ import annotations

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.services.lambda_.mappings.model import DELETING, Mapping
from freehold.services.lambda_.rows import SERVICE, Codec
from freehold.store.base import ReadTx, Tx
from freehold.work.leases import Held

CHANGED = pack(SERVICE, "mappings")
"""Woken when a mapping was created or changed, or has arrived where it was going: every node looks."""

mappings: Codec[Mapping] = Codec(Mapping)


def key_of(account: str, region: str, uuid: str) -> bytes:
    """Also woken when the mapping arrives in a steady state."""
    return pack(SERVICE, "mapping", account, region, uuid)


def key(mapping: Mapping) -> bytes:
    return key_of(mapping.account, mapping.region, mapping.uuid)


def everything() -> tuple[bytes, bytes]:
    return span(SERVICE, "mapping")


def of_account(account: str, region: str) -> tuple[bytes, bytes]:
    return span(SERVICE, "mapping", account, region)


def pair(mapping: Mapping) -> bytes:
    return pack(SERVICE, "mapped", mapping.account, mapping.region, mapping.source, mapping.function)


def require(tx: ReadTx, account: str, region: str, uuid: str) -> Mapping:
    """The mapping, or ResourceNotFoundException."""
    found = mappings.get(tx, key_of(account, region, uuid))
    if found is None:
        raise Fault("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return found


def claim(tx: Tx, mapping: Mapping) -> None:
    """Make it the one mapping of its source and function. Raises ResourceConflictException."""
    taken = tx.get(pair(mapping))
    if taken is not None and taken.decode() != mapping.uuid:
        name = mapping.function.split(":function:", 1)[1]
        raise Fault(
            "ResourceConflictException",
            f'An event source mapping with SQS arn (" {mapping.source} ") and function (" {name} ") already exists. '
            f"Please update or delete the existing mapping with UUID {taken.decode()}",
            Type="User",
        )
    tx.put(pair(mapping), mapping.uuid.encode())


def change(tx: Tx, mapping: Mapping) -> None:
    """Write what a caller decided; whoever runs mappings takes it from there."""
    mappings.put(tx, key(mapping), msgspec.structs.replace(mapping, changes=mapping.changes + 1))
    tx.wake(CHANGED)


def arrive(tx: Tx, lease: Held, seen: Mapping) -> Mapping | None:
    """Under the duty of the mapping: the state that `seen` was on its way to, unless a caller has changed it since.
    A deleted mapping goes with its rows: None."""
    lease.check(tx)
    current = mappings.get(tx, key(seen))
    if current is None or current.changes != seen.changes:
        return current
    tx.wake(key(seen))
    tx.wake(CHANGED)
    if current.state == DELETING:
        tx.delete(key(seen))
        return None
    if current.state != current.goal:
        current.state = current.goal
        mappings.put(tx, key(seen), current)
    return current


def note_problem(tx: Tx, lease: Held, uuid_key: bytes, problem: str | None) -> None:
    """Keep what keeps the mapping from working, or that it works again."""
    lease.check(tx)
    current = mappings.get(tx, uuid_key)
    if current is not None and current.problem != problem:
        current.problem = problem
        mappings.put(tx, uuid_key, current)
