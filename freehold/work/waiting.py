"""Alarm: one wait for three things: a wake of the store, a due service time, a ring from this process."""

from __future__ import annotations

import asyncio

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.store.base import Store, Watch, is_shared

IDLE_S = 60.0
"""A wake is a hint: a waiter looks for itself this often (seconds)."""
SHARED_IDLE_S = 1.0
"""So often where other nodes write too: one that dies takes the wakes of its last commits with it."""


class Alarm:
    """`async with alarm: ... await alarm.wait(due_ms)`. Entered before the read whose answer may make it wait."""

    def __init__(self, store: Store, clock: Clock, key: bytes) -> None:
        self._store, self._clock, self._key = store, clock, key
        self._jitter = Ids() if is_shared(store) else None
        self._rung = asyncio.Event()
        self._rounds: set[asyncio.Future[None]] = set()
        self._watch: Watch | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._sleeper: asyncio.Task[None] | None = None
        self._due: int | None = None
        self._left = False

    async def __aenter__(self) -> Alarm:
        self._left = False
        watch = self._store.watch(self._key)
        watch.call(self._rung.set)
        await watch.__aenter__()
        self._watch = watch
        self._rest()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._watch is not None:
            await self._watch.__aexit__(*exc)
        if self._idle is not None:
            self._idle.cancel()
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._watch = self._idle = self._sleeper = self._due = None
        self._left = True
        self._answer()

    def ring(self) -> None:
        """Rouse the waiter."""
        self._rung.set()

    async def wait(self, due_ms: int | None) -> None:
        """Return after a wake, a ring or when service time reaches `due_ms`, whichever is first."""
        self._answer()
        if due_ms != self._due or self._sleeper is None or self._sleeper.done():
            if self._sleeper is not None:
                self._sleeper.cancel()
                self._sleeper = None
            self._due = due_ms
            if due_ms is not None:
                self._sleeper = asyncio.get_running_loop().create_task(self._sleep(due_ms), name="alarm")
        await self._rung.wait()
        self._rung.clear()

    async def rung(self) -> None:
        """Return when the waiter has gone round once more: it has looked at the store and waits again (or left)."""
        if self._left:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rounds.add(future)
        await future

    def _answer(self) -> None:
        for future in self._rounds:
            if not future.done():
                future.set_result(None)
        self._rounds.clear()

    def _rest(self) -> None:
        """Look without a wake, too, now and then."""
        pause = SHARED_IDLE_S * self._jitter.uniform(0.8, 1.2) if self._jitter else IDLE_S
        self._idle = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        self._rung.set()
        self._rest()

    async def _sleep(self, due_ms: int) -> None:
        await self._clock.sleep_until(due_ms)
        self._rung.set()
