"""Token buckets: how API Gateway throttles a stage's routes."""

from __future__ import annotations


class TokenBucket:
    """`rate` requests a second, `burst` at once. Time is monotonic seconds, given by the caller."""

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._then = now

    def take(self, now: float) -> bool:
        """May one more request pass now?"""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
