"""Watches: who waits for which key, in this process. They belong to one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable


class Watches:
    """The watchers by key. Waking a key that nobody watches costs one look into a dictionary."""

    __slots__ = ("_watching",)

    def __init__(self) -> None:
        self._watching: dict[bytes, set[KeyWatch]] = {}

    def __len__(self) -> int:
        """How many keys are watched."""
        return len(self._watching)

    def watch(self, key: bytes) -> KeyWatch:
        return KeyWatch(self._watching, key)

    def wake(self, keys: Iterable[bytes]) -> None:
        """Rouse the watchers of `keys`; called on the event loop, after the commit."""
        watching = self._watching
        if watching:
            for key in keys:
                for watch in watching.get(key, ()):
                    watch.rouse()

    def wake_all(self) -> None:
        """Rouse everybody, as when time was moved or the store closes."""
        for watchers in self._watching.values():
            for watch in watchers:
                watch.rouse()


class KeyWatch:
    """A `Watch`: it counts as woken from the moment it is entered, whether or not somebody waits yet. One waiter."""

    __slots__ = ("_key", "_listener", "_waiter", "_watching", "_woken")

    def __init__(self, watching: dict[bytes, set[KeyWatch]], key: bytes) -> None:
        self._watching = watching
        self._key = key
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Callable[[], None] | None = None

    async def __aenter__(self) -> KeyWatch:
        self._watching.setdefault(self._key, set()).add(self)
        return self

    async def __aexit__(self, *exc: object) -> None:
        watchers = self._watching.get(self._key)
        if watchers is not None:
            watchers.discard(self)
            if not watchers:
                del self._watching[self._key]

    def rouse(self) -> None:
        self._woken = True
        if self._waiter is not None:
            _settle(self._waiter)
        if self._listener is not None:
            self._listener()

    def call(self, listener: Callable[[], None]) -> None:
        self._listener = listener

    async def wait(self, timeout: float) -> bool:
        if not self._woken and timeout > 0:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            alarm = loop.call_later(timeout, _settle, waiter)
            try:
                await waiter
            finally:
                alarm.cancel()
                self._waiter = None
        woken, self._woken = self._woken, False
        return woken


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
