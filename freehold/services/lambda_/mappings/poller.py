"""One enabled mapping at work: read, filter, gather, invoke, settle.

One loop reads, and only as much as can run now (or within milliseconds: `Scaling.ahead`); every batch runs in a task of its
own, which goes on with the next batch that waits. Between messages the loop waits for the source's wake or for the time at
which something is due: an idle mapping costs nothing. What fails is the source's to show again; what is throttled stays
with its batch, which tries again with growing pauses as long as nobody else may read its records.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from freehold.kit.faults import Fault
from freehold.services.lambda_.limits import MAX_SYNC_PAYLOAD
from freehold.services.lambda_.mappings import responses
from freehold.services.lambda_.mappings.buffer import Buffer, chunks
from freehold.services.lambda_.mappings.filters import Filters
from freehold.services.lambda_.mappings.invoking import Target
from freehold.services.lambda_.mappings.model import Mapping
from freehold.services.lambda_.mappings.scaling import Scaling
from freehold.services.lambda_.mappings.source import Reading, Record, Source, SourceGone
from freehold.store.base import StoreError
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.lambda")

READ_MOST = 1_000
READ_BYTES = 8 << 20
"""Records and bytes, by what records have had lately, of one read."""
FIRST_SIZE = 64 << 10
PATIENCE_S = 5.0
"""Real seconds after which a mapping without its queue or function looks for it again."""
FIRST_PAUSE_MS, MOST_PAUSE_MS = 1_000, 60_000
"""A throttled batch tries again after one second, doubling."""
STEP_MS = 200
"""How long a mapping that has more to do than may run waits before it looks whether one batch more may."""
NO_FUNCTION = "PROBLEM: The function does not exist."

Report = Callable[[str | None], Awaitable[None]]


class Poller:
    """Works for one mapping until it is stopped. `report` is told what keeps it from working, None when nothing does."""

    def __init__(self, platform: Platform, mapping: Mapping, source: Source, report: Report) -> None:
        self._platform, self._mapping, self._source, self._report = platform, mapping, source, report
        self._clock = platform.clock
        self._target = Target(platform, mapping.function)
        self._filters = Filters(mapping.filters)
        self._partial = "ReportBatchItemFailures" in mapping.response_types
        self._counted = "EventCount" in mapping.metrics
        self._buffer = Buffer(mapping.batch_size, 1_000 * mapping.window_s)
        self._scaling = Scaling(mapping.maximum_concurrency)
        self._alarm = Alarm(platform.store, platform.clock, source.watch_key())
        self._tasks: set[asyncio.Task[None]] = set()
        self._pauses: set[asyncio.Task[None]] = set()
        self._problem: str | None = mapping.problem
        self._stopping = False
        self._begun: dict[str, float] = {}
        """Batches that the function has now, by their first record, and since when (monotonic seconds)."""
        self._several = 1
        self._record_size = float(FIRST_SIZE)
        """Bytes of a record's event, lately."""
        self._more = True
        """There may be records that nobody has read."""
        self._rung = False
        """The loop was roused by this poller itself."""
        self._rounds = 0
        """Counts what was read and what ended: tells `quiet` whether anything happened."""

    # The loop

    async def run(self) -> None:
        """Work until `stop`; returns when everything that ran has ended."""
        async with self._alarm:
            while not self._stopping:
                due = await self._round()
                await self._alarm.wait(due)
        await self._source.give_back(self._buffer.shed(0))
        while self._tasks:
            await asyncio.wait(self._tasks)

    def stop(self) -> None:
        """Read nothing more."""
        self._stopping = True
        for pause in self._pauses:
            pause.cancel()
        self._alarm.ring()

    def cancel(self) -> None:
        """End what runs at once, unsettled: this node may not act any more."""
        for task in self._tasks:
            task.cancel()

    async def _round(self) -> int | None:
        """Read and begin what may run now; the service time at which to look again (None: after the next wake)."""
        self._more = self._more or not self._rung  # a wake, or time
        self._rung = False
        if not await self._may_work():
            return None
        self._begin()
        if excess := self._excess():
            await self._source.give_back(excess)
        while (most := self._wanted()) > 0 and not self._stopping:
            try:
                readings = await self._read(most)
            except SourceGone as gone:
                await self._broken(str(gone))
                return None
            await self._works()
            for reading in readings:
                await self._take(reading)
            self._begin()
            last = readings[-1]
            self._more = len(last.records) == most or (self._source.ordered and bool(last.records))
            if not self._more:
                self._scaling.calm()
                return _soonest(last.next_due_ms, self._due())
        return _soonest(self._due(), self._crowded())

    def _crowded(self) -> int | None:
        """Where all that may run runs and there is more to do: when one batch more may run."""
        now = self._clock.now_ms()
        if self._pauses or len(self._tasks) < self._scaling.limit or not (self._more or self._buffer.ready(now)):
            return None
        oldest = min(self._begun.values(), default=self._clock.monotonic())
        self._scaling.busy(now, 1_000 * (self._clock.monotonic() - oldest))
        return now + STEP_MS if self._scaling.may_grow else None

    def _ring(self) -> None:
        self._rung = True
        self._alarm.ring()

    async def _read(self, most: int) -> list[Reading]:
        """One read, or several at once of an ordered source that had more each time: one batch each."""
        if not self._tasks:
            self._target.rouse()
        if not self._source.ordered:
            return [await self._source.read(most)]
        several = min(self._several, self._scaling.limit - len(self._tasks))
        readings = await asyncio.gather(*(self._source.read(most) for _ in range(several)))
        self._several = 2 * several if readings[-1].records else 1
        return readings

    async def _may_work(self) -> bool:
        """Is there a function?"""
        try:
            self._scaling.reserved, timeout_s = await self._target.look()
        except Fault as fault:
            if fault.code != "ResourceNotFoundException":
                raise
            await self._broken(NO_FUNCTION)
            return False
        self._buffer.timeout_ms = int(timeout_s * 1_000)
        if self._problem == NO_FUNCTION:
            await self._works()
        return True

    def _wanted(self) -> int:
        """How many records to read now."""
        scaling, batch = self._scaling, self._mapping.batch_size
        free = 0 if self._pauses else scaling.limit - len(self._tasks)
        if self._source.ordered:
            return batch if free > 0 else 0
        at_once = min(READ_MOST, max(1, int(READ_BYTES / self._record_size)))
        ahead = 0 if self._pauses or self._mapping.window_s else scaling.ahead
        waiting, batches = len(self._buffer), max(free, 0) + ahead
        if self._buffer.bytes > batches * MAX_SYNC_PAYLOAD or (free <= 0 and waiting > ahead * batch // 2):
            return 0
        return min(at_once, batches * batch - waiting)

    def _excess(self) -> list[Record]:
        """What was read in advance for a function that has become slow since."""
        if self._mapping.window_s or self._source.ordered:
            return []
        return self._buffer.shed(2 * (self._scaling.limit + self._scaling.ahead) * self._mapping.batch_size)

    async def _take(self, reading: Reading) -> None:
        """Drop what the filters do not let through; keep the rest."""
        records = reading.records
        if not records:
            if not self._tasks and not len(self._buffer):
                self._scaling.idle()
            return
        self._rounds += 1
        mean = sum(len(record.event) for record in records) / len(records)
        self._record_size = max(mean, (self._record_size + mean) / 2)
        self._count("PolledEventCount", len(records))
        passed: list[Record] = []
        dropped: list[Record] = []
        for record in records:
            (passed if self._filters.accept(record.fields) else dropped).append(record)
        if dropped:
            self._count("FilteredOutEventCount", len(dropped))
            self._spawn(self._settle(dropped, []))
        if self._source.ordered:
            if passed:
                self._spawn(self._in_order(passed))
        else:
            self._buffer.add(passed, self._clock.now_ms())

    def _begin(self) -> None:
        """A task for each batch that is ready, as far as concurrency goes."""
        if self._pauses or self._stopping:
            return
        now = self._clock.now_ms()
        while len(self._tasks) < self._scaling.limit:
            batch = self._buffer.take(now)
            if not batch:
                return
            self._spawn(self._one_after_another(batch))

    def _due(self) -> int | None:
        """When a batch that still gathers must run, if it may."""
        return self._buffer.due_ms() if len(self._tasks) < self._scaling.limit and not self._pauses else None

    def _spawn(self, work: Awaitable[None]) -> None:
        task = self._platform.tasks.spawn(f"lambda: mapping {self._mapping.uuid}", _as_coroutine(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._rounds += 1
        self._ring()

    # Batches

    async def _one_after_another(self, batch: list[Record]) -> None:
        """Run a batch, then those that wait, as long as this many may run."""
        while batch:
            await self._run(batch)
            self._rounds += 1
            if self._stopping or self._pauses or len(self._tasks) > self._scaling.limit:
                return
            now = self._clock.now_ms()
            batch = self._buffer.take(now)
            if self._wanted() > 0:
                self._ring()

    async def _in_order(self, records: list[Record]) -> None:
        """The records of one read of an ordered source. What comes after a failure is not processed."""
        parts = chunks(records)
        for number, part in enumerate(parts):
            if not await self._run(part):
                await self._source.give_back([record for later in parts[number + 1 :] for record in later])
                return

    async def _run(self, batch: list[Record]) -> bool:
        """Invoke and settle; did all records succeed?"""
        failed = await self._invoke(batch)
        processed = batch if not failed else [record for record in batch if record.id not in failed]
        if failed:
            if not self._partial:  # who reports failures one by one expects them (Lambda: "Handling errors...")
                self._scaling.failed()
            self._count("FailedInvokeEventCount", len(batch) - len(processed))
        await self._settle(processed, [record for record in batch if record.id in failed])
        return not failed

    async def _settle(self, processed: Sequence[Record], failed: Sequence[Record]) -> None:
        try:
            if processed:
                await self._source.done(processed)
                self._count("DeletedEventCount", len(processed))
            if failed:
                await self._source.failed(failed)
        except StoreError:
            log.exception("mapping %s: records come again, since they could not be settled", self._mapping.uuid)

    async def _invoke(self, batch: list[Record]) -> set[str]:
        """Ids of the records that the function did not process."""
        everything = {record.id for record in batch}
        pause = FIRST_PAUSE_MS
        while True:
            begun = self._begun[batch[0].id] = self._clock.monotonic()
            try:
                response, error = await self._target.invoke(batch)
            except Fault as fault:
                if fault.code != "TooManyRequestsException":
                    return everything
                self._scaling.throttled()
                if not await self._pause(batch, pause):
                    return everything
                pause = min(2 * pause, MOST_PAUSE_MS)
                continue
            finally:
                self._begun.pop(batch[0].id, None)
            self._count("InvokedEventCount", len(batch))
            if error is not None:
                return everything
            self._scaling.ended(1_000 * (self._clock.monotonic() - begun))
            if not self._partial:
                return set()
            failed = responses.failures(response, everything)
            return everything if failed is None else failed

    async def _pause(self, batch: Sequence[Record], pause_ms: int) -> bool:
        """Wait before a throttled batch tries again; False when nobody is left to wait for it: its records may be read by
        others before it would end, or the mapping stops."""
        again = self._clock.now_ms() + int(pause_ms * self._platform.ids.uniform(0.8, 1.2))
        if self._stopping or again > min(record.latest_ms(self._buffer.timeout_ms) for record in batch):
            return False
        sleep = asyncio.ensure_future(self._clock.sleep_until(again))
        self._pauses.add(sleep)
        try:
            await asyncio.wait((sleep,))
        finally:
            sleep.cancel()
            self._pauses.discard(sleep)
        return not self._stopping

    # What others see

    def _count(self, what: str, number: int) -> None:
        if self._counted:
            mapping = self._mapping
            self._platform.meters.add(
                mapping.account,
                mapping.region,
                f"AWS/Lambda:{what}",
                float(number),
                EventSourceMappingUUID=mapping.uuid,
            )

    async def _broken(self, problem: str) -> None:
        asyncio.get_running_loop().call_later(PATIENCE_S, self._alarm.ring)
        if self._problem != problem:
            self._problem = problem
            await self._report(problem)

    async def _works(self) -> None:
        if self._problem is not None:
            self._problem = None
            await self._report(None)

    async def quiet(self) -> bool:
        """Wait until nothing is receivable and nothing runs (a batch that pauses waits for time, as an idle mapping does);
        says whether there was anything."""
        before = self._rounds
        while not self._stopping:
            seen = self._rounds
            self._alarm.ring()
            await self._alarm.rung()
            running = len(self._tasks) - len(self._pauses)
            if running > 0:
                await asyncio.wait(set(self._tasks), timeout=0.05)
            elif seen == self._rounds:
                break
        return self._rounds != before


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work


def _soonest(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
