"""One function instance: a sandboxed process that serves one invocation at a time."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import math
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING

from freehold.kit.clock import iso8601
from freehold.runtime import errors, process_tree
from freehold.runtime.api import Connection
from freehold.runtime.base import FunctionSpec, Invocation, LogEvent, Outcome
from freehold.runtime.errors import Failure
from freehold.runtime.listener import listen
from freehold.runtime.output import Drain
from freehold.runtime.stream import ResponseStream

if TYPE_CHECKING:
    from freehold.runtime.cgroups import Group
    from freehold.runtime.crew import Crew

_CREDENTIALS = struct.Struct("3i")
_PIPE_BYTES = 1024 * 1024
_HELLO_SECONDS = 20.0
_MOMENT = 0.015


class StartFailed(Exception):
    """The process could not be brought up; the function's code had no part in it."""


class State(enum.Enum):
    STARTING = 1
    IDLE = 2
    BUSY = 3
    DEAD = 4


class _Running:
    """The invocation under way."""

    __slots__ = ("deadline", "future", "init_ms", "invocation", "outcome", "started", "stream")

    def __init__(self, invocation: Invocation, future: asyncio.Future[Outcome], started: float, init_ms: float | None):
        self.invocation = invocation
        self.future = future
        self.started = started
        self.init_ms = init_ms
        self.deadline: asyncio.TimerHandle | None = None
        self.stream: ResponseStream | None = None
        self.outcome: Outcome | None = None


class Instance:
    """A process, its pipes and its limits. Created by the pool; `start`, then `initialized`, then `dispatch` at will."""

    def __init__(self, crew: Crew, spec: FunctionSpec) -> None:
        self.crew = crew
        self.spec = spec
        self.id = crew.ids.hex(32)
        day = iso8601(crew.clock.now(), millis=False)[:10].replace("-", "/")
        self.stream_name = f"{day}/[{spec.version}]{self.id}"
        self.uid = crew.next_uid()
        self.state = State.STARTING
        self.retired = False
        self.reserved = False
        """Promised to somebody who has not taken it yet."""
        self.runtime_api: str | None = None
        """Address of the Runtime API, for runtimes that bring their own client."""
        self._server: asyncio.Server | None = None
        self.frozen = False
        self.idle_since = 0.0
        self.init_ms: float | None = None
        self.pid = 0
        self.group: Group | None = None
        self._memory_bytes = spec.memory_mb * 1024 * 1024
        self._peak_kb = 0
        self._pidfd = -1
        self._running: _Running | None = None
        self._waiting: Connection | None = None
        self._connections: set[Connection] = set()
        self._control: socket.socket | None = None
        self._exit_status: int | None = None
        self._refused = ""
        self._entrypoint: Failure | None = None
        self._drain: Drain | None = None
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._hello: asyncio.Future[int] = loop.create_future()
        self._ready: asyncio.Future[Failure | None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._started = 0.0

    # ------------------------------------------------------------ coming up

    async def start(self) -> None:
        """Bring the process up to the point where user code loads. Raises StartFailed."""
        self._started = self.crew.clock.monotonic()
        api, api_child = socket.socketpair()
        log, log_child = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        control, control_child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_blocking(log_child, True)
        try:
            for end in (api, control):
                end.setblocking(False)
            control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with contextlib.suppress(OSError):
                import fcntl

                fcntl.fcntl(log_child, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._control = control
            if self.spec.runtime.startswith("provided"):
                self._server, self.runtime_api = await listen(self)
            self._loop.add_reader(control.fileno(), self._heard)
            self._drain = Drain(log, self.crew.clock, self._emit)
            connection = Connection(self)
            self._connections.add(connection)
            await self._loop.create_unix_connection(lambda: connection, sock=api)
            children = (api_child.fileno(), log_child, control_child.fileno())
            creating = asyncio.ensure_future(self.crew.create_group(self))
            try:
                await self.crew.launcher.launch(self, children)
            finally:
                self.group = await creating
        finally:
            api_child.close()
            control_child.close()
            os.close(log_child)
        await self._place()

    async def _place(self) -> None:
        try:
            self.pid = await asyncio.wait_for(asyncio.shield(self._hello), _HELLO_SECONDS)
            self._pidfd = os.pidfd_open(self.pid)
        except (TimeoutError, OSError) as problem:
            raise StartFailed(f"the instance did not come up: {problem}") from problem
        if self.group is not None:
            await self.crew.enter_group(self.group, self.pid)
        self.crew.sink.init_started(self.spec, self.stream_name)
        self._started = self.crew.clock.monotonic()
        assert self._control is not None
        try:
            self._control.send(b"G")
        except OSError as problem:
            raise StartFailed("the instance died while it was placed") from problem

    def _heard(self) -> None:
        """A word of the instance's first process, or its end."""
        assert self._control is not None
        try:
            data, ancillary, _flags, _address = self._control.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        kind = data[:1]
        if kind == b"H" and not self._hello.done():
            self._hello.set_result(_CREDENTIALS.unpack(ancillary[0][2])[0])
        elif kind == b"X" and data[1:].isdigit():
            self._exit_status = int(data[1:])
        elif kind == b"F":
            number, _, path = data[1:].decode(errors="replace").partition(" ")
            self._entrypoint = errors.invalid_entrypoint(path, int(number) if number.isdigit() else 0)
        elif kind == b"E":
            self._refused = data[1:].decode(errors="replace")
        elif not data:
            self._died()

    async def initialized(self, seconds: float) -> Failure | None:
        """Wait until the runtime asks for its first event; what failed otherwise. Raises TimeoutError, StartFailed."""
        failure = await asyncio.wait_for(asyncio.shield(self._ready), seconds)
        self.init_ms = self.elapsed_ms()
        if failure is None and self.group is not None:
            self.group.share_cpu(self.spec.memory_mb)
        if self._refused and failure is not None:
            raise StartFailed(f"refused: {self._refused}")
        return failure

    def elapsed_ms(self) -> float:
        """Since user code began to load."""
        return (self.crew.clock.monotonic() - self._started) * 1000

    def post_request(self, request: bytes) -> None:
        """Leave what to become in the control socket, for a process that starts alone."""
        assert self._control is not None
        self._control.send(request)

    # ------------------------------------------------------------ invocations

    def dispatch(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Give an idle instance an event. The future ends with the outcome, whatever becomes of the instance."""
        running = self._begin(invocation)
        self._send(running, self.spec.timeout_s)
        return running.future

    def _begin(self, invocation: Invocation) -> _Running:
        assert self._running is None
        running = _Running(invocation, self._loop.create_future(), self.crew.clock.monotonic(), self.init_ms)
        self.init_ms = None
        self._running = running
        self.state = State.BUSY
        self.crew.sink.invocation_started(self.spec, self.stream_name, invocation)
        return running

    def _send(self, running: _Running, seconds: float) -> None:
        connection, self._waiting = self._waiting, None
        assert connection is not None
        if self.frozen:
            self.thaw()
        invocation = running.invocation
        connection.send_event(self._event_head(invocation, seconds), invocation.payload)
        running.deadline = self._loop.call_later(seconds, self._timed_out)

    def announce(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Begin an invocation before the instance is initialized: initialization counts as part of it."""
        return self._begin(invocation).future

    def continue_announced(self) -> None:
        """Initialized after all: the event goes out with what is left of the timeout."""
        running = self._running
        if running is not None:
            self.state = State.BUSY
            self._send(running, max(0.001, self.spec.timeout_s - (self.crew.clock.monotonic() - running.started)))

    def fail_announced(self, failure: Failure) -> None:
        """Initialization failed again: that is the outcome."""
        if self._running is not None:
            self._end(failure)

    def _event_head(self, invocation: Invocation, timeout: float) -> bytes:
        deadline = int((self.crew.clock.wall() + timeout) * 1000)
        lines = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: {invocation.arn}\r\n"
            f"Content-Length: {len(invocation.payload)}\r\n"
        )
        if invocation.trace_header:
            lines += f"Lambda-Runtime-Trace-Id: {_one_line(invocation.trace_header)}\r\n"
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
        moment = iso8601(self.crew.clock.wall())
        text = f"{moment} {invocation.request_id} Task timed out after {self.spec.timeout_s:.2f} seconds\n"
        self.crew.sink.output(self.spec, self.stream_name, invocation.request_id, text.encode())

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
        self.crew.sink.invocation_ended(self.spec, self.stream_name, running.invocation, outcome)
        if running.stream is not None:
            running.stream.end()
        elif not running.future.done():
            running.future.set_result(outcome)

    def _outcome(self, running: _Running, failure: Failure | None, payload: bytes, content_type: str) -> Outcome:
        duration = (self.crew.clock.monotonic() - running.started) * 1000
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
        if self.state is not State.DEAD:
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
        self._connections.discard(connection)
        if self._waiting is not connection:
            return
        self._waiting = None
        if self.runtime_api is None:
            self.kill()
        elif self.state is State.IDLE:
            # A custom runtime may connect again; until then it gets no event.
            self.state = State.BUSY
            self.crew.leaving(self)

    def adopt(self, connection: Connection) -> None:
        """A custom runtime opened a connection."""
        self._connections.add(connection)

    def _emit(self, data: bytes) -> None:
        running = self._running
        self.crew.sink.output(self.spec, self.stream_name, running.invocation.request_id if running else None, data)

    # ------------------------------------------------------------ limits and the end

    @property
    def lingers(self) -> bool:
        """It has answered and is about to ask for its next event."""
        return self.state is State.BUSY and self._running is None

    @property
    def freezable(self) -> bool:
        return self.group is not None

    def long_running(self, now: float) -> bool:
        """Busy for longer than a moment."""
        return self._running is None or now - self._running.started > _MOMENT

    def exceeds_memory(self) -> bool:
        """More resident memory than the function has: it must die, as on Lambda. Cheap while it is well below."""
        if self.group is None:
            return process_tree.resident_kb(self.pid) * 1024 > self._memory_bytes
        try:
            return self.group.charged_bytes() > self._memory_bytes and self.group.resident_bytes() > self._memory_bytes
        except OSError:
            return False

    def kill_for_memory(self) -> None:
        """It held more than it has."""
        self._peak_kb = self.spec.memory_mb * 1024
        self.kill()

    def freeze(self) -> None:
        """Stop the processes of an idle instance, as Lambda does."""
        if self.group is not None and not self.frozen and self.state is State.IDLE:
            self.group.freeze()
            self.frozen = True

    def thaw(self) -> None:
        if self.group is not None and self.frozen:
            self.group.thaw()
            self.frozen = False

    def kill(self) -> None:
        """End every process of the instance; `gone` tells when that is done."""
        if self.state is State.DEAD:
            return
        self.crew.leaving(self)
        if self.group is not None:
            with contextlib.suppress(OSError):
                self.group.stop_forks()
                self.thaw()
                # A throttled group would die at its share of a core.
                self.group.share_cpu(None)
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            if self.crew.launcher.shares_pids:
                self._kill_group()
        else:
            self._died()

    def _kill_group(self) -> None:
        """Where the instance has no pid namespace that ends with its first process."""
        pids = self.group.pids() if self.group is not None else []
        for kill, number in [(os.killpg, self.pid), *[(os.kill, pid) for pid in pids]]:
            with contextlib.suppress(OSError):
                kill(number, signal.SIGKILL)

    def _died(self) -> None:
        if self.state is State.DEAD:
            return
        self.state = State.DEAD
        status = errors.KILLED if self._exit_status is None else self._exit_status
        failure = self._entrypoint or errors.exited(status)
        if self._control is not None:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        if not self._hello.done():
            self._hello.set_exception(OSError(f"refused: {self._refused}" if self._refused else "it died"))
            self._hello.exception()
        if not self._ready.done():
            self._ready.set_result(failure)
        if self._running is not None:
            self._log_exit(self._running.invocation, failure)
            self._end(failure)
        if self._drain is not None:
            self._drain.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        if self._pidfd >= 0:
            descriptor, self._pidfd = self._pidfd, -1
            os.close(descriptor)
        self.crew.gone(self)
        self._gone.set_result(None)

    def _log_exit(self, invocation: Invocation, failure: Failure) -> None:
        message = str(failure.document["errorMessage"]).replace("{request_id}", invocation.request_id)
        if self._drain is not None:
            self._drain.finish()
        text = f"{message}\n{failure.error_type}\n".encode()
        self.crew.sink.output(self.spec, self.stream_name, invocation.request_id, LogEvent(text))

    async def gone(self) -> None:
        """Return when the process is dead."""
        await asyncio.shield(self._gone)


def _one_line(text: str) -> str:
    """Header values come from callers: no line may end early."""
    return text.replace("\r", " ").replace("\n", " ")
