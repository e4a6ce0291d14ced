"""Draining stdout: whole lines, framed events, bounds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from freehold.kit.clock import SystemClock
from freehold.runtime.base import LogEvent
from freehold.runtime.output import BYTES_PER_SECOND, Drain


class StandingClock(SystemClock):
    """Monotonic time stands still: nothing is refilled."""

    def monotonic(self) -> float:
        return 1.0


def _drained(write: Callable[[int], None]) -> list[bytes]:
    got: list[bytes] = []

    async def scenario() -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK)
        drain = Drain(reading, SystemClock(), got.append)
        write(writing)
        drain.finish()
        os.close(writing)
        drain.close()

    asyncio.run(scenario())
    return got


def test_whole_lines_and_what_is_left_at_the_end() -> None:
    assert _drained(lambda fd: os.write(fd, b"one\ntwo\nthr")) == [b"one\ntwo\n", b"thr\n"]


def test_a_framed_event_comes_alone_with_its_newlines() -> None:
    got = _drained(lambda fd: os.write(fd, b"a\nfirst\x1esecond\nb\r\n"))
    assert got == [b"a\n", b"first\nsecond\n", b"b\r\n"]
    assert [isinstance(one, LogEvent) for one in got] == [False, True, False]


def test_beyond_the_budget_a_line_says_how_much_was_dropped() -> None:
    got: list[bytes] = []

    async def scenario() -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK)
        drain = Drain(reading, StandingClock(), got.append)
        line = b"x" * 65535 + b"\n"
        written = 0
        while written < 4 * BYTES_PER_SECOND:
            written += os.write(writing, line)
            drain.finish()
        os.close(writing)
        drain.close()

    asyncio.run(scenario())
    kept = sum(len(one) for one in got)
    assert kept < 3 * BYTES_PER_SECOND
    assert any(b"bytes of output were dropped" in one for one in got)
