"""Work on many objects, in as few transactions as the store's limits let."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from freehold.store.base import LimitExceeded

T = TypeVar("T")
R = TypeVar("R")


async def halving(items: Sequence[T], attempt: Callable[[Sequence[T]], Awaitable[list[R]]]) -> list[R]:
    """The outcomes of `attempt`, one per item. What is too much for one transaction, because each item may notify many
    (a topic with a hundred queues), is tried in halves."""
    try:
        return await attempt(items)
    except LimitExceeded:
        if len(items) == 1:
            raise
        half = len(items) // 2
        return await halving(items[:half], attempt) + await halving(items[half:], attempt)
