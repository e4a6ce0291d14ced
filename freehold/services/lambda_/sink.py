"""What instances do, made visible: log events, LogType=Tail, metrics. Called by the runtime on the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from freehold.runtime.base import FunctionSpec, Invocation, LogEvent, Outcome
from freehold.services.lambda_ import reports
from freehold.services.lambda_.counts import Counts
from freehold.services.lambda_.limits import LOG_TAIL
from freehold.services.lambda_.model import runtime_label, runtime_version_arn
from freehold.work.logrows import Event

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

START_S = 0.05
"""Real seconds after which START is written of an invocation that has not ended and said nothing."""
TAIL_S = 0.5
"""Real seconds that a LogType=Tail caller waits for the last lines of an invocation that has ended."""
_RANK = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "WARNING": 3, "ERROR": 4, "FATAL": 5, "CRITICAL": 5}


class Tail:
    """The log lines of one invocation, for a caller who asked for them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self.ended = asyncio.Event()

    def add(self, text: str) -> None:
        self.lines.append(text)
        self.size += len(text)
        while self.size - len(self.lines[0]) > LOG_TAIL:
            self.size -= len(self.lines.pop(0))

    async def last(self) -> bytes:
        """The last 4 KB, once the invocation's REPORT is there."""
        try:
            await asyncio.wait_for(self.ended.wait(), TAIL_S)
        except TimeoutError:
            pass
        return "".join(self.lines).encode()[-LOG_TAIL:]


class _Begun(NamedTuple):
    """An invocation that may end before its START has to be written."""

    start: Event
    spec: FunctionSpec
    stream: str


class LogSink:
    """`runtime.base.Sink` over platform.logs and platform.meters."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._clock = platform.clock
        self._tails: dict[str, Tail] = {}
        self._now_ms = platform.clock.now_ms
        self._counts = Counts(platform.meters)
        self._begun: dict[str, _Begun] = {}
        """Invocations whose START is not written yet, by the id of their request."""
        self._ring: asyncio.TimerHandle | None = None

    def tail(self, request_id: str) -> Tail:
        """Begin to keep the lines of an invocation; `forget` ends it."""
        return self._tails.setdefault(request_id, Tail())

    def forget(self, request_id: str) -> None:
        self._tails.pop(request_id, None)

    def _write(self, spec: FunctionSpec, stream: str, lines: list[str], request_id: str | None) -> None:
        now = self._now_ms()
        self._put(spec, stream, [(now, f"{line}\n") for line in lines], request_id)

    def _put(self, spec: FunctionSpec, stream: str, events: list[Event], request_id: str | None) -> None:
        self._platform.logs.write(spec.account, spec.region, spec.log_group, stream, events)
        if self._tails and request_id is not None and (tail := self._tails.get(request_id)) is not None:
            for _, line in events:
                tail.add(line)

    def write_begun(self) -> None:
        """Write the START lines that wait for the end of their invocations, or for a moment to pass."""
        begun, self._begun = self._begun, {}
        if self._ring is not None:
            self._ring.cancel()
            self._ring = None
        for request_id, each in begun.items():
            self._put(each.spec, each.stream, [each.start], request_id)

    def _event(self, spec: FunctionSpec, level: str, kind: str, record: dict[str, Any]) -> list[str]:
        if not reports.shows(spec.system_log_level, level):
            return []
        return [reports.event(self._clock.now(), kind, record)]

    # Sink

    def init_started(self, spec: FunctionSpec, stream: str) -> None:
        runs_on = self._platform.runtime.resolve(spec.runtime)
        label, arn = runtime_label(runs_on), runtime_version_arn(spec.region, runs_on)
        if spec.log_format == "JSON":
            record = {
                "initializationType": "on-demand",
                "phase": "init",
                "runtimeVersion": label,
                "runtimeVersionArn": arn,
                "functionName": spec.name,
                "functionVersion": spec.version,
            }
            self._write(spec, stream, self._event(spec, "INFO", "initStart", record), None)
        else:
            self._write(spec, stream, [reports.init_start_line(label, arn)], None)

    def init_failed(self, spec: FunctionSpec, stream: str, init_ms: float, error_type: str) -> None:
        status = "timeout" if error_type in ("Sandbox.Timedout", "Runtime.Timeout", "timeout") else "error"
        if spec.log_format == "JSON":
            record: dict[str, Any] = {
                "initializationType": "on-demand",
                "phase": "init",
                "status": status,
                "metrics": {"durationMs": round(init_ms, 3)},
            }
            if status == "error":
                record["errorType"] = error_type
            self._write(spec, stream, self._event(spec, "WARN", "initReport", record), None)
        else:
            self._write(spec, stream, [reports.init_report_line(init_ms, status, error_type)], None)

    def invocation_started(self, spec: FunctionSpec, stream: str, invocation: Invocation) -> None:
        request_id = invocation.request_id
        if spec.log_format == "JSON":
            record = {"requestId": request_id, "version": spec.version}
            self._write(spec, stream, self._event(spec, "INFO", "start", record), request_id)
            return
        # Most invocations end at once: their three lines are one entry then.
        start = self._now_ms(), f"{reports.start_line(request_id, spec.version)}\n"
        self._begun[request_id] = _Begun(start, spec, stream)
        if self._ring is None:
            self._ring = asyncio.get_running_loop().call_later(START_S, self.write_begun)

    def output(self, spec: FunctionSpec, stream: str, request_id: str | None, data: bytes) -> None:
        if request_id is not None and (begun := self._begun.pop(request_id, None)) is not None:
            self._put(spec, stream, [begun.start], request_id)
        text = data.decode("utf-8", "replace").removesuffix("\n")
        lines = [text] if isinstance(data, LogEvent) else text.split("\n")
        if spec.log_format == "JSON":
            lines = [line for line in lines if _passes(line, spec.log_level)]
        self._write(spec, stream, lines, request_id)

    def invocation_ended(self, spec: FunctionSpec, stream: str, invocation: Invocation, outcome: Outcome) -> None:
        now = self._now_ms()
        if spec.log_format == "JSON":
            lines = self._json_end(spec, invocation, outcome)
        else:
            lines = self._text_end(spec, invocation, outcome)
        events = [(now, f"{line}\n") for line in lines]
        begun = self._begun.pop(invocation.request_id, None)
        if begun is not None:
            events.insert(0, begun.start)
        self._put(spec, stream, events, invocation.request_id)
        if self._tails and (tail := self._tails.get(invocation.request_id)) is not None:
            tail.ended.set()
        self._counts.ended(spec, now, outcome)
        if outcome.init_ms is not None:
            self._platform.meters.add(
                spec.account, spec.region, "AWS/Lambda:InitDuration", outcome.init_ms, FunctionName=spec.name
            )

    def _text_end(self, spec: FunctionSpec, invocation: Invocation, outcome: Outcome) -> list[str]:
        request_id = invocation.request_id
        status = None
        if outcome.timed_out:
            status = "timeout"
        elif outcome.function_error is not None and _is_platform_error(outcome.error_type):
            status = "error"
        return [
            reports.end_line(request_id),
            reports.report_line(
                request_id,
                duration_ms=outcome.duration_ms,
                billed_ms=outcome.billed_ms,
                memory_mb=spec.memory_mb,
                used_mb=outcome.memory_used_mb,
                init_ms=outcome.init_ms,
                trace=reports.trace_line(invocation.trace_header) if spec.tracing else None,
                status=status,
                error_type=outcome.error_type if status == "error" else None,
            ),
        ]

    def _json_end(self, spec: FunctionSpec, invocation: Invocation, outcome: Outcome) -> list[str]:
        status = "timeout" if outcome.timed_out else "success" if outcome.function_error is None else "error"
        level = "WARN" if status != "success" else "INFO"
        metrics: dict[str, Any] = {
            "durationMs": round(outcome.duration_ms, 3),
            "billedDurationMs": outcome.billed_ms,
            "memorySizeMB": spec.memory_mb,
            "maxMemoryUsedMB": outcome.memory_used_mb,
        }
        if outcome.init_ms is not None:
            metrics["initDurationMs"] = round(outcome.init_ms, 3)
        record: dict[str, Any] = {"requestId": invocation.request_id, "metrics": metrics, "status": status}
        if status == "error" and outcome.error_type:
            record["errorType"] = outcome.error_type
        if spec.tracing and invocation.trace_header and "Sampled=1" in invocation.trace_header:
            record["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header}
        done = {"requestId": invocation.request_id, "status": status}
        return [
            *self._event(spec, "WARN" if status != "success" else "DEBUG", "runtimeDone", done),
            *self._event(spec, level, "report", record),
        ]

    # Metrics

    def concurrency(self, spec: FunctionSpec, running: int) -> None:
        """So many invocations of the function run now."""
        self._counts.begun(spec, self._now_ms(), running)

    def stopped_loop(self, spec: FunctionSpec) -> None:
        """An invocation was refused because it would have gone on with a recursive loop."""
        self._platform.meters.add(
            spec.account, spec.region, "AWS/Lambda:RecursiveInvocationsDropped", 1.0, FunctionName=spec.name
        )

    def throttled(self, spec: FunctionSpec) -> None:
        """An invocation was refused for lack of concurrency."""
        self._platform.meters.add(spec.account, spec.region, "AWS/Lambda:Throttles", 1.0, FunctionName=spec.name)


def _is_platform_error(error_type: str | None) -> bool:
    """Errors that end the runtime itself: REPORT gives them a Status."""
    return error_type in ("Runtime.ExitError", "Runtime.Unknown", "Extension.Crash")


def _passes(line: str, level: str) -> bool:
    """Log-level filtering of JSON lines; what has no level counts as INFO."""
    at = "INFO"
    if line.startswith("{"):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            document = None
        found = document.get("level") if isinstance(document, dict) else None
        if isinstance(found, str) and found.upper() in _RANK:
            at = found.upper()
    return _RANK[at] >= _RANK.get(level, 2)
