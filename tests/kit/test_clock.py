"""Service time: virtual when manual, never backwards."""

from __future__ import annotations

import asyncio

from freehold.kit.clock import ManualClock, SystemClock, iso8601


def test_service_time_never_runs_backwards() -> None:
    far = 99_999_999_999_999
    assert SystemClock(floor_ms=far).now_ms() == far


def test_a_manual_clock_stands_and_wakes_sleepers_in_due_order() -> None:
    async def body() -> list[str]:
        clock, order = ManualClock(start_ms=0), []

        async def sleeper(name: str, due: int) -> None:
            await clock.sleep_until(due)
            order.append(name)

        sleepers = [asyncio.create_task(sleeper("b", 2_000)), asyncio.create_task(sleeper("a", 1_000))]
        await asyncio.sleep(0)
        assert clock.next_due() == 1_000
        clock.advance(1.5)
        await sleepers[1]
        assert order == ["a"]
        clock.advance(1)
        await sleepers[0]
        return order

    assert asyncio.run(body()) == ["a", "b"]


def test_times_are_written_as_aws_writes_them() -> None:
    assert iso8601(1_767_225_600.5) == "2026-01-01T00:00:00.500Z"
    assert iso8601(1_767_225_600.5, millis=False) == "2026-01-01T00:00:00Z"


def test_a_clock_that_others_are_ahead_of_goes_on_from_their_time_and_never_back():
    clock = SystemClock()
    real = clock.now_ms()
    clock.raise_to(real + 5_000)
    assert 5_000 <= clock.now_ms() - real < 6_000
    assert abs(clock.now() * 1000 - clock.now_ms()) < 1_000
    clock.raise_to(real)
    assert clock.now_ms() - real >= 5_000
