"""The three clocks. Everything that needs the time gets a `Clock`; nothing else reads one.

- service time (`now`, `now_ms`): what customers see and what timers, retries and retention run on. Virtual when manual,
  never backwards.
- wall (`wall`): real UTC, for signatures, sessions, tokens, TLS and what functions see.
- monotonic (`monotonic`): real elapsed seconds, for timeouts, billed duration and leases.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Service time in seconds since the epoch."""
        ...

    def now_ms(self) -> int:
        """Service time in whole milliseconds since the epoch."""
        ...

    def wall(self) -> float:
        """Real UTC in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Real elapsed seconds from an arbitrary start."""
        ...

    async def sleep_until(self, due_ms: int) -> None:
        """Return when service time reaches `due_ms` (at once if it has passed)."""
        ...


class SystemClock:
    """Service time is real time, but never earlier than `floor_ms` or than what was said before, here or (`raise_to`) by
    others who share it."""

    def __init__(self, floor_ms: int = 0) -> None:
        self._last_ms = floor_ms
        self._ahead_ms = 0

    def now_ms(self) -> int:
        real = time.time_ns() // 1_000_000 + self._ahead_ms
        if real > self._last_ms:
            self._last_ms = real
        return self._last_ms

    def now(self) -> float:
        return max(time.time() + self._ahead_ms / 1000, self._last_ms / 1000)

    def raise_to(self, service_ms: int) -> None:
        """Others have seen this time: from now on the clock goes ahead of real time by what it was behind them."""
        self._ahead_ms += max(0, service_ms - self.now_ms())

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, due_ms: int) -> None:
        while (left := due_ms - self.now_ms()) > 0:
            await asyncio.sleep(min(left / 1000, 3600))


class ManualClock:
    """Service time stands until `advance`; wall and monotonic stay real."""

    def __init__(self, start_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = start_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._now_ms

    def now(self) -> float:
        return self._now_ms / 1000

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, due_ms: int) -> None:
        if due_ms <= self._now_ms:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due_ms, next(self._order), future))
        await future

    def next_due(self) -> int | None:
        """When the earliest sleeper wants to wake, or None."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Move service time forward and wake every sleeper that is due, in due order."""
        self.advance_to(self._now_ms + int(seconds * 1000))

    def advance_to(self, target_ms: int) -> None:
        """Move service time to `target_ms`; earlier targets are ignored."""
        self._now_ms = max(self._now_ms, target_ms)
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


def iso8601(seconds: float, *, millis: bool = True) -> str:
    """`2026-01-01T00:00:00.000Z`, as AWS writes it."""
    text = _second(int(seconds // 1))
    return f"{text}.{int(seconds * 1000) % 1000:03d}Z" if millis else text + "Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
