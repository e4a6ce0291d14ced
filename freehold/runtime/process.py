"""The process of an instance: brought up, placed in its limits, frozen, killed. Knows nothing of invocations."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import os
import signal
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from freehold.runtime import errors, process_tree
from freehold.runtime.api import Connection
from freehold.runtime.base import FunctionSpec
from freehold.runtime.errors import Failure
from freehold.runtime.listener import listen
from freehold.runtime.output import Drain

if TYPE_CHECKING:
    from freehold.runtime.cgroups import Group
    from freehold.runtime.crew import Crew
    from freehold.runtime.instance import Instance

_CREDENTIALS = struct.Struct("3i")
_PIPE_BYTES = 1024 * 1024
_HELLO_SECONDS = 20.0
_LAST_WORDS_SECONDS = 0.1
_MOMENT_SECONDS = 0.005


class StartFailed(Exception):
    """The process could not be brought up; the function's code had no part in it."""


class State(enum.Enum):
    STARTING = 1
    IDLE = 2
    BUSY = 3
    DYING = 4
    DEAD = 5


class Process(ABC):
    """A sandboxed process, its sockets, its log pipe and its control group. `Instance` gives it work."""

    def __init__(self, crew: Crew, spec: FunctionSpec) -> None:
        self.crew = crew
        self.spec = spec
        self.uid = crew.next_uid()
        self.state = State.STARTING
        self.frozen = False
        self.pid = 0
        self.group: Group | None = None
        self._placed = False
        """It entered its group by itself."""
        self.runtime_api: str | None = None
        """Address of the Runtime API, for runtimes that bring their own client."""
        self._memory_bytes = spec.memory_mb * 1024 * 1024
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._control: socket.socket | None = None
        self._control_gone = False
        self._pidfd = -1
        self._exit_status: int | None = None
        self._refused = ""
        self._entrypoint: Failure | None = None
        self._drain: Drain | None = None
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._hello: asyncio.Future[int] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()

    # ------------------------------------------------------------ what an instance adds

    @abstractmethod
    def _emit(self, data: bytes) -> None:
        """Output came."""

    @abstractmethod
    def _ended(self, failure: Failure) -> None:
        """The process is dead; `failure` says how."""

    # ------------------------------------------------------------ coming up

    async def _bring_up(self, instance: Instance) -> None:
        """Start the process and put it into its limits; it waits there for `_release`. Raises StartFailed."""
        api, api_child = socket.socketpair()
        log, log_child = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        control, control_child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        creating = asyncio.ensure_future(self.crew.create_group(self.spec))
        entrances: list[int] = []
        try:
            os.set_blocking(log_child, True)
            with contextlib.suppress(OSError):
                fcntl.fcntl(log_child, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._drain = Drain(log, self.crew.clock, self._emit)
            self._listen_to(control)
            api.setblocking(False)
            connection = Connection(instance)
            self._connections.add(connection)
            await self._loop.create_unix_connection(lambda: connection, sock=api)
            if self.spec.runtime.startswith("provided"):
                self._server, self.runtime_api = await listen(instance)
            group = await creating
            entrances = group.entrances() if group is not None else []
            descriptors = (api_child.fileno(), log_child, control_child.fileno(), *entrances)
            await self.crew.launcher.launch(instance, descriptors)
        finally:
            for entrance in entrances:
                os.close(entrance)
            api_child.close()
            control_child.close()
            os.close(log_child)
            self.group = await creating
            if self.state is State.DEAD:
                self.crew.bury(self.group)
        await self._place()

    def _listen_to(self, control: socket.socket) -> None:
        control.setblocking(False)
        control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control = control
        self._loop.add_reader(control.fileno(), self._heard)

    async def _place(self) -> None:
        try:
            self.pid = await asyncio.wait_for(asyncio.shield(self._hello), _HELLO_SECONDS)
            self._pidfd = os.pidfd_open(self.pid)
        except (TimeoutError, OSError) as problem:
            raise StartFailed(f"the instance did not come up: {problem}") from problem
        if self.group is not None and not self._placed:
            await self.crew.enter_group(self.group, self.pid)

    def _release(self) -> None:
        """Let user code load."""
        try:
            if self._control is not None:
                self._control.send(b"G")
        except OSError as problem:
            raise StartFailed("the instance died while it was placed") from problem

    def post_request(self, request: bytes) -> None:
        """Leave what to become in the control socket, for a process that starts alone."""
        assert self._control is not None
        self._control.send(request)

    def _heard(self) -> None:
        """A word of the instance's first process, or its end."""
        if self._control is None:
            return
        try:
            data, ancillary, _flags, _address = self._control.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        kind, rest = data[:1], data[1:].decode(errors="replace")
        if not data:
            self._control_ended()
        elif kind == b"H" and not self._hello.done():
            self._placed = rest == "1"
            self._hello.set_result(_CREDENTIALS.unpack(ancillary[0][2])[0])
        elif kind == b"X" and rest.isdigit():
            self._exit_status = int(rest)
        elif kind == b"F":
            number, _, path = rest.partition(" ")
            self._entrypoint = errors.invalid_entrypoint(path, int(number) if number.isdigit() else 0)
        elif kind == b"E":
            self._refused = rest

    def _control_ended(self) -> None:
        """The first process is gone. What the runtime said last may still wait on the other socket: hear it first."""
        assert self._control is not None
        self._loop.remove_reader(self._control.fileno())
        self._control_gone = True
        if self.runtime_api is None and self._connections:
            # Twice: a loop that was held up runs its timers before it hears, and so must hear once in between.
            self._loop.call_later(_LAST_WORDS_SECONDS, self._loop.call_later, _MOMENT_SECONDS, self._died)
        else:
            self._died()

    def disconnected(self, connection: Connection) -> None:
        """A connection of the runtime ended."""
        self._connections.discard(connection)
        if self._control_gone and not self._connections:
            self._died()

    def adopt(self, connection: Connection) -> None:
        """A custom runtime opened a connection."""
        self._connections.add(connection)

    # ------------------------------------------------------------ limits

    @property
    def freezable(self) -> bool:
        return self.group is not None

    def freeze(self) -> None:
        """Stop the processes of an idle instance, as Lambda does."""
        if self.group is not None and not self.frozen and self.state is State.IDLE:
            self.group.freeze()
            self.frozen = True

    def thaw(self) -> None:
        if self.group is not None and self.frozen:
            self.group.thaw()
            self.frozen = False

    def exceeds_memory(self) -> bool:
        """More resident memory than the function has: it must die, as on Lambda. Cheap while it is well below."""
        if self.group is None:
            return process_tree.resident_kb(self.pid) * 1024 > self._memory_bytes
        try:
            return self.group.charged_bytes() > self._memory_bytes and self.group.resident_bytes() > self._memory_bytes
        except OSError:
            return False

    # ------------------------------------------------------------ the end

    def kill(self) -> None:
        """End every process of the instance; `gone` tells when that is done."""
        if self.state in (State.DYING, State.DEAD):
            return
        self.state = State.DYING
        self.crew.leaving(self)
        if self.group is not None:
            with contextlib.suppress(OSError):
                self.group.stop_forks()
                self.thaw()
                # A throttled group would die at its share of a core.
                self.group.share_cpu(None)
        if self._pidfd < 0:
            self._died()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if self.crew.launcher.shares_pids:
            self._kill_group()

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
        if self._control is not None:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if not self._hello.done():
            self._hello.set_exception(OSError(f"refused: {self._refused}" if self._refused else "it died"))
            self._hello.exception()
        self._ended(self._entrypoint or errors.exited(status))
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

    async def gone(self) -> None:
        """Return when the process is dead."""
        await asyncio.shield(self._gone)
