"""Moving a manual clock: service time goes from due time to due time, and everything that is due ends before it moves on.

What settles at each stop: timers, outbox, and whatever services do besides (pollers of mappings). A function that runs
because something was due has ended before the clock moves; what a client itself waits for (a long poll, an invocation)
does not hold the clock up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from freehold.kit.clock import ManualClock
from freehold.kit.tuples import pack
from freehold.store.base import Store, Tx

SERVICE_TIME = pack("node", "service_time")
"""The row that keeps the latest service time (ms, 8 bytes), so that it never runs backwards."""

Settle = Callable[[], Awaitable[bool]]
"""Wait until nothing of one mechanism is due and nothing of it runs; says whether there was anything."""


class Advance:
    """The one hand on a manual clock. Calls follow each other: a second waits for the first."""

    def __init__(
        self, clock: ManualClock, store: Store, settles: Sequence[Settle], flush: Callable[[], Awaitable[None]]
    ) -> None:
        """`flush` writes what is buffered in real time (logs), so that whoever advanced the clock can read it."""
        self._clock, self._store, self._settles, self._flush = clock, store, settles, flush
        self._lock = asyncio.Lock()

    async def by(self, milliseconds: int, *, until_quiet: bool = False) -> int:
        """Move service time forward by `milliseconds`, stopping at every due time on the way. Answers the new time (ms).

        With `until_quiet` it goes no further than to the last due time within these milliseconds: nothing runs then, and
        nothing more is due before they are over.
        """
        async with self._lock:
            target = self._clock.now_ms() + milliseconds
            await self._settle()
            while (due := self._clock.next_due()) is not None and due <= target:
                await self._stop(due)
            if not until_quiet:
                await self._stop(target)
            now = self._clock.now_ms()
            await self._store.transact(lambda tx: record(tx, now))
            await self._flush()
            return now

    async def _stop(self, at_ms: int) -> None:
        self._clock.advance_to(at_ms)
        self._store.rouse()
        await self._settle()

    async def _settle(self) -> None:
        """Until a whole round finds nothing to do: what one mechanism ends may be the beginning of another's work."""
        busy = True
        while busy:
            busy = False
            for settle in self._settles:
                busy = await settle() or busy
        for _ in range(3):  # what was just begun says when it is due next as soon as it has run for a moment
            await asyncio.sleep(0)


def record(tx: Tx, now_ms: int) -> None:
    """Keep the service time, unless another node has seen a later one."""
    kept = tx.get(SERVICE_TIME)
    if kept is None or int.from_bytes(kept, "big") < now_ms:
        tx.put(SERVICE_TIME, now_ms.to_bytes(8, "big"))
