"""Lanes: each function's events wait in a lane of their own, so that no function's events ever wait for another's.

Lanes are spread over shards. A shard looks at the lanes that have rows when it is told of an event, when an event has ended
and when the next is due; a lane that has no room costs one small read. A lane's room is what its function's concurrency
turned out to be: when a run is refused for lack of it, as many as run now may run, until one of them ends or until a
backoff of 1 second to 5 minutes allows a try for more. What waits is not touched meanwhile: ten thousand events of a
function at its limit cost nothing. And room is approached step by step, sixteen runs at first, twice as many whenever all
places are taken and half of the runs have lasted half a second: a backlog of short events does not fill the host with
instances.

One process works the lanes, under a lease whose epoch every transaction that ends an attempt checks. Events that ran when
a process died run again. What an event sends when it ends is in the transaction that removes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.asynchronous.attempts import Again, Attempt, Ended, Throttled, Verdict, backoff_ms
from freehold.services.lambda_.asynchronous.events import Event
from freehold.services.lambda_.limits import CONCURRENCY
from freehold.services.lambda_.names import FunctionName
from freehold.store.base import CommitUnknown, Contended, Tx
from freehold.work.attempt import attempt
from freehold.work.leases import Lease, LeaseLost, Leases
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.lambda")

FLYING_BYTES = 32 << 20
"""Payload bytes of one function under way at a time."""
_BURST = 64
"""Events that one lane begins before the next lane's turn."""
PROBE_MS = 100
"""Service time after which a try for more room that was not refused is followed by the next."""
FIRST_RUNS = 16
STEP_S = 0.5
"""Real seconds that runs last which earn their lane more places."""

Name = tuple[str, str, str]


class Lane:
    """What is known of one function's events in this process; nothing of it is a fact."""

    __slots__ = ("bytes", "flying", "landed", "most", "probe_ms", "probing", "ramp", "refusals")

    def __init__(self) -> None:
        self.flying: dict[bytes, float] = {}
        """What runs, and since when (monotonic seconds), oldest first."""
        self.bytes = 0
        self.ramp = FIRST_RUNS
        self.landed = 0
        self.most = CONCURRENCY
        self.refusals = 0
        """Tries for more room in a row that were refused; while it is 0 the room is Lambda's whole concurrency."""
        self.probing = False
        self.probe_ms = 0
        """When the next try for more room is allowed (service time)."""

    def room(self, now_ms: int, monotonic: float) -> int:
        """How many more may begin."""
        if self.bytes >= FLYING_BYTES and self.flying:
            return 0
        if self.refusals and now_ms >= self.probe_ms:
            self.probing, self.most, self.probe_ms = True, max(2 * self.most, 1), now_ms + PROBE_MS
            if self.most >= CONCURRENCY:
                self.probing, self.most, self.refusals = False, CONCURRENCY, 0
        if self.climbs and monotonic - next(islice(self.flying.values(), len(self.flying) // 2, None)) >= STEP_S:
            self.ramp = min(2 * self.ramp, CONCURRENCY)
        return min(self.most, self.ramp) - len(self.flying)

    @property
    def climbs(self) -> bool:
        """Will time alone give it more room?"""
        return len(self.flying) >= self.ramp < min(self.most, CONCURRENCY)

    def refused(self, now_ms: int) -> None:
        """There was no room for one more than now fly."""
        if self.probing or not self.refusals:
            self.refusals += 1
            self.probe_ms = now_ms + backoff_ms(self.refusals)
            self.probing = False
        self.most = min(self.most, len(self.flying))

    def forget(self) -> None:
        """The function's concurrency was set anew: what was learned of it no longer holds."""
        self.most, self.refusals, self.probing = CONCURRENCY, 0, False

    def ran(self) -> None:
        """An attempt has ended: its place is free for the next."""
        if self.refusals:
            self.refusals, self.most = 1, max(self.most, 1)


class Lanes:
    """All lanes, in shards."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._shards: list[_Shard] = []

    async def start(self) -> None:
        """Begin. What earlier processes left is due at once, in its old order."""
        platform = self._platform
        lease = await Leases(platform.store, platform.clock, platform.ids).take("lambda.events")
        self._shards = [_Shard(platform, lease, number) for number in range(events.SHARDS)]
        for shard in self._shards:
            platform.tasks.loop(f"lambda: events {shard.number}", shard.run)

    def reconsider(self, name: FunctionName) -> None:
        """The concurrency of a function was set anew."""
        self._shards[events.shard_of(*name[:3])].reconsider(name[:3])

    async def settle(self) -> bool:
        """Wait until nothing is due that there is room for and nothing runs; says whether there was anything."""
        worked = False
        for shard in self._shards:
            worked = await shard.settle() or worked
        return worked

    async def close(self) -> None:
        """Stop. What was under way runs again at the next start unless its end was recorded."""
        for shard in self._shards:
            await shard.close()


class _Shard:
    """The worker of one shard's lanes."""

    def __init__(self, platform: Platform, lease: Lease, number: int) -> None:
        self.number = number
        self._platform, self._store, self._clock, self._lease = platform, platform.store, platform.clock, lease
        self._lanes: dict[Name, Lane] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._begun = 0
        self._lost = False
        self._step: asyncio.TimerHandle | None = None
        self._alarm = Alarm(platform.store, platform.clock, events.wake_key(number))

    async def run(self) -> None:
        async with self._alarm as alarm:
            while not self._lost:
                more, next_due = await self._look()
                if more:
                    await asyncio.sleep(0)  # what has begun says whether there is room
                else:
                    await alarm.wait(next_due)

    async def _look(self) -> tuple[bool, int | None]:
        """Give each lane that has rows its turn. (may a lane begin more, when is there something to do)"""
        now, more, next_due = self._clock.now_ms(), False, None
        at, end = events.shard_span(self.number)
        seen: set[Name] = set()
        while first := await self._store.read(lambda tx, at=at: tx.scan(at, end, limit=1)):  # type: ignore[misc]
            name = events.lane_of(first[0][0])
            seen.add(name)
            begun, due = await self._turn(name, now)
            more = more or begun
            if due is not None:
                next_due = due if next_due is None else min(next_due, due)
            at = events.lane_span(self.number, name)[1]
        for name in [name for name, lane in self._lanes.items() if name not in seen and not lane.flying]:
            del self._lanes[name]
        return more, next_due

    async def _turn(self, name: Name, now: int) -> tuple[bool, int | None]:
        """Begin what is due and has room, up to a burst."""
        lane = self._lanes.setdefault(name, Lane())
        start, stop = events.lane_span(self.number, name)
        end, begun, monotonic = events.due_end(self.number, name, now), 0, self._clock.monotonic()
        while lane.room(now, monotonic) > 0:
            landed = lane.landed
            page = await self._store.read(lambda tx, start=start: tx.scan(start, stop, limit=events.PAGE))  # type: ignore[misc]
            if landed != lane.landed:
                continue  # this page may show events whose end was recorded while it was read
            for key, value in page:
                if key >= end:
                    return False, events.due_of(key)
                if key in lane.flying:
                    continue
                if begun == _BURST:
                    return True, None
                if lane.room(now, monotonic) <= 0:
                    break
                self._launch(lane, key, events.load(value), monotonic)
                begun += 1
            else:
                if len(page) < events.PAGE:
                    return False, None
                start = page[-1][0] + b"\x00"
        if lane.climbs and self._step is None:
            self._step = asyncio.get_running_loop().call_later(STEP_S, self._climb)
        return False, lane.probe_ms if lane.refusals else None

    def _climb(self) -> None:
        self._step = None
        self._alarm.ring()

    def _launch(self, lane: Lane, key: bytes, event: Event, monotonic: float) -> None:
        lane.flying[key] = monotonic
        lane.bytes += event.size
        self._begun += 1
        task = self._platform.tasks.spawn("lambda: event", self._perform(lane, key, event))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _perform(self, lane: Lane, key: bytes, event: Event) -> None:
        throttled = False
        try:
            payload = event.payload
            if payload is None:
                payload = await self._store.read(lambda tx: events.payload_of(tx, event))
            if payload is None:  # a second event of the same request, which ended with the first
                await self._record(key, event, Ended())
                return
            verdict = await self._attempt(event, payload)
            throttled = isinstance(verdict, Throttled)
            await self._record(key, event, verdict)
        finally:
            lane.flying.pop(key, None)
            lane.bytes -= event.size
            lane.landed += 1
            if throttled:
                lane.refused(self._clock.now_ms())
            else:
                lane.ran()
            self._alarm.ring()

    async def _attempt(self, event: Event, payload: bytes) -> Verdict:
        verdict = await attempt(Attempt(self._platform, event, payload).run())
        if not isinstance(verdict, Exception):
            return verdict
        troubled = msgspec.structs.replace(event, troubles=event.troubles + 1)
        after = backoff_ms(troubled.troubles)
        log.error("event %s of %s; again in %d ms", event.request_id, event.address.arn, after, exc_info=verdict)
        return Again(troubled, self._clock.now_ms() + after)

    async def _record(self, key: bytes, event: Event, verdict: Verdict) -> None:
        """Write how the attempt ended."""
        if isinstance(verdict, Throttled):
            return
        failures = await self._commit(key, event, verdict)
        if failures is None:
            return
        counted = failures if event.begun else ["AsyncEventsReceived", *failures]
        for meter in counted:
            self._platform.meters.add(event.account, event.region, f"AWS/Lambda:{meter}", 1.0, FunctionName=event.name)

    async def _commit(self, key: bytes, event: Event, verdict: Ended | Again) -> list[str] | None:
        """The meters to count for what could not be delivered; None where another process runs the events now. An event
        whose sending fails in a way that no destination refuses by ends without it: else it would run for ever."""
        pause = 0.1
        while True:
            outcome = await attempt(self._store.transact(self._recorder(key, event, verdict)))
            if isinstance(outcome, list):
                return outcome
            if isinstance(outcome, LeaseLost):
                self._lost = True
                log.warning("another process runs the events of Lambda functions now")
                return None
            if isinstance(outcome, (Contended, CommitUnknown)):
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)
            elif isinstance(verdict, Ended) and verdict.send is not None:
                log.error("what event %s sends cannot be sent", event.request_id, exc_info=outcome)
                verdict = Ended(lambda tx: ["DestinationDeliveryFailures"])
            else:
                raise outcome

    def _recorder(self, key: bytes, event: Event, verdict: Ended | Again) -> Callable[[Tx], list[str]]:
        def body(tx: Tx) -> list[str]:
            self._lease.check(tx)
            if isinstance(verdict, Again):
                events.again(tx, key, msgspec.structs.replace(verdict.event, begun=True), verdict.due_ms)
                return []
            events.remove(tx, key, event)
            return verdict.send(tx) if verdict.send is not None else []

        return body

    def reconsider(self, name: Name) -> None:
        lane = self._lanes.get(name)
        if lane is not None:
            lane.forget()
            self._alarm.ring()

    async def settle(self) -> bool:
        """As Lanes.settle. Two rounds: the first may have begun to look before it was asked to."""
        worked, quiet = False, 0
        while quiet < 2 and not self._lost:
            before = self._begun
            self._alarm.ring()
            await self._alarm.rung()
            while self._running and not self._lost:
                await self._alarm.rung()
            quiet = quiet + 1 if self._begun == before else 0
            worked = worked or not quiet
        return worked

    async def close(self) -> None:
        self._lost = True
        self._alarm.ring()
        if self._step is not None:
            self._step.cancel()
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)


def lanes_of(platform: Platform) -> Lanes:
    """The lanes of this server."""
    lanes: Lanes = platform.own["lambda.lanes"]
    return lanes
