"""What unit tests share: a memory store, a manual clock, seeded ids."""

from __future__ import annotations

from freehold.kit.clock import ManualClock
from freehold.kit.ids import Ids
from freehold.store.base import Store


def memory_store(seed: int = 1) -> Store:
    """The memory engine; it runs one body in eight twice, as the contract allows."""
    from freehold.store.memory import MemoryStore

    return MemoryStore(Ids(seed), repeat=0.125)


def manual_clock() -> ManualClock:
    """A clock that stands at 2026-01-01T00:00:00Z until it is advanced."""
    return ManualClock()
