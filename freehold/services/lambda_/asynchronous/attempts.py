"""One attempt at an event: run it, and decide whether it has ended, runs again, or waits for room.

("How Lambda handles errors and retries with asynchronous invocation": function errors run again after one minute and two
minutes; throttles and errors of Lambda itself from 1 second to 5 minutes, doubling, up to the maximum age of the event.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from freehold.kit.faults import Fault
from freehold.ports.identity import Source
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import limits, recursion
from freehold.services.lambda_.asynchronous import dead_letters, destinations, records
from freehold.services.lambda_.asynchronous.events import Event
from freehold.services.lambda_.asynchronous.records import Record, Result
from freehold.services.lambda_.engine import Engine, Entry, Route, engine_of
from freehold.services.lambda_.model import InvokeConfig
from freehold.services.lambda_.tracing import header_for
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

FIRST_BACKOFF_MS = 1_000
MOST_BACKOFF_MS = 300_000
_DEFAULT = InvokeConfig("", 0.0)


@dataclass(frozen=True, slots=True)
class Ended:
    """The event has ended. `send` sends what follows from it, in the transaction that removes it; it answers the meters to
    count for what could not be delivered."""

    send: Callable[[Tx], list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The event, as it is now, runs again at `due_ms`."""

    event: Event
    due_ms: int


class Throttled:
    """There was no room. The event waits on, unchanged."""


Verdict = Ended | Again | Throttled


def backoff_ms(times: int) -> int:
    """After so many attempts in vain: 1 second, doubling to 5 minutes."""
    return min(FIRST_BACKOFF_MS << min(max(times - 1, 0), 20), MOST_BACKOFF_MS)


class Attempt:
    """One attempt at one event."""

    def __init__(self, platform: Platform, event: Event, payload: bytes) -> None:
        self._platform, self._event, self._payload = platform, event, payload
        self._engine: Engine = engine_of(platform)
        self._name = event.address
        self._now = platform.clock.now_ms()
        self._trace = event.trace
        """What is sent at the end belongs to the event's trace, and comes from this function once that has run."""

    async def run(self) -> Verdict:
        """The verdict. Never raises for what a function or its settings do."""
        try:
            entry, route = await self._engine.resolve(self._name)
        except Fault as fault:
            if fault.code == "ResourceNotFoundException":  # deleted since: nobody is left to say where it should go
                self._count("AsyncEventsDropped")
                return Ended()
            return self._trouble(_DEFAULT)
        config = route.invoke_config or _DEFAULT
        spec = self._engine.choose(route)
        if entry.reserved == 0:
            return await self._failed(records.ZERO, entry, route, spec, None)
        if self._now - self._event.accepted_ms > _max_age_ms(config):
            return await self._failed(records.AGE, entry, route, spec, None)
        return await self._invoke(entry, route, spec, config)

    async def _invoke(self, entry: Entry, route: Route, spec: FunctionSpec, config: InvokeConfig) -> Verdict:
        event, platform = self._event, self._platform
        trace = header_for(platform, spec, event.trace)
        self._trace, _ = recursion.entered(trace, spec.arn)
        invocation = Invocation(event.request_id, self._payload, route.arn, event.client_context, trace_header=trace)
        try:
            outcome = await self._engine.run(entry, spec, invocation)
        except Fault as fault:
            if fault.code == "TooManyRequestsException":
                return Throttled()
            if fault.code == "RecursiveInvocationException":
                return await self._failed(records.LOOP, entry, route, spec, None)
            return self._trouble(config)
        self._count("AsyncEventAge", self._now - event.accepted_ms)
        result = await _result(outcome, spec)
        self._now = platform.clock.now_ms()
        if result.function_error is None:
            return await self._succeeded(route, spec, result)
        tries = limits.EVENT_RETRIES if config.retries is None else config.retries
        if event.failures >= tries:
            return await self._failed(records.RETRIES, entry, route, spec, result)
        due = self._now + limits.EVENT_RETRY_MS[event.failures]
        if due - event.accepted_ms > _max_age_ms(config):  # no attempt will come: what the last one answered is at hand
            return await self._failed(records.AGE, entry, route, spec, result)
        return Again(msgspec.structs.replace(event, failures=event.failures + 1), due)

    def _trouble(self, config: InvokeConfig) -> Again:
        """Lambda itself failed: it is not the function's fault, and does not count as a try."""
        event = msgspec.structs.replace(self._event, troubles=self._event.troubles + 1)
        last = self._event.accepted_ms + _max_age_ms(config) + 1
        due = self._now + backoff_ms(event.troubles)
        return Again(event, min(due, last) if self._now < last else due)

    # Ends

    async def _succeeded(self, route: Route, spec: FunctionSpec, result: Result) -> Ended:
        target = route.invoke_config.on_success if route.invoke_config else None
        if not target:
            return Ended()
        record, source = self._record(records.SUCCESS, route, result), self._source(spec)
        return Ended(self._sender(target, record, source))

    async def _failed(
        self, condition: str, entry: Entry, route: Route, spec: FunctionSpec, result: Result | None
    ) -> Ended:
        """The function's dead-letter queue and the failure destination each get what is due to them."""
        self._count("AsyncEventsDropped")
        dead_letter = entry.dead_letters.get(spec.key)
        target = route.invoke_config.on_failure if route.invoke_config else None
        if not dead_letter and not target:
            return Ended()
        record, source, trace = self._record(condition, route, result), self._source(spec), self._trace
        if target and destinations.kind_of(target) == "s3":
            if not await destinations.put_object(self._platform, target, self._name, record, source):
                self._count("DestinationDeliveryFailures")
            target = None
        to_destination = self._sender(target, record, source) if target else None

        def send(tx: Tx) -> list[str]:
            failures = to_destination(tx) if to_destination else []
            if dead_letter and not dead_letters.send(self._platform, tx, dead_letter, record, source, trace):
                failures.append("DeadLetterErrors")
            return failures

        return Ended(send)

    def _sender(self, target: str, record: Record, source: Source) -> Callable[[Tx], list[str]]:
        platform, trace = self._platform, self._trace

        def send(tx: Tx) -> list[str]:
            taken = destinations.send(platform, tx, target, record, source, trace)
            return [] if taken else ["DestinationDeliveryFailures"]

        return send

    def _record(self, condition: str, route: Route, result: Result | None) -> Record:
        event = self._event
        arn = route.arn if event.qualifier else f"{route.arn}:$LATEST"
        runs = event.failures + (result is not None)
        return Record(event.request_id, arn, condition, runs, self._payload, result, self._now / 1000)

    def _source(self, spec: FunctionSpec) -> Source:
        return destinations.sender(spec.arn, spec.account, spec.role)

    def _count(self, meter: str, value: float = 1.0) -> None:
        event = self._event
        self._platform.meters.add(event.account, event.region, f"AWS/Lambda:{meter}", value, FunctionName=event.name)


def _max_age_ms(config: InvokeConfig) -> int:
    return limits.MAX_EVENT_AGE_MS if config.max_age_s is None else config.max_age_s * 1_000


async def _result(outcome: Outcome, spec: FunctionSpec) -> Result:
    payload = outcome.payload
    if not isinstance(payload, bytes):
        payload = b"".join([piece async for piece in payload])
    return Result(payload, spec.version, outcome.function_error)
