"""Time to spare, and what the pool does without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from freehold.runtime.spare import STALE_S, WINDOW_S, Spare, times
from tests.runtime.bench import Bench
from tests.runtime.gate import gate
from tests.support import manual_clock

Play = Callable[..., None]
LOADS = "import time\nbegan = time.monotonic()\ntime.sleep(0.3)\nended = time.monotonic()\n"
LOADS += "def handler(event, context):\n    time.sleep(1.2)\n    return [began, ended]\n"
"""Takes longer than all that load in turn, so that none is used twice."""


class Wall:
    """A clock of which only monotonic time is asked."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_a_machine_without_idle_time_has_none_to_spare() -> None:
    clock, counted = Wall(), [(0, 0)]
    spare = Spare(clock, lambda: counted[-1])  # type: ignore[arg-type]

    def after(seconds: float, idle: int, busy: int) -> bool:
        clock.now += seconds
        counted.append((counted[-1][0] + idle, counted[-1][1] + idle + busy))
        return spare.none()

    assert not spare.none()  # nothing is known yet
    assert after(WINDOW_S, idle=0, busy=40)
    assert after(WINDOW_S / 4, idle=10, busy=0)  # what was seen last holds for a moment
    assert not after(WINDOW_S, idle=10, busy=30)
    assert after(WINDOW_S, idle=1, busy=39)
    assert not after(STALE_S + 1, idle=0, busy=400)  # too long ago to say anything of now
    assert after(WINDOW_S, idle=0, busy=40)


def test_where_nobody_counts_there_is_time_to_spare() -> None:
    spare = Spare(manual_clock(), lambda: None)
    assert not spare.none()


def test_linux_counts() -> None:
    first = times()
    assert first is not None and 0 < first[0] < first[1]


def overlap(spans: list[list[float]]) -> int:
    """How many were under way at once, at most."""
    return max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)


def test_whoever_loads_for_long_is_in_nobody_elses_way(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        bench.pool._starts._spare = Nothing(bench.pool._clock)
        async with gate() as closed:
            slow = bench.function(closed.waiting + "wait('init')\ndef handler(event, context): pass\n")
            waiting = [asyncio.ensure_future(bench.invoke(slow)) for _ in range(40)]
            await closed.came()
            assert await bench.result(bench.function("def handler(event, context): return event\n"), 1) == 1
            assert not any(each.done() for each in waiting)
            for each in waiting:
                each.cancel()

    play(scenario)


class Nothing(Spare):
    """No time to spare, ever."""

    def none(self) -> bool:
        return True


def test_without_time_to_spare_instances_load_a_few_at_a_time(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        bench.pool._starts._spare = Nothing(bench.pool._clock)
        spec = bench.function(LOADS)
        bench.pool.group(spec).turns = asyncio.Semaphore(2)
        spans = await asyncio.gather(*[bench.result(spec) for _ in range(6)])
        # one that is ready first may serve several: each span counts once
        assert overlap([list(span) for span in set(map(tuple, spans))]) <= 2

    play(scenario)
