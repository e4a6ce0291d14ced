"""Runner: the loop of one running pipe. It sleeps until its source has something, gathers batches and executes them,
a few at a time; it shares nothing with other pipes, so that a slow one delays only itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from freehold.kit.faults import Fault
from freehold.services.pipes.execution import execute
from freehold.services.pipes.plan import Plan
from freehold.services.pipes.sources import Item, Source
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.pipes")

CONCURRENCY = 10
"""Batches of one pipe under way at a time."""
PATIENCE = 3
"""Executions that may fail in a row before the pipe pauses."""
FIRST_PAUSE_MS, MOST_PAUSE_MS = 100, 5_000
MAX_BATCH_BYTES = 5 << 20
"""A function takes 6 MB; the rest is room for templates."""


class Runner:
    """A running pipe."""

    def __init__(self, platform: Platform, plan: Plan, source: Source) -> None:
        self._platform, self._plan, self._source = platform, plan, source
        self._alarm = Alarm(platform.store, platform.clock, source.watch_key)
        self._gathered: list[Item] = []
        self._window_ends: int | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._resumes_ms = 0
        self._full = False
        """Did the last look end since there was no more room?"""
        self._stopping = False
        self._loop = platform.tasks.loop(f"pipe: {plan.pipe.arn}", self._run)

    async def stop(self) -> None:
        """Take nothing more, finish what was taken."""
        self._stopping = True
        self._alarm.ring()
        await asyncio.wait([self._loop])
        while self._batches:
            await asyncio.wait(self._batches)

    def cancel(self) -> None:
        """End at once: what was taken comes again when its visibility timeout ends."""
        self._stopping = True
        for task in (self._loop, *self._batches):
            task.cancel()

    async def settle(self) -> bool:
        """Wait until nothing can be received and no batch is under way; says whether there was anything."""
        worked = False
        while not self._loop.done():
            if self._batches:
                worked = True
                await asyncio.wait(self._batches)
            for _ in range(2):  # the first round may have looked before it was asked to
                self._alarm.ring()
                await self._alarm.rung()
            if not self._batches and not self._full:
                break
        return worked

    async def _run(self) -> None:
        async with self._alarm as alarm:
            while not self._stopping:
                await alarm.wait(await self._look())
            while self._gathered:
                self._launch()

    async def _look(self) -> int | None:
        """Receive and launch while there is something and room; when (service time, ms) to look again."""
        due: int | None = None
        self._full = False
        if self._platform.clock.now_ms() < self._resumes_ms:
            return self._resumes_ms
        while not self._stopping and len(self._batches) < CONCURRENCY:
            wanted = self._plan.batch_size - len(self._gathered)
            try:
                items, due = await self._source.receive(wanted) if wanted > 0 else ([], None)
            except Fault as fault:  # the source is gone: what wakes it tells when it is back
                log.info("pipe %s cannot receive: %s", self._plan.pipe.arn, fault)
                items, due = [], None
            self._gather(items)
            while len(self._batches) < CONCURRENCY and self._flush():
                pass
            if len(items) < wanted:
                break
        self._full = len(self._batches) >= CONCURRENCY
        if self._full:
            return None  # the end of a batch rings
        ends = self._window_ends
        return due if ends is None else ends if due is None else min(due, ends)

    def _gather(self, items: list[Item]) -> None:
        if items and not self._gathered:
            self._window_ends = self._platform.clock.now_ms() + self._plan.window_ms
        self._gathered += items

    def _flush(self) -> bool:
        """Launch a batch if it is full or its window has ended; says whether it did."""
        if not self._gathered or self._window_ends is None:
            return False
        full = len(self._gathered) >= self._plan.batch_size or sum(i.size for i in self._gathered) >= MAX_BATCH_BYTES
        if not full and self._platform.clock.now_ms() < self._window_ends:
            return False
        self._launch()
        return True

    def _launch(self) -> None:
        batch: list[Item] = []
        size = 0
        for item in self._gathered[: self._plan.batch_size]:
            size += item.size
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append(item)
        self._gathered = self._gathered[len(batch) :]
        if not self._gathered:
            self._window_ends = None
        task = self._platform.tasks.spawn(f"pipe execution: {self._plan.pipe.arn}", self._execute(batch))
        self._batches.add(task)
        task.add_done_callback(self._ended)

    async def _execute(self, batch: list[Item]) -> None:
        if await execute(self._platform, self._plan, self._source, batch):
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= PATIENCE:
            pause_ms = min(FIRST_PAUSE_MS << min(self._failures - PATIENCE, 10), MOST_PAUSE_MS)
            self._resumes_ms = self._platform.clock.now_ms() + pause_ms

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._alarm.ring()
