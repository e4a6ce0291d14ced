"""Draining an instance's stdout and stderr: never blocking it, never unbounded.

Everything arrives on one pipe. Whole lines are handed on as they come; what is left of a line waits for its end or for
the end of the invocation. Beyond the budget output is read and dropped, and one line says how much.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import termios
from collections.abc import Callable

from freehold.kit.clock import Clock
from freehold.runtime.base import LogEvent

BYTES_PER_SECOND = 4 * 1024 * 1024
"""How much output of one instance is kept; a burst may be twice that."""
_READ = 256 * 1024
_READS_AT_ONCE = 4
_PAUSE = 0.01
_MAX_TAIL = 256 * 1024
_RECORD_SEPARATOR = b"\x1e"
_NOTHING = bytes(4)
_Emit = Callable[[bytes], None]


class Drain:
    """The reading end of an instance's log pipe."""

    def __init__(self, fd: int, clock: Clock, emit: _Emit) -> None:
        self._fd = fd
        self._clock = clock
        self._emit = emit
        self._tail = b""
        self._budget = 2.0 * BYTES_PER_SECOND
        self._refilled = clock.monotonic()
        self._dropped = 0
        self._resume: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            if not self._read_once():
                return
        # A flood: look again later, so that the loop belongs to others meanwhile.
        self._loop.remove_reader(self._fd)
        self._resume = self._loop.call_later(_PAUSE, self._look_again)

    def _look_again(self) -> None:
        self._resume = None
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._readable)

    def _read_once(self) -> bool:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._fd)
            return False
        self._take(data)
        return len(data) == _READ

    def _take(self, data: bytes) -> None:
        if not self._affords(len(data)):
            self._dropped += len(data)
            return
        if self._dropped:
            self._say_dropped()
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) < _MAX_TAIL:
            self._tail = data
            return
        end = end or len(data)
        self._tail = data[end:]
        self._hand_on(data[:end])

    def _affords(self, size: int) -> bool:
        now = self._clock.monotonic()
        self._budget = min(2.0 * BYTES_PER_SECOND, self._budget + (now - self._refilled) * BYTES_PER_SECOND)
        self._refilled = now
        if self._budget < size:
            return False
        self._budget -= size
        return True

    def _say_dropped(self) -> None:
        count, self._dropped = self._dropped, 0
        self._emit(b"[freehold] %d bytes of output were dropped: more than %d bytes/s\n" % (count, BYTES_PER_SECOND))

    def _hand_on(self, data: bytes) -> None:
        if _RECORD_SEPARATOR not in data:
            self._emit(data)
            return
        plain = b""
        for line in data.removesuffix(b"\n").split(b"\n"):
            line += b"\n"
            if _RECORD_SEPARATOR in line:
                if plain:
                    self._emit(plain)
                    plain = b""
                self._emit(LogEvent(line.replace(_RECORD_SEPARATOR, b"\n")))
            else:
                plain += line
        if plain:
            self._emit(plain)

    def finish(self) -> None:
        """Hand on all that has been written by now: an invocation ended."""
        if self._fd < 0:
            return
        waiting = bytearray(4)
        fcntl.ioctl(self._fd, termios.FIONREAD, waiting, True)
        if waiting != _NOTHING:  # most invocations write nothing; an error that says so costs three times as much
            for _ in range(_READS_AT_ONCE):
                if not self._read_once():
                    break
        if self._tail:
            tail, self._tail = self._tail, b""
            self._hand_on(tail + b"\n")
        if self._dropped:
            self._say_dropped()

    def close(self) -> None:
        """Read what is left and let go of the pipe."""
        if self._fd < 0:
            return
        self.finish()
        self._loop.remove_reader(self._fd)
        if self._resume is not None:
            self._resume.cancel()
        descriptor, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(descriptor)
