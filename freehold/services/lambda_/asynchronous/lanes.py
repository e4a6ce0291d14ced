"""Lanes: each function's events wait in a lane of their own, so that no function's events ever wait for another's.

Lanes are spread over shards. A shard looks at the lanes that have rows when it is told of an event, when an event has ended
and when the next is due; a lane that has no room costs one small read. A lane's room is what its function's concurrency
turned out to be: when a run is refused for lack of it, as many as run now may run, until one of them ends or until a
backoff of 1 second to 5 minutes allows a try for more. What waits is not touched meanwhile: ten thousand events of a
function at its limit cost nothing. And room is approached step by step, sixteen runs at first, twice as many whenever all
places are taken and half of the runs have lasted half a second: a backlog of short events does not fill the host with
instances.

A shard is a duty: of several nodes one works it, and every transaction that ends an attempt proves it. What runs when a
shard goes to another node runs to its end: its rows say so. Events that ran when a node died run again. What an event sends
when it ends is in the transaction that removes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from freehold.services.lambda_ import rows
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.asynchronous.attempts import Again, Attempt, Ended, Throttled, Verdict, backoff_ms
from freehold.services.lambda_.asynchronous.events import Event
from freehold.services.lambda_.limits import CONCURRENCY
from freehold.services.lambda_.rows import Keys
from freehold.store.base import CommitUnknown, Contended, ReadTx, Tx
from freehold.work.attempt import attempt
from freehold.work.duties import Duty, Held
from freehold.work.leases import LeaseLost
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
PATIENCE_S = 5.0
MOMENT_S = 1.0
"""Real seconds that runs have to end before their shard goes to another node without them."""
HELD_MS = 2_000
"""How often events that another node still runs are looked at: it may have died."""
STEP_S = 0.5
"""Real seconds that runs last which earn their lane more places."""

Name = tuple[str, str, str]


class Lane:
    """What is known of one function's events in this process; nothing of it is a fact."""

    __slots__ = ("bytes", "flying", "landed", "most", "probe_ms", "probing", "ramp", "refusals", "reserved")

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
        self.reserved: object = None
        """What was reserved when there was no room."""

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

    def under(self, reserved: object) -> None:
        """So much is reserved now: when it was set anew, what was learned no longer holds."""
        if self.reserved not in (None, reserved):
            self.most, self.refusals, self.probing = CONCURRENCY, 0, False
        self.reserved = reserved if self.refusals else None

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
        self._shards = [_Shard(self._platform, number) for number in range(events.SHARDS)]
        for shard in self._shards:
            shard.duty = self._platform.duties.run(f"lambda:events:{shard.number}", shard.run, patience=PATIENCE_S)

    async def settle(self) -> bool:
        """Wait until nothing is due that there is room for and nothing runs; says whether there was anything."""
        worked = False
        for shard in self._shards:
            worked = await shard.settle() or worked
        return worked

    async def close(self) -> None:
        """Stop. What was under way runs again, at the next start or elsewhere, unless its end was recorded."""
        for shard in self._shards:
            shard.closing = True
        await asyncio.gather(*(shard.duty.withdraw() for shard in self._shards if shard.duty is not None))


class _Shard:
    """The worker of one shard's lanes."""

    def __init__(self, platform: Platform, number: int) -> None:
        self.number = number
        self.duty: Duty | None = None
        self.closing = False
        self._platform, self._store, self._clock = platform, platform.store, platform.clock
        self._members = platform.duties.members
        self._lanes: dict[Name, Lane] = {}
        self._running: dict[asyncio.Task[None], bytes] = {}
        self._held: set[bytes] = set()
        """Events that run here although the shard was handed over."""
        self._begun = 0
        self._lease: Held | None = None
        self._step: asyncio.TimerHandle | None = None
        self._alarm = Alarm(platform.store, platform.clock, events.wake_key(number))

    async def run(self, lease: Held) -> None:
        """Work while this node has the duty. What runs then goes on, held by its rows; unless this node stops or is cut
        off: then it runs again elsewhere."""
        self._lease = lease
        lease.when_ending(self._alarm.ring)
        try:
            await self._work(lease)
            if not (lease.lost or self.closing):
                await self._hold(lease)
        finally:
            self._lease = None
            if self._step is not None:
                self._step.cancel()
                self._step = None
            self._lanes.clear()
            await self._drop()

    async def _work(self, lease: Held) -> None:
        async with self._alarm as alarm:
            while not lease.ending:
                more, next_due = await self._look()
                if more:
                    await asyncio.sleep(0)  # what has begun says whether there is room
                else:
                    await alarm.wait(next_due)

    async def _hold(self, lease: Held) -> None:
        """Give what runs a moment; say in the rows of the rest that this node goes on with them."""
        if self._running:
            await asyncio.wait(self._running, timeout=MOMENT_S)
        keys = list(set(self._running.values()) - self._held)
        for at in range(0, len(keys), events.PAGE):
            await self._hold_page(lease, keys[at : at + events.PAGE])

    async def _hold_page(self, lease: Held, keys: list[bytes]) -> None:
        def body(tx: Tx) -> None:
            lease.check(tx)
            events.hold(tx, keys, self._members.id)

        await self._store.transact(body)
        self._held.update(keys)

    async def _drop(self) -> None:
        """What runs and is not held runs again, wherever the shard is worked next."""
        dropped = [task for task, key in self._running.items() if self.closing or key not in self._held]
        for task in dropped:
            task.cancel()
        if dropped:
            await asyncio.wait(dropped)

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
        if lane.refusals:
            lane.under(await self._store.read(lambda tx: reserved_of(tx, *name)))
        start, stop = events.lane_span(self.number, name)
        end, begun, monotonic = events.due_end(self.number, name, now), 0, self._clock.monotonic()
        held = False
        while lane.room(now, monotonic) > 0:
            landed = lane.landed
            page = await self._store.read(lambda tx, start=start: tx.scan(start, stop, limit=events.PAGE))  # type: ignore[misc]
            if landed != lane.landed:
                continue  # this page may show events whose end was recorded while it was read
            for key, value in page:
                if key >= end:
                    return False, now + HELD_MS if held else events.due_of(key)
                if key in lane.flying:
                    continue
                if begun == _BURST:
                    return True, None
                if lane.room(now, monotonic) <= 0:
                    break
                event = events.load(value)
                if event.held and self._members.is_live(event.held):
                    held = True
                    continue
                self._launch(lane, key, event, monotonic)
                begun += 1
            else:
                if len(page) < events.PAGE:
                    return False, now + HELD_MS if held else None
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
        assert self._lease is not None
        task = self._platform.tasks.spawn("lambda: event", self._perform(self._lease, lane, key, event))
        self._running[task] = key
        task.add_done_callback(self._running.pop)

    async def _perform(self, lease: Held, lane: Lane, key: bytes, event: Event) -> None:
        throttled = False
        try:
            payload = event.payload
            if payload is None:
                payload = await self._store.read(lambda tx: events.payload_of(tx, event))
            if payload is None:  # a second event of the same request, which ended with the first
                await self._record(lease, key, event, Ended())
                return
            verdict = await self._attempt(event, payload)
            throttled = isinstance(verdict, Throttled)
            await self._record(lease, key, event, verdict)
        finally:
            self._held.discard(key)
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

    async def _record(self, lease: Held, key: bytes, event: Event, verdict: Verdict) -> None:
        """Write how the attempt ended."""
        if isinstance(verdict, Throttled):
            if key in self._held:
                await self._store.transact(lambda tx: events.let_go(tx, key, self._members.id))
            return
        failures = await self._commit(lease, key, event, verdict)
        if failures is None:
            return
        counted = failures if event.begun else ["AsyncEventsReceived", *failures]
        for meter in counted:
            self._platform.meters.add(event.account, event.region, f"AWS/Lambda:{meter}", 1.0, FunctionName=event.name)

    async def _commit(self, lease: Held, key: bytes, event: Event, verdict: Ended | Again) -> list[str] | None:
        """The meters to count for what could not be delivered; None where another node runs the event now. An event
        whose sending fails in a way that no destination refuses by ends without it: else it would run for ever."""
        pause = 0.1
        while True:
            held = key in self._held
            outcome = await attempt(self._store.transact(self._recorder(lease, key, event, verdict, held)))
            if isinstance(outcome, list):
                return outcome
            if isinstance(outcome, LeaseLost):
                if held != (key in self._held):
                    continue  # the shard was handed over meanwhile, without this event
                log.warning("event %s ran here, and is another node's now", event.request_id)
                return None
            if isinstance(outcome, (Contended, CommitUnknown)):
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)
            elif isinstance(verdict, Ended) and verdict.send is not None:
                log.error("what event %s sends cannot be sent", event.request_id, exc_info=outcome)
                verdict = Ended(lambda tx: ["DestinationDeliveryFailures"])
            else:
                raise outcome

    def _recorder(
        self, lease: Held, key: bytes, event: Event, verdict: Ended | Again, held: bool
    ) -> Callable[[Tx], list[str]]:
        def body(tx: Tx) -> list[str]:
            if held:
                events.check_held(tx, key, self._members.id)
            else:
                lease.check(tx)
            if isinstance(verdict, Again):
                events.again(tx, key, msgspec.structs.replace(verdict.event, begun=True), verdict.due_ms)
                return []
            events.remove(tx, key, event)
            return verdict.send(tx) if verdict.send is not None else []

        return body

    @property
    def _works(self) -> bool:
        return self.duty is not None and self.duty.lease is not None and not self.duty.lease.ending

    async def settle(self) -> bool:
        """As Lanes.settle. Two rounds: the first may have begun to look before it was asked to."""
        worked, quiet = False, 0
        while quiet < 2 and self._works:
            before = self._begun
            self._alarm.ring()
            await self._alarm.rung()
            while self._running and self._works:
                await self._alarm.rung()
            quiet = quiet + 1 if self._begun == before else 0
            worked = worked or not quiet
        return worked


def reserved_of(tx: ReadTx, account: str, region: str, name: str) -> tuple[int | None, bytes | None]:
    """What decides how much a function may run: its own reservation, and those of all others."""
    keys = Keys(account, region)
    function = rows.functions.get(tx, keys.function(name))
    return None if function is None else function.reserved, tx.get(keys.reserved())


def lanes_of(platform: Platform) -> Lanes:
    """The lanes of this server."""
    lanes: Lanes = platform.own["lambda.lanes"]
    return lanes
