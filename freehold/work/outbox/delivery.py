"""A delivery: what a deliverer is given, and how it says that it is to be given it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at an effect. `attempt` counts from 1; `first_ms` is the service time at which it was first due."""

    id: str
    payload: bytes
    attempt: int
    first_ms: int
    kind: str = ""
    group: bytes | None = None


class Retry(Exception):
    """Raised by a deliverer: perform it again after `after_ms` milliseconds of service time. `counts`: this was an
    attempt; False where the effect only waits for its turn (a rate limit)."""

    def __init__(self, after_ms: int, *, counts: bool = True) -> None:
        super().__init__(f"again in {after_ms} ms")
        self.after_ms, self.counts = after_ms, counts


Deliverer = Callable[[Delivery], Awaitable[None]]
