"""The watch over instances: memory and timeouts of busy ones, freezing and expiry of idle ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from freehold.kit.clock import Clock
from freehold.runtime.instance import Instance
from freehold.runtime.process import State

FREEZE_AFTER = 0.1
"""Seconds of idling after which an instance's processes are stopped, as on Lambda."""
_TICK = 0.02
_TICK_PER_BUSY = 0.0004
_THOROUGH_EVERY = 10


class Watch:
    """Looks around while there is something to see, and sleeps otherwise."""

    def __init__(self, instances: Collection[Instance], clock: Clock, idle_seconds: float) -> None:
        self.dozing = False
        """Asleep for long: `rouse` before giving work to an instance."""
        self._instances = instances
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._roused = asyncio.Event()
        self._round = 0

    def rouse(self) -> None:
        self.dozing = False
        self._roused.set()

    async def run(self) -> None:
        """For as long as the pool lives."""
        while True:
            delay = self._look()
            if delay < 1:
                await asyncio.sleep(delay)
                continue
            self.dozing = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._roused.wait(), delay)
            self.dozing = False
            self._roused.clear()

    def _look(self) -> float:
        """One round; seconds until the next."""
        self._round += 1
        now = self._clock.monotonic()
        busy = 0
        thawed = False
        next_expiry = 3600.0
        for instance in list(self._instances):
            if instance.state is State.IDLE and not instance.reserved:
                left = self._mind_idle(instance, now)
                next_expiry = min(next_expiry, left)
                thawed = thawed or (not instance.frozen and instance.freezable)
            elif instance.state is not State.DYING:
                busy += 1
                self._mind_busy(instance, now)
        if busy:
            return max(_TICK, busy * _TICK_PER_BUSY)
        return FREEZE_AFTER / 2 if thawed else max(1.0, next_expiry)

    def _mind_idle(self, instance: Instance, now: float) -> float:
        """Freeze or end it; seconds until it expires."""
        idle = now - instance.idle_since
        if idle > self._idle_seconds:
            instance.kill()
        elif not instance.frozen and idle > FREEZE_AFTER:
            with contextlib.suppress(OSError):  # its group may be gone already: that is no reason to end the watch
                instance.freeze()
        return self._idle_seconds - idle

    def _mind_busy(self, instance: Instance, now: float) -> None:
        """What runs but for a moment is looked at every now and then, the rest every round."""
        thorough = self._round % _THOROUGH_EVERY == 0
        if instance.long_running(now):
            instance.mind_timeout()
        elif not thorough:
            return
        if instance.pid and instance.exceeds_memory():
            instance.kill_for_memory()
