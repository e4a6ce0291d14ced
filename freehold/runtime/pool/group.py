"""The instances of one configuration key, and who waits for one."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from freehold.runtime.base import FunctionSpec
from freehold.runtime.errors import Failure
from freehold.runtime.instance import Instance


class Group:
    """What the pool keeps of one configuration of a function."""

    __slots__ = ("idle", "spec", "starting", "turns", "waiters")

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.idle: list[Instance] = []
        """The one that was busy last comes last, and is used first."""
        self.starting = 0
        """Never fewer than there are waiters, and no more are begun than that: who waits may get a freed instance."""
        self.waiters: deque[asyncio.Future[Instance | Failure]] = deque()
        self.turns = asyncio.Semaphore(2 * (os.cpu_count() or 1))
        """Of starts; while the machine has no time to spare, of loading too. Each function has its own: one that loads for
        long, or often, is in nobody else's way."""

    def next_waiter(self) -> asyncio.Future[Instance | Failure] | None:
        """Who waits longest, and waits no more from now on."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def refuse_next(self, problem: Exception) -> None:
        """Who waits longest gets none."""
        if (waiter := self.next_waiter()) is not None:
            waiter.set_exception(problem)
