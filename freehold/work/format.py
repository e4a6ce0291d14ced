"""The format of the data: one number, which all who share a store or read a copy of it have to agree on.

It is not Freehold's version. Nodes of different versions and one format work side by side, so that a cluster is upgraded
node by node while it serves. FORMAT is raised by a change after which an older Freehold would misread what a newer one
writes, or would undo it: another meaning or order of a key, a row that is read differently, a duty that two versions would
both do under different names. It is not raised by what an older one passes over: a new service, a new kind of row, a field
at the end of a row with a default (an older node that writes the row again drops it).

The store states the format in one row. Whoever knows less refuses the store; whoever knows more takes the store for itself
alone before it raises the number, so that no node of the older format runs, or could still write, beside it.
"""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Store, StoreTooNew, Tx, is_shared

FORMAT = 1

_KEY = pack("node", "format")


class Stated(msgspec.Struct, frozen=True, array_like=True):
    """The value of the row: the format, and the version of Freehold that brought it here."""

    number: int
    version: str


def stated(tx: ReadTx) -> Stated | None:
    """What the store says; a store from before the row is of format 1. None: it is empty."""
    value = tx.get(_KEY)
    if value is not None:
        return msgspec.msgpack.decode(value, type=Stated)
    return Stated(1, "") if tx.scan(b"", b"\xff", limit=1) else None


def check(tx: ReadTx, version: str) -> Stated | None:
    """What the store says, for a Freehold of this `version`. Raises StoreTooNew, with what to do."""
    found = stated(tx)
    if found is not None and found.number > FORMAT:
        raise StoreTooNew(
            f"the data is in format {found.number}, which came with Freehold {found.version}; this is Freehold {version} "
            f"and knows format {FORMAT}: install {found.version} or newer, or restore a backup from before that upgrade"
        )
    return found


async def settle(store: Store, version: str) -> Stated | None:
    """Have the store state this format. Where it is older and others may use the store, nothing is done and what it says is
    answered: take it alone first. Raises StoreTooNew."""
    found = await store.read(lambda tx: check(tx, version))
    if found is not None and found.number < FORMAT and is_shared(store):
        return found

    def body(tx: Tx) -> None:
        current = check(tx, version)
        if current is None or current.number < FORMAT or not current.version:
            tx.put(_KEY, msgspec.msgpack.encode(Stated(FORMAT, version)))

    if found is None or found.number < FORMAT or not found.version:
        await store.transact(body)
    return None
