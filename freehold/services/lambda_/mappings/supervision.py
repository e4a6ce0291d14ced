"""Bringing what runs in line with the rows.

The row of a mapping says where it is going. `Mappings`, on every node, reads all rows when they change; a mapping that is
enabled or on its way is a duty, which of several nodes one has: its `Supervisor` starts and stops the mapping's poller, and
then moves the row on (every state that it writes proves that it has the duty). Creating, Enabling and Updating end when the
poller works with the new settings, Disabling and Deleting when what ran has ended.

A mapping that goes to another node is read there at once; batches that ran here end here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from freehold.services.lambda_.mappings import rows
from freehold.services.lambda_.mappings.model import ENABLED, STEADY, Mapping
from freehold.services.lambda_.mappings.poller import Poller
from freehold.services.lambda_.mappings.queue_source import QueueSource
from freehold.services.lambda_.mappings.source import Source
from freehold.services.lambda_.state import scan_all
from freehold.work.duties import Held
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

STOP_S = 3.0
"""How long a server that stops waits for batches that run, so that what they processed is not processed again."""
PATIENCE_S = 3.0
"""How long batches have to end before their mapping is read on another node."""
OWN = "lambda.mappings"


def source_of(platform: Platform, mapping: Mapping) -> Source:
    """What the mapping reads."""
    return QueueSource(platform, mapping.source, filtered=bool(mapping.filters))


class Supervisor:
    """One mapping."""

    def __init__(self, platform: Platform, mapping: Mapping) -> None:
        self._platform = platform
        self._wanted: Mapping | None = mapping
        self._changed = asyncio.Event()
        self._steady = asyncio.Event()
        """Set while there is nothing to follow."""
        self._at_work: Mapping | None = None
        self._poller: Poller | None = None
        self._polling: dict[asyncio.Task[None], Poller] = {}
        self._working: asyncio.Task[None] | None = None
        self.duty = platform.duties.run(f"lambda:mapping:{mapping.uuid}", self._work, patience=PATIENCE_S)

    def want(self, mapping: Mapping | None) -> None:
        """The row is this now (None: it is gone)."""
        self._wanted = mapping
        self._changed.set()
        self._steady.clear()

    async def _work(self, lease: Held) -> None:
        """Follow the row while this node has the duty."""
        lease.when_ending(self._changed.set)
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                if lease.ending:
                    await self.end()
                    return
                self._changed.clear()
                if self._wanted is not None:
                    await self._follow(self._wanted, lease)
                if not self._changed.is_set():
                    self._steady.set()
        finally:
            self._steady.set()
            self._stop()
            if lease.lost:
                for task, poller in self._polling.items():
                    task.cancel()
                    poller.cancel()

    async def _follow(self, mapping: Mapping, lease: Held) -> None:
        """Do what the row asks and move it on."""
        if mapping.goal != ENABLED:
            await self.end()
        elif self._at_work is None or self._at_work.behaviour() != mapping.behaviour():
            self._stop()
            self._start(mapping, lease)
        if mapping.state not in STEADY:
            await self._platform.store.transact(lambda tx: rows.arrive(tx, lease, mapping))

    def _start(self, mapping: Mapping, lease: Held) -> None:
        platform, key = self._platform, rows.key(mapping)

        async def report(problem: str | None) -> None:
            await platform.store.transact(lambda tx: rows.note_problem(tx, lease, key, problem))

        poller = Poller(platform, mapping, source_of(platform, mapping), report)
        task = platform.tasks.loop(f"lambda: mapping {mapping.uuid}", poller.run)
        self._polling[task] = poller
        task.add_done_callback(self._polling.pop)
        self._poller, self._at_work, self._working = poller, mapping, task

    def _stop(self) -> None:
        """Read nothing more; what runs goes on."""
        if self._poller is not None:
            self._poller.stop()
        self._poller = self._at_work = self._working = None

    async def end(self) -> None:
        """Read nothing more, and return when what runs has ended."""
        self._stop()
        if self._polling:
            await asyncio.wait(set(self._polling))

    async def quiet(self) -> bool:
        """Wait until nothing is due and nothing runs; says whether there was anything."""
        if self.duty.lease is not None:
            await self._steady.wait()
        worked = self._poller is not None and await self._poller.quiet()
        if ending := self._polling.keys() - {self._working}:
            await asyncio.wait(ending)
            worked = True
        return worked


class Mappings:
    """All mappings, as this node sees them; `platform.own["lambda.mappings"]`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._alarm = Alarm(platform.store, platform.clock, rows.CHANGED)
        self._seen: dict[bytes, bytes] = {}
        self._supervisors: dict[bytes, Supervisor] = {}
        self._leaving: dict[bytes, asyncio.Task[None]] = {}
        self.following: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Follow the rows for ever."""
        async with self._alarm:
            while True:
                await self._look()
                await self._alarm.wait(None)

    async def _look(self) -> None:
        found = dict(await self._platform.store.read_many(lambda tx: scan_all(tx, *rows.everything())))
        for key in self._seen.keys() - found.keys():
            self._follow(key, None)
        for key, raw in found.items():
            if self._seen.get(key) != raw:
                self._follow(key, rows.mappings.load(raw))
        self._seen = found

    def _follow(self, key: bytes, mapping: Mapping | None) -> None:
        supervisor = self._supervisors.get(key)
        resting = mapping is None or (mapping.state in STEADY and mapping.state != ENABLED)
        if supervisor is not None and resting:
            del self._supervisors[key]
            self._leaving[key] = self._platform.tasks.spawn("lambda: mapping at rest", self._leave(key, supervisor))
        elif supervisor is not None:
            supervisor.want(mapping)
        elif mapping is not None and not resting and key not in self._leaving:
            self._supervisors[key] = Supervisor(self._platform, mapping)

    async def _leave(self, key: bytes, supervisor: Supervisor) -> None:
        """There is nothing more to do for a mapping, unless it was changed again meanwhile."""
        supervisor.want(None)
        await supervisor.duty.withdraw()
        del self._leaving[key]
        if (raw := self._seen.get(key)) is not None:
            self._follow(key, rows.mappings.load(raw))

    async def settle(self) -> bool:
        """Wait until no enabled mapping has anything to do (Manifest.settle)."""
        worked = False
        self._alarm.ring()
        await self._alarm.rung()
        for supervisor in list(self._supervisors.values()):
            worked = await supervisor.quiet() or worked
        while self._leaving:
            await asyncio.wait(self._leaving.values())
        return worked

    async def stop(self) -> None:
        """The server stops: read nothing more, and let short functions end."""
        if self.following is not None:
            self.following.cancel()
        ending = [asyncio.ensure_future(supervisor.duty.withdraw()) for supervisor in self._supervisors.values()]
        self._supervisors.clear()
        if ending:
            await asyncio.wait(ending, timeout=STOP_S)


def mappings_of(platform: Platform) -> Mappings:
    """The mappings of this server."""
    found = platform.own.get(OWN)
    if found is None:
        found = platform.own[OWN] = Mappings(platform)
    assert isinstance(found, Mappings)
    return found


async def start(platform: Platform) -> None:
    """Work for the mappings that are enabled, and finish what was on its way."""
    mappings = mappings_of(platform)
    mappings.following = platform.tasks.loop("lambda: event source mappings", mappings.run)


async def stop(platform: Platform) -> None:
    """Leave what runs to end, for a moment."""
    await mappings_of(platform).stop()


async def settle(platform: Platform) -> bool:
    """Wait until no message is receivable by any enabled mapping and no invocation of a mapping runs."""
    return await mappings_of(platform).settle()
