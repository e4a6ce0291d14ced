"""Long polls. Those of one queue on this node stand in line; one watcher for all of them looks whenever something may
have become receivable, and lets as many go ahead as there are messages. A thousand idle pollers and one message cost one
look and one receive.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from freehold.kit.clock import Clock
from freehold.store.base import Store
from freehold.store.limits import MAX_SCAN
from freehold.work.waiting import Alarm

LINGER_S = 10.0
"""How long the watcher stays when nobody is left in line: a consumer polls again at once."""


class Look(NamedTuple):
    """What a look at a queue found: how many receives would find something, and when the next message is due."""

    ready: int
    next_ms: int | None


class _Poll:
    __slots__ = ("due_ms", "future", "most")

    def __init__(self, due_ms: int, most: int) -> None:
        self.due_ms = due_ms
        self.most = most
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def left(self, leaving: asyncio.Future[None]) -> None:
        _end(self.future, False)


class Pollers:
    """The long polls of one queue. `look(most)` counts ready messages, up to `most`."""

    def __init__(self, store: Store, clock: Clock, watch_key: bytes, look: Callable[[int], Awaitable[Look]]) -> None:
        self._alarm = Alarm(store, clock, watch_key)
        self._clock = clock
        self._look = look
        self._line: deque[_Poll] = deque()

    async def wait(self, due_ms: int, left_s: float, most: int, leaving: asyncio.Future[None] | None = None) -> bool:
        """Stand in line until it is worth looking for messages (True), or until service time `due_ms`, `left_s` real
        seconds or the end of `leaving` (False)."""
        poll = _Poll(due_ms, most)
        if leaving is not None:
            leaving.add_done_callback(poll.left)
        self._line.append(poll)
        self._alarm.ring()
        timeout = asyncio.get_running_loop().call_later(left_s, _end, poll.future, False)
        try:
            return await poll.future
        except asyncio.CancelledError:
            self._alarm.ring()  # if it was let ahead, the message is for the next
            raise
        finally:
            timeout.cancel()
            if leaving is not None:
                leaving.remove_done_callback(poll.left)
            if poll in self._line:
                self._line.remove(poll)

    def end(self) -> None:
        """Nobody waits any longer."""
        for poll in self._line:
            _end(poll.future, False)

    async def run(self) -> None:
        """Watch for as long as somebody is in line, and a little longer."""
        idle_since = self._clock.monotonic()
        async with self._alarm as alarm:
            while True:
                self._drop()
                if self._line:
                    idle_since = self._clock.monotonic()
                    await alarm.wait(await self._let_ahead())
                elif self._clock.monotonic() - idle_since < LINGER_S:
                    later = asyncio.get_running_loop().call_later(LINGER_S, alarm.ring)
                    await alarm.wait(None)
                    later.cancel()
                else:
                    return

    async def _let_ahead(self) -> int:
        """Let as many ahead as there is something for; answers when to look again."""
        found = await self._look(min(sum(poll.most for poll in self._line), MAX_SCAN))
        ready = found.ready
        while ready > 0 and self._line:
            poll = self._line.popleft()
            ready -= poll.most
            _end(poll.future, True)
        dues = [poll.due_ms for poll in self._line]
        if found.next_ms is not None:
            dues.append(found.next_ms)
        return min(dues, default=self._clock.now_ms())

    def _drop(self) -> None:
        """End the polls whose time has come, and forget those that ended."""
        now_ms = self._clock.now_ms()
        for poll in list(self._line):
            if poll.due_ms <= now_ms:
                _end(poll.future, False)
            if poll.future.done():
                self._line.remove(poll)


def _end(future: asyncio.Future[bool], worth: bool) -> None:
    if not future.done():
        future.set_result(worth)
