"""What is counted of every invocation, summed up per function and given to the meters when they are written.

Six readings an invocation cost more by `Meters.add`, one by one, than telling the function's process of the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.runtime.base import FunctionSpec, Outcome
from freehold.work.meters import MINUTE_MS, Bucket

if TYPE_CHECKING:
    from freehold.work.meters import Meters


class _Sums:
    """One function's invocations of one minute, since the meters were last written."""

    __slots__ = (
        "begun", "billed", "concurrent", "duration", "ended", "errors", "least_billed", "least_concurrent",
        "least_duration", "least_memory", "memory", "minute", "most_billed", "most_concurrent", "most_duration",
        "most_memory", "spec",
    )  # fmt: skip

    def __init__(self, spec: FunctionSpec, minute: int) -> None:
        self.spec, self.minute = spec, minute
        self.begun = self.ended = self.errors = 0
        self.concurrent = self.duration = self.billed = self.memory = 0.0
        self.most_concurrent = self.most_duration = self.most_billed = self.most_memory = float("-inf")
        self.least_concurrent = self.least_duration = self.least_billed = self.least_memory = float("inf")

    def begin(self, running: int) -> None:
        self.begun += 1
        self.concurrent += running
        if running > self.most_concurrent:
            self.most_concurrent = running
        if running < self.least_concurrent:
            self.least_concurrent = running

    def end(self, outcome: Outcome) -> None:
        duration, billed, memory = outcome.duration_ms, outcome.billed_ms * self.spec.memory_mb, outcome.memory_used_mb
        self.ended += 1
        self.duration += duration
        self.billed += billed
        self.memory += memory
        if outcome.function_error is not None:
            self.errors += 1
        if duration > self.most_duration:
            self.most_duration = duration
        if duration < self.least_duration:
            self.least_duration = duration
        if billed > self.most_billed:
            self.most_billed = billed
        if billed < self.least_billed:
            self.least_billed = billed
        if memory > self.most_memory:
            self.most_memory = memory
        if memory < self.least_memory:
            self.least_memory = memory

    def tell(self, meters: Meters) -> None:
        """Give it to the meters."""
        found: list[tuple[str, Bucket]] = []
        if self.begun:
            running = _bucket(self.begun, self.concurrent, self.least_concurrent, self.most_concurrent)
            found.append(("ConcurrentExecutions", running))
        if self.ended:
            count, errors = self.ended, self.errors
            found += [
                ("Invocations", _bucket(count, count, 1, 1)),
                ("Errors", _bucket(count, errors, errors == count, errors > 0)),
                ("Duration", _bucket(count, self.duration, self.least_duration, self.most_duration)),
                ("BilledMegabyteMilliseconds", _bucket(count, self.billed, self.least_billed, self.most_billed)),
                ("MemoryUsed", _bucket(count, self.memory, self.least_memory, self.most_memory)),
            ]
        spec = self.spec
        for name, reading in found:
            meters.merge(self.minute, spec.account, spec.region, f"AWS/Lambda:{name}", reading, FunctionName=spec.name)


def _bucket(count: int, total: float, low: float, high: float) -> Bucket:
    return Bucket(count, float(total), float(low), float(high))


class Counts:
    """The sums of all functions."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._sums: dict[str, _Sums] = {}
        """By the key of a function's configuration."""
        meters.ask(self._tell)

    def begun(self, spec: FunctionSpec, now_ms: int, running: int) -> None:
        """An invocation begins: so many of the function run now."""
        self._of(spec, now_ms).begin(running)

    def ended(self, spec: FunctionSpec, now_ms: int, outcome: Outcome) -> None:
        """An invocation has ended."""
        self._of(spec, now_ms).end(outcome)

    def _of(self, spec: FunctionSpec, now_ms: int) -> _Sums:
        minute = now_ms // MINUTE_MS
        found = self._sums.get(spec.key)
        if found is None or found.minute != minute:
            if found is not None:
                found.tell(self._meters)
            found = self._sums[spec.key] = _Sums(spec, minute)
            self._meters.wake()
        return found

    def _tell(self) -> None:
        sums, self._sums = self._sums, {}
        for each in sums.values():
            each.tell(self._meters)
