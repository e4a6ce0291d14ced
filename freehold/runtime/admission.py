"""How many instances may be started: the burst that Lambda documents, and what this server can hold."""

from __future__ import annotations

import resource

from freehold.kit.clock import Clock

BURST = 1000
BURST_SECONDS = 10.0
"""Lambda starts at most 1,000 instances per 10 seconds."""
_DESCRIPTORS_PER_INSTANCE = 5
_DESCRIPTORS_OF_OTHERS = 256


class Admission:
    """A token bucket of starts, and a limit of instances."""

    def __init__(self, clock: Clock, max_instances: int) -> None:
        self._clock = clock
        self._max_instances = max_instances
        self._tokens = float(BURST)
        self._refilled = clock.monotonic()

    def fit_to_host(self) -> None:
        """Raise this process's limit of open files as far as it may, and stay below what it then allows."""
        wanted = self._max_instances * _DESCRIPTORS_PER_INSTANCE + _DESCRIPTORS_OF_OTHERS
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return
        if soft < wanted:
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self._max_instances = min(
            self._max_instances, max(1, (soft - _DESCRIPTORS_OF_OTHERS) // _DESCRIPTORS_PER_INSTANCE)
        )

    def has_room(self, instances: int) -> bool:
        return instances < self._max_instances

    def take(self, nodes: int) -> bool:
        """One start, if the burst allows it now: this node's part of it, where there are several."""
        now, burst = self._clock.monotonic(), BURST / nodes
        self._tokens = min(burst, self._tokens + (now - self._refilled) * burst / BURST_SECONDS)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
