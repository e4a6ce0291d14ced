"""One function instance: a sandboxed process that serves one invocation at a time."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from freehold.kit.clock import iso8601
from freehold.runtime import errors, process_tree
from freehold.runtime.api import Connection
from freehold.runtime.base import FunctionSpec, Invocation, LogEvent, Outcome
from freehold.runtime.errors import Failure
from freehold.runtime.process import Process, StartFailed, State
from freehold.runtime.stream import ResponseStream

if TYPE_CHECKING:
    from freehold.runtime.crew import Crew

_MOMENT = 0.015
_SOON = 1.0
"""Seconds: the watch looks at whatever runs more often than that, and Lambda's timeouts are no shorter."""
_BURST = 0.25
"""Seconds after its initialization from which an instance has its share of a core and no more: what a first invocation
sets up by itself (an SDK client takes 50 ms of a core) would take seconds at the share of a small function."""


class _Running:
    """The invocation under way."""

    __slots__ = ("deadline", "future", "init_ms", "invocation", "outcome", "sent", "started", "stream")

    def __init__(self, invocation: Invocation, future: asyncio.Future[Outcome], started: float, init_ms: float | None):
        self.invocation = invocation
        self.future = future
        self.started = started
        self.init_ms = init_ms
        self.sent = False
        """The runtime has got it, and its timeout counts."""
        self.deadline: asyncio.TimerHandle | None = None
        self.stream: ResponseStream | None = None
        self.outcome: Outcome | None = None


class Instance(Process):
    """A process with a function in it. Created by the pool; `start`, then `initialized`, then `dispatch` at will."""

    def __init__(self, crew: Crew, spec: FunctionSpec) -> None:
        super().__init__(crew, spec)
        self._sink = crew.sink
        self._monotonic = crew.clock.monotonic
        self._wall = crew.clock.wall
        self.id = crew.ids.hex(32)
        day = iso8601(crew.clock.now(), millis=False)[:10].replace("-", "/")
        self.stream_name = f"{day}/[{spec.version}]{self.id}"
        self.retired = False
        self.reserved = False
        """Promised to somebody who has not taken it yet."""
        self.idle_since = 0.0
        self.init_ms: float | None = None
        self._started = 0.0
        self._peak_kb = 0
        self._running: _Running | None = None
        self._waiting: Connection | None = None
        self._ready: asyncio.Future[Failure | None] = self._loop.create_future()

    # ------------------------------------------------------------ coming up

    async def start(self) -> None:
        """Bring the process up to the point where user code loads. Raises StartFailed."""
        await self._bring_up(self)
        self._sink.init_started(self.spec, self.stream_name)
        for name in self.crew.launcher.extensions(self.spec):
            self._emit(b"[freehold] extension %b is not started: extensions are not implemented\n" % name.encode())
        self._started = self._monotonic()
        self._release()

    async def loaded(self, seconds: float) -> bool:
        """Wait so long at most; has initialization ended, one way or the other?"""
        await asyncio.wait((self._ready,), timeout=seconds)
        return self._ready.done()

    async def initialized(self, seconds: float) -> Failure | None:
        """Wait until the runtime asks for its first event, `seconds` after user code began to load; what failed otherwise.
        Raises TimeoutError, StartFailed."""
        left = max(0.0, seconds - self.elapsed_ms() / 1000)
        failure = await asyncio.wait_for(asyncio.shield(self._ready), left)
        self.init_ms = self.elapsed_ms()
        if failure is None and self.group is not None:
            self._loop.call_later(_BURST, self._share_cpu)
        if self._refused and failure is not None:
            raise StartFailed(f"refused: {self._refused}")
        return failure

    def _share_cpu(self) -> None:
        if self.group is not None and self.state not in (State.DYING, State.DEAD):
            self.group.share_cpu(self.spec.memory_mb)

    def elapsed_ms(self) -> float:
        """Since user code began to load."""
        return (self._monotonic() - self._started) * 1000

    # ------------------------------------------------------------ invocations

    def dispatch(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Give an idle instance an event. The future ends with the outcome, whatever becomes of the instance."""
        running = self._begin(invocation)
        seconds = self.spec.timeout_s
        self._send(running, seconds)
        if seconds < _SOON:
            running.deadline = self._loop.call_later(seconds, self._timed_out)
        return running.future

    def mind_timeout(self) -> None:
        """Arm the timeout of what has run for a while: most invocations end before anybody looks, and need no timer."""
        running = self._running
        if running is not None and running.deadline is None and running.sent:
            left = self.spec.timeout_s - (self._monotonic() - running.started)
            running.deadline = self._loop.call_later(max(0.0, left), self._timed_out)

    def _begin(self, invocation: Invocation) -> _Running:
        assert self._running is None
        running = _Running(invocation, self._loop.create_future(), self._monotonic(), self.init_ms)
        self.init_ms = None
        self._running = running
        self.state = State.BUSY
        self._sink.invocation_started(self.spec, self.stream_name, invocation)
        return running

    def _send(self, running: _Running, seconds: float) -> None:
        connection, self._waiting = self._waiting, None
        assert connection is not None
        if self.frozen:
            self.thaw()
        invocation = running.invocation
        connection.send_event(self._event_head(invocation, seconds), invocation.payload)
        running.sent = True

    def announce(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Begin an invocation before the instance is initialized: initialization counts as part of it."""
        return self._begin(invocation).future

    def continue_announced(self) -> None:
        """Initialized after all: the event goes out with what is left of the timeout."""
        running = self._running
        if running is not None:
            self.state = State.BUSY
            left = max(0.001, self.spec.timeout_s - (self._monotonic() - running.started))
            self._send(running, left)
            running.deadline = self._loop.call_later(left, self._timed_out)

    def fail_announced(self, failure: Failure) -> None:
        """Initialization failed again: that is the outcome."""
        if self._running is not None:
            self._end(failure)

    def _event_head(self, invocation: Invocation, timeout: float) -> bytes:
        deadline = int((self._wall() + timeout) * 1000)
        trace = f"Lambda-Runtime-Trace-Id: {_one_line(invocation.trace_header)}\r\n" if invocation.trace_header else ""
        lines = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: {invocation.arn}\r\n"
            f"Content-Length: {len(invocation.payload)}\r\n{trace}"
        )
        if invocation.client_context:
            lines += f"Lambda-Runtime-Client-Context: {_one_line(invocation.client_context)}\r\n"
        if invocation.cognito_identity:
            lines += f"Lambda-Runtime-Cognito-Identity: {_one_line(invocation.cognito_identity)}\r\n"
        return lines.encode() + b"\r\n"

    def _timed_out(self) -> None:
        running = self._running
        if running is None:
            return
        self.log_timeout(running.invocation)
        self._peak_kb = max(self._peak_kb, process_tree.peak_kb(self.pid))
        self._end(errors.timed_out(self.spec.timeout_s))
        self.kill()

    def log_timeout(self, invocation: Invocation) -> None:
        """The line that tells of a timeout."""
        if self._drain is not None:
            self._drain.finish()
        moment = iso8601(self._wall())
        text = f"{moment} {invocation.request_id} Task timed out after {self.spec.timeout_s:.2f} seconds\n"
        self._sink.output(self.spec, self.stream_name, invocation.request_id, text.encode())

    def _end(self, failure: Failure | None, payload: bytes = b"", content_type: str = "application/json") -> None:
        """The invocation is over: tell the sink and the caller."""
        running, self._running = self._running, None
        assert running is not None
        if running.deadline is not None:
            running.deadline.cancel()
        if self._drain is not None:
            self._drain.finish()
        if failure is not None:
            payload = failure.payload(running.invocation.request_id)
        outcome = self._outcome(running, failure, payload, content_type)
        self._sink.invocation_ended(self.spec, self.stream_name, running.invocation, outcome)
        if running.stream is not None:
            running.stream.end()
        elif not running.future.done():
            running.future.set_result(outcome)

    def _outcome(self, running: _Running, failure: Failure | None, payload: bytes, content_type: str) -> Outcome:
        duration = (self._monotonic() - running.started) * 1000
        if failure is not None and failure.timed_out:
            duration = self.spec.timeout_s * 1000
        outcome = running.outcome
        if outcome is None:
            outcome = Outcome(payload=payload, content_type=content_type, instance_id=self.id, init_ms=running.init_ms)
        elif failure is not None:
            outcome.error_details = payload
        outcome.duration_ms = duration
        outcome.billed_ms = math.ceil(duration + (running.init_ms or 0.0))
        outcome.memory_used_mb = self.memory_used_mb()
        if failure is not None:
            outcome.function_error = "Unhandled"
            outcome.error_type = failure.error_type
            outcome.timed_out = failure.timed_out
        return outcome

    def memory_used_mb(self) -> int:
        """Peak resident memory, never more than the function has."""
        if not self._peak_kb or self.runtime_api is not None:
            self._peak_kb = max(self._peak_kb, process_tree.peak_kb(self.pid))
        return min(self.spec.memory_mb, max(1, -(-self._peak_kb // 1024)))

    # ------------------------------------------------------------ what the Runtime API hears

    def wants_next(self, connection: Connection) -> bool:
        """GET invocation/next. False where the current invocation has no answer yet."""
        if not self._ready.done():
            self._waiting = connection
            self._ready.set_result(None)
            return True
        if self._running is not None:
            return False
        self._waiting = connection
        if self.state not in (State.DYING, State.DEAD):
            self.ready()
        return True

    def ready(self) -> None:
        """The instance may get an event."""
        self.state = State.IDLE
        self.crew.available(self)

    def serves(self, request_id: str) -> bool:
        return self._running is not None and self._running.invocation.request_id == request_id

    def responded(self, body: bytes, content_type: str, peak_kb: int) -> None:
        self._peak_kb = peak_kb if peak_kb > self._peak_kb else self._peak_kb
        self._end(None, body, content_type)

    def failed(self, body: bytes, error_type: str | None, peak_kb: int) -> None:
        self._peak_kb = max(self._peak_kb, peak_kb)
        self._end(errors.reported(body, error_type))

    def init_failed(self, body: bytes, error_type: str | None) -> bool:
        if self._ready.done():
            return False
        self._ready.set_result(errors.reported(body, error_type))
        return True

    def response_too_large(self) -> None:
        self._end(errors.too_large())

    def stream_begun(self, connection: Connection, request_id: str, content_type: str) -> bool:
        """A streamed response begins. False where the caller wants it whole."""
        running = self._running
        if running is None or not self.serves(request_id) or not running.invocation.stream or running.stream:
            return False
        running.stream = ResponseStream(connection.pause, connection.resume)
        running.outcome = Outcome(
            payload=running.stream,
            content_type=content_type or "application/octet-stream",
            instance_id=self.id,
            init_ms=running.init_ms,
        )
        if not running.future.done():
            running.future.set_result(running.outcome)
        return True

    def stream_fed(self, data: bytes) -> None:
        if self._running is not None and self._running.stream is not None:
            self._running.stream.feed(data)

    def stream_ended(self, error_type: str | None, details: bytes) -> None:
        self._end(errors.reported(details, error_type) if error_type else None)

    def misused(self) -> None:
        """Something that is not HTTP came over the Runtime API: such a runtime cannot go on."""
        self.kill()

    def disconnected(self, connection: Connection) -> None:
        super().disconnected(connection)
        if self._waiting is not connection:
            return
        self._waiting = None
        if self.runtime_api is None:
            self.kill()
        elif self.state is State.IDLE:
            # A custom runtime may connect again; until then it gets no event.
            self.state = State.BUSY
            self.crew.leaving(self)

    def _emit(self, data: bytes) -> None:
        running = self._running
        self._sink.output(self.spec, self.stream_name, running.invocation.request_id if running else None, data)

    # ------------------------------------------------------------ states and the end

    @property
    def lingers(self) -> bool:
        """It has answered and is about to ask for its next event."""
        return self.state is State.BUSY and self._running is None

    def long_running(self, now: float) -> bool:
        """Busy for longer than a moment."""
        return self._running is None or now - self._running.started > _MOMENT

    def kill_for_memory(self) -> None:
        """It held more than it has."""
        self._peak_kb = self.spec.memory_mb * 1024
        self.kill()

    def _ended(self, failure: Failure) -> None:
        if not self._ready.done():
            self._ready.set_result(failure)
        if self._running is None:
            return
        told = self._ready.result()
        if told is not None and told is not failure:
            # The runtime said why it cannot begin and is gone before `fail_announced` had its turn.
            self._end(told)
            return
        self._log_exit(self._running.invocation, failure)
        self._end(failure)

    def _log_exit(self, invocation: Invocation, failure: Failure) -> None:
        message = str(failure.document["errorMessage"]).replace("{request_id}", invocation.request_id)
        if self._drain is not None:
            self._drain.finish()
        text = f"{message}\n{failure.error_type}\n".encode()
        self._sink.output(self.spec, self.stream_name, invocation.request_id, LogEvent(text))


def _one_line(text: str) -> str:
    """Header values come from callers: no line may end early."""
    return text.replace("\r", " ").replace("\n", " ")
