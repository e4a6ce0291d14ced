"""How many batches of a mapping may run at a time. Pure: service time comes from outside.

Source: Lambda, "Configuring scaling behavior for SQS event source mappings": five at first; while messages are still
available up to 300 more per minute, to 1,000; MaximumConcurrency bounds it. Throttles and function errors make it less.
"""

from __future__ import annotations

START = 5
PER_MINUTE = 300
MOST = 1_000
SHORT_MS = 10.0
"""Functions that end sooner are no faster in more instances: five of them take hundreds of batches a second."""


class Scaling:
    """The concurrency of one mapping."""

    def __init__(self, maximum: int | None) -> None:
        self._most = min(maximum or MOST, MOST)
        self._start = min(START, self._most)
        self._now = float(self._start)
        self._busy_since: int | None = None
        self.reserved: int | None = None
        """What the function has reserved: more would be throttled."""
        self.duration_ms = 1_000.0
        """How long a batch takes, lately."""

    @property
    def limit(self) -> int:
        """Batches at a time."""
        most = self._most if self.reserved is None else min(self._most, self.reserved)
        return max(1, min(int(self._now), most))

    @property
    def ahead(self) -> int:
        """Batches worth reading in advance: what ends within about 20 milliseconds."""
        return min(100, int(self.limit * 20 / max(self.duration_ms, 0.5)))

    @property
    def may_grow(self) -> bool:
        """Does time allow more than runs now?"""
        return self._now < self._most and (self.reserved is None or self.limit < self.reserved)

    def busy(self, now_ms: int, running_ms: float) -> None:
        """Everything that is allowed runs, the oldest batch for `running_ms`, and there is more to do."""
        if self._busy_since is not None and max(self.duration_ms, running_ms) >= SHORT_MS:
            self._now = min(self._now + (now_ms - self._busy_since) * PER_MINUTE / 60_000, float(self._most))
        self._busy_since = now_ms

    def calm(self) -> None:
        """There is no more to do than runs."""
        self._busy_since = None

    def idle(self) -> None:
        """There is nothing to do."""
        self.calm()
        self._now = float(self._start)

    def ended(self, duration_ms: float) -> None:
        """The function processed a batch."""
        self.duration_ms += (duration_ms - self.duration_ms) * (0.2 if duration_ms > self.duration_ms else 0.5)
        if self._now < self._start:
            self._now += 1

    def failed(self) -> None:
        """The function failed: a little less."""
        self._now = max(1.0, self._now * 0.9)

    def throttled(self) -> None:
        """The function had no concurrency left: half."""
        self._now = max(1.0, self._now / 2)
        self._busy_since = None
