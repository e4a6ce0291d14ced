"""Token buckets: how API Gateway throttles a stage's routes."""

from __future__ import annotations


class TokenBucket:
    """`rate` requests a second, `burst` at once, over all nodes of a cluster: each node's bucket has an equal share, of the
    burst at least one. Time is monotonic seconds, given by the caller."""

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._then = now

    def take(self, now: float, nodes: int = 1) -> bool:
        """May one more request pass now, where so many nodes live?"""
        self._tokens = min(
            max(self._burst / nodes, min(self._burst, 1)), self._tokens + (now - self._then) * self._rate / nodes
        )
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
