"""A receive, short or long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from freehold.ports.platform import Platform
from freehold.services.sqs import state
from freehold.services.sqs.catalog import Memory, memory
from freehold.services.sqs.digests import of_body
from freehold.services.sqs.model import Place, Queue
from freehold.services.sqs.receiving import Ask, Taken
from freehold.services.sqs.waiting import Look, Pollers
from freehold.store.base import ReadTx, Tx


class Poll:
    """One receive from a queue. `check` refuses (raises Fault) what may not be; `gone` returns when whoever asked has
    gone away."""

    def __init__(
        self,
        platform: Platform,
        place: Place,
        most: int,
        visibility_s: int | None,
        attempt: bytes = b"",
        check: Callable[[Queue], None] | None = None,
        gone: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._platform, self._place = platform, place
        self._most, self._visibility_s, self._attempt, self._check = most, visibility_s, attempt, check
        self._gone = gone
        self._memory = memory(platform)

    async def receive(self, wait_s: int | None) -> tuple[Queue, Taken]:
        """What can be received within `wait_s` seconds (None: as the queue has it) of service time, and of real time."""
        clock = self._platform.clock
        begun_ms, begun_s = clock.now_ms(), clock.monotonic()
        queue, taken = await self.once()
        if wait_s is None:
            wait_s = queue.record.wait_s
        if taken.deliveries or not wait_s:
            return queue, taken
        # Nobody takes a message for a client that went away while it waited.
        leaving = asyncio.ensure_future(self._gone()) if self._gone is not None else None
        try:
            return await self._wait(queue, begun_ms + 1000 * wait_s, begun_s + wait_s, leaving)
        finally:
            if leaving is not None:
                leaving.cancel()

    async def _wait(
        self, queue: Queue, due_ms: int, due_s: float, leaving: asyncio.Future[None] | None
    ) -> tuple[Queue, Taken]:
        clock, taken = self._platform.clock, Taken()
        while not taken.deliveries:
            left_s = due_s - clock.monotonic()
            if left_s <= 0 or clock.now_ms() >= due_ms or self._memory.leaving:
                break
            line = pollers(self._platform, self._memory, self._place)
            if not await line.wait(due_ms, left_s, self._most, leaving):
                break
            queue, taken = await self.once(worth=True)
        return queue, taken

    async def once(self, *, worth: bool = False, early: bool = False) -> tuple[Queue, Taken]:
        """What can be received now. Looks before it writes, unless it is likely to be worth it. `early`: for somebody who
        works on what he gets at once (see `Store.transact`), and wants to know when there will be more."""
        store, now_ms = self._platform.store, self._platform.clock.now_ms()

        def look(tx: ReadTx) -> tuple[Queue, bool, Taken]:
            queue = self._find(tx)
            ready = bool(self._attempt) or state.is_ready(tx, queue, now_ms)
            return queue, ready, Taken(next_due_ms=state.next_due(tx, queue, now_ms) if early and not ready else None)

        def take(tx: Tx) -> tuple[Queue, Taken]:
            queue = self._find(tx)
            visibility_s = queue.record.visibility_s if self._visibility_s is None else self._visibility_s
            ask = Ask(self._most, 1000 * visibility_s, now_ms, self._attempt)
            taken = state.receive(tx, queue, ask, self._memory)
            if early and len(taken.deliveries) < self._most:
                taken.next_due_ms = state.next_due(tx, queue, now_ms)
            return queue, taken

        flowing = self._memory.flowing
        if not worth and self._place not in flowing:
            queue, ready, nothing = await store.read(look)
            if not ready:
                return queue, nothing
        more = True
        while more:
            queue, taken = await store.transact(take, lane=self._place.watch_key, early=early)
            more = taken.more and not taken.deliveries
        if taken.deliveries:
            flowing.add(self._place)
        else:
            flowing.discard(self._place)
        if any(not delivery.message.md5 for delivery in taken.deliveries):
            await self._sign(taken)
        return queue, taken

    async def _sign(self, taken: Taken) -> None:
        """Messages of topics get their signatures when they are received (ports.queues.Outgoing.unsigned)."""
        found = [delivery.message for delivery in taken.deliveries if not delivery.message.md5]
        signed = await self._platform.topics.signed([message.body for message in found])
        for message, body in zip(found, signed, strict=True):
            message.body, message.md5 = body, of_body(body.encode())

    def _find(self, tx: ReadTx) -> Queue:
        queue = self._memory.existing(tx, self._place)
        if self._check is not None:
            self._check(queue)
        return queue


def pollers(platform: Platform, known: Memory, place: Place) -> Pollers:
    """The line of a queue's long polls; somebody watches for it from now on."""
    found = known.pollers.get(place)
    if found is None:

        async def look(most: int) -> Look:
            return await platform.store.read(lambda tx: _look(tx, known, place, most, platform.clock.now_ms()))

        found = known.pollers[place] = Pollers(platform.store, platform.clock, place.watch_key, look)
        platform.tasks.spawn(f"sqs polls {place.name}", _watch(known, place, found))
    return found


async def _watch(known: Memory, place: Place, line: Pollers) -> None:
    try:
        await line.run()
    finally:
        known.pollers.pop(place, None)


def _look(tx: ReadTx, known: Memory, place: Place, most: int, now_ms: int) -> Look:
    queue = known.find(tx, place)
    if queue is None:
        return Look(most, None)  # let all go ahead: each is told that there is no queue
    return state.look(tx, queue, most, now_ms)
