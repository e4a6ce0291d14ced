"""Bringing what runs in line with the rows.

The row of a mapping says where it is going. `Mappings` reads all rows when they change; each mapping that is enabled or on
its way has a `Supervisor`, which holds the mapping's lease (every state that it writes proves the lease's epoch), starts and
stops its poller, and then moves the row on: Creating, Enabling and Updating end when the poller works with the new settings,
Disabling and Deleting when what ran has ended.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from freehold.services.lambda_.mappings import rows
from freehold.services.lambda_.mappings.model import ENABLED, STEADY, Mapping
from freehold.services.lambda_.mappings.poller import Poller
from freehold.services.lambda_.mappings.queue_source import QueueSource
from freehold.services.lambda_.mappings.source import Source
from freehold.services.lambda_.state import scan_all
from freehold.work.leases import Lease, LeaseLost, Leases
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.lambda")

STOP_S = 3.0
"""How long a server that stops waits for batches that run, so that what they processed is not processed again."""
OWN = "lambda.mappings"


def source_of(platform: Platform, mapping: Mapping) -> Source:
    """What the mapping reads."""
    return QueueSource(platform, mapping.source, filtered=bool(mapping.filters))


class Supervisor:
    """One mapping."""

    def __init__(self, platform: Platform, leases: Leases, mapping: Mapping) -> None:
        self._platform, self._leases = platform, leases
        self._wanted: Mapping | None = mapping
        self._changed = asyncio.Event()
        self._changed.set()
        self._steady = asyncio.Event()
        """Set while there is nothing to follow."""
        self._lease: Lease | None = None
        self._at_work: Mapping | None = None
        self._poller: Poller | None = None
        self._polling: set[asyncio.Task[None]] = set()
        self._working: asyncio.Task[None] | None = None
        self.uuid = mapping.uuid

    def want(self, mapping: Mapping | None) -> None:
        """The row is this now (None: it is gone)."""
        self._wanted = mapping
        self._changed.set()
        self._steady.clear()

    async def run(self) -> None:
        """Until the mapping is disabled, deleted, or somebody else's."""
        self._lease = await self._leases.take(f"lambda.mapping/{self.uuid}")
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                mapping = self._wanted
                if mapping is None or not await self._follow(mapping, self._lease):
                    return
                if not self._changed.is_set():
                    self._steady.set()
        except LeaseLost:
            log.warning("mapping %s is another server's now", self.uuid)
        finally:
            self._steady.set()
            self._stop()

    async def _follow(self, mapping: Mapping, lease: Lease) -> bool:
        """Do what the row asks and move it on; False when there is nothing more to do for it."""
        if mapping.goal != ENABLED:
            await self.end()
        elif self._at_work is None or self._at_work.behaviour() != mapping.behaviour():
            self._stop()
            self._start(mapping)
        if mapping.state in STEADY:
            return mapping.state == ENABLED or self._changed.is_set()
        arrived = await self._platform.store.transact(lambda tx: rows.arrive(tx, lease, mapping))
        return (arrived is not None and arrived.goal == ENABLED) or self._changed.is_set()

    def _start(self, mapping: Mapping) -> None:
        platform, lease = self._platform, self._lease
        assert lease is not None
        key = rows.key(mapping)

        async def report(problem: str | None) -> None:
            await platform.store.transact(lambda tx: rows.note_problem(tx, lease, key, problem))

        poller = Poller(platform, mapping, source_of(platform, mapping), report)
        task = platform.tasks.loop(f"lambda: mapping {mapping.uuid}", poller.run)
        self._polling.add(task)
        task.add_done_callback(self._polling.discard)
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
        await self._steady.wait()
        worked = self._poller is not None and await self._poller.quiet()
        if ending := self._polling - {self._working}:
            await asyncio.wait(ending)
            worked = True
        return worked


class Mappings:
    """All mappings that this server works for; `platform.own["lambda.mappings"]`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._leases = Leases(platform.store, platform.clock, platform.ids)
        self._alarm = Alarm(platform.store, platform.clock, rows.CHANGED)
        self._seen: dict[bytes, bytes] = {}
        self._supervisors: dict[bytes, tuple[Supervisor, asyncio.Task[None]]] = {}

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
        running = self._supervisors.get(key)
        if running is not None and not running[1].done():
            running[0].want(mapping)
        elif mapping is not None and not (mapping.state in STEADY and mapping.state != ENABLED):
            supervisor = Supervisor(self._platform, self._leases, mapping)
            task = self._platform.tasks.spawn(f"lambda: supervisor {mapping.uuid}", supervisor.run())
            self._supervisors[key] = supervisor, task
        else:
            self._supervisors.pop(key, None)

    async def settle(self) -> bool:
        """Wait until no enabled mapping has anything to do (Manifest.settle)."""
        worked = False
        self._alarm.ring()
        await self._alarm.rung()
        for supervisor, _ in list(self._supervisors.values()):
            worked = await supervisor.quiet() or worked
        return worked

    async def stop(self) -> None:
        """The server stops: read nothing more, and let short functions end."""
        ending = [asyncio.ensure_future(supervisor.end()) for supervisor, _ in self._supervisors.values()]
        if ending:
            _, late = await asyncio.wait(ending, timeout=STOP_S)
            for task in late:
                task.cancel()


def mappings_of(platform: Platform) -> Mappings:
    """The mappings of this server."""
    found = platform.own.get(OWN)
    if found is None:
        found = platform.own[OWN] = Mappings(platform)
    assert isinstance(found, Mappings)
    return found


async def start(platform: Platform) -> None:
    """Work for the mappings that are enabled, and finish what was on its way."""
    platform.tasks.loop("lambda: event source mappings", mappings_of(platform).run)


async def stop(platform: Platform) -> None:
    """Leave what runs to end, for a moment."""
    await mappings_of(platform).stop()


async def settle(platform: Platform) -> bool:
    """Wait until no message is receivable by any enabled mapping and no invocation of a mapping runs."""
    return await mappings_of(platform).settle()
