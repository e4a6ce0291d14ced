"""Deleted stacks can be described by their id for 90 days (ListStacks, "after the stack has been deleted"); then they go."""

from __future__ import annotations

from freehold.kit.tuples import pack, unpack
from freehold.ports.platform import Platform
from freehold.services.cloudformation import state
from freehold.services.cloudformation.state import Keys
from freehold.store.base import Tx
from freehold.store.limits import MAX_SCAN

OWNER = "cloudformation"
KEPT_MS = 90 * 24 * 3_600_000
KINDS = ("t", "r", "g", "j", "o", "c")


def remember(tx: Tx, platform: Platform, keys: Keys, uid: str) -> None:
    """Have a stack that is deleted now forgotten in time."""
    platform.timers.set(tx, OWNER, pack(keys.account, keys.region, uid), platform.clock.now_ms() + KEPT_MS)


async def forget(platform: Platform, key: bytes) -> int | None:
    """Remove the rows of a deleted stack, a page at a time."""
    account, region, uid = (str(part) for part in unpack(key))
    keys = Keys(account, region)

    def body(tx: Tx) -> bool:
        if tx.clear(*keys.span("e", uid)) == MAX_SCAN:
            return False
        for kind in KINDS:
            if tx.clear(*keys.span(kind, uid)) == MAX_SCAN:
                return False
        found = state.stack(tx, keys, uid)
        if found is not None:
            state.drop_stack(tx, keys, found)
        return True

    return None if await platform.store.transact(body) else platform.clock.now_ms()
