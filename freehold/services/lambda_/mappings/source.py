"""The seam between mappings and what they read: queues now, streams next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class SourceGone(Exception):
    """The source does not exist any more; the text is for LastProcessingResult."""


@dataclass(slots=True)
class Record:
    """One record that was read."""

    id: str
    """What itemIdentifier of a partial batch response names."""
    event: bytes
    """The record as the function sees it: JSON."""
    fields: dict[str, Any] | None
    """The record as filters see it; None where the mapping has no filters."""
    handle: str
    """How the source knows this reading of it."""
    read_ms: int
    until_ms: int
    """Service time of reading it, and until which nobody else does."""
    trace: str | None = None
    """Its X-Ray trace header."""

    def latest_ms(self, timeout_ms: int) -> int:
        """When a function should have begun with it at the latest: early enough to end while nobody else reads it, but
        half of that time may be spent waiting whatever the function's timeout."""
        return self.until_ms - min(timeout_ms, (self.until_ms - self.read_ms) // 2)


@dataclass(slots=True)
class Reading:
    """What one read gave."""

    records: list[Record]
    next_due_ms: int | None
    """With fewer records than asked for: the service time at which there may be more; None: after the next wake."""


class Source(Protocol):
    """What a mapping reads. A source decides what a failed record means: a queue shows it again when its visibility
    timeout ends, a stream keeps its place and reads it again."""

    ordered: bool
    """The records of one read must be processed in order before those that later reads give after them: they become one
    batch, and nothing is read in advance."""

    def watch_key(self) -> bytes:
        """The store's key that is woken when there may be something to read."""
        ...

    async def read(self, most: int) -> Reading:
        """Up to `most` records that are there now. Raises SourceGone."""
        ...

    async def done(self, records: Sequence[Record]) -> None:
        """They are processed, or filtered out: never again. Returns when that is durable."""
        ...

    async def failed(self, records: Sequence[Record]) -> None:
        """The function did not process them."""
        ...

    async def give_back(self, records: Sequence[Record]) -> None:
        """They were read and never given to the function: anybody may read them now."""
        ...
