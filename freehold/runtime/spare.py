"""Whether the machine has processor time to spare.

Where many instances load at once on a machine that has none, each gets so little that its ten seconds are over before it
is initialized; all of them end in vain and begin again, and nothing gets done until the machine is left alone. So while
there is none to spare, the instances of a function that load are finished before others of it begin (the pool keeps
their turn).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from freehold.kit.clock import Clock

WINDOW_S = 0.2
"""Seconds between looks: the kernel counts in hundredths."""
STALE_S = 2.0
"""An older look says nothing of now."""
SPARE = 0.05
"""The share of idle time below which there is none to spare."""

_STAT = Path("/proc/stat")

Times = tuple[int, int]
"""Idle and all time of all processors since the machine started, in ticks."""


def times() -> Times | None:
    """What the kernel counted; None where it does not say (no Linux)."""
    try:
        with _STAT.open() as file:
            counted = [int(part) for part in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return counted[3] + counted[4], sum(counted)


class Spare:
    """The machine's idle time, looked at by whoever is about to load something."""

    def __init__(self, clock: Clock, times: Callable[[], Times | None] = times) -> None:
        self._monotonic, self._times = clock.monotonic, times
        self._at = float("-inf")
        self._last: Times | None = None
        self._none = False

    def none(self) -> bool:
        """Was there next to no idle time lately? Not known yet counts as time to spare."""
        now = self._monotonic()
        since = now - self._at
        if since < WINDOW_S:
            return self._none
        last, self._last, self._at = self._last, self._times(), now
        self._none = False
        if since <= STALE_S and last is not None and self._last is not None:
            idle, passed = self._last[0] - last[0], self._last[1] - last[1]
            self._none = passed > 0 and idle < SPARE * passed
        return self._none
