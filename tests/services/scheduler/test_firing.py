"""When schedules fire: occurrences, windows, dates, states, restarts, completion."""

from __future__ import annotations

from typing import Any

from freehold.rules.schedules import CATCH_UP_MS
from tests.services.scheduler.support import QUEUE, Scheduler, at, scenario, schedule

DAY = 86_400


def times(house: Scheduler) -> list[str]:
    return [sent.at[5:] for sent in house.sent]


@scenario
async def test_a_rate_without_a_start_begins_at_once_and_counts_from_its_creation(house: Scheduler) -> None:
    await house.advance(90)
    await house.create(expression="rate(20 minutes)")
    await house.advance(3600)
    assert times(house) == ["01-01T00:01:30", "01-01T00:21:30", "01-01T00:41:30", "01-01T01:01:30"]


@scenario
async def test_a_rate_with_a_start_begins_there(house: Scheduler) -> None:
    await house.create(expression="rate(2 hours)", StartDate=at("2026-01-01T05:30:00"))
    await house.advance(DAY / 2)
    assert times(house) == ["01-01T05:30:00", "01-01T07:30:00", "01-01T09:30:00", "01-01T11:30:00"]


@scenario
async def test_an_end_is_the_last_moment(house: Scheduler) -> None:
    await house.create(expression="rate(1 hour)", EndDate=at("2026-01-01T02:00:00"))
    await house.advance(DAY)
    assert times(house) == ["01-01T00:00:00", "01-01T01:00:00", "01-01T02:00:00"]
    assert (await house("GetSchedule", Name="s"))["State"] == "ENABLED"


@scenario
async def test_every_occurrence_of_a_day_in_order(house: Scheduler) -> None:
    await house.create(expression="cron(0/15 * * * ? *)")
    await house.advance(DAY)
    assert len(house.sent) == 97  # midnight of both days
    assert times(house) == sorted(times(house))
    assert [sent.body for sent in house.sent] != []


@scenario
async def test_cron_in_a_time_zone_over_a_change_of_clocks(house: Scheduler) -> None:
    await house.create(
        expression="cron(30 2 * * ? *)",
        ScheduleExpressionTimezone="America/New_York",
        StartDate=at("2026-03-07T00:00:00"),
        EndDate=at("2026-03-10T00:00:00"),
    )
    await house.advance(70 * DAY)
    assert times(house) == ["03-07T07:30:00", "03-09T06:30:00"]


@scenario
async def test_one_time_schedules_fire_once_and_stay(house: Scheduler) -> None:
    await house.create(expression="at(2026-01-01T12:00:00)", StartDate=at("2027-01-01T00:00:00"))
    await house.create("tokyo", expression="at(2026-01-01T12:00:00)", ScheduleExpressionTimezone="Asia/Tokyo")
    await house.create("past", expression="at(2025-01-01T12:00:00)")
    await house.advance(2 * DAY)
    assert times(house) == ["01-01T03:00:00", "01-01T12:00:00"]
    assert await house.names() == ["past", "s", "tokyo"]


@scenario
async def test_after_completion_a_schedule_goes_if_asked_to(house: Scheduler) -> None:
    await house.create("once", expression="at(2026-01-01T12:00:00)", ActionAfterCompletion="DELETE")
    await house.create(
        "until", expression="rate(1 day)", EndDate=at("2026-01-03T12:00:00"), ActionAfterCompletion="DELETE"
    )
    await house.create(
        "never",
        expression="cron(0 0 1 6 ? 2027)",
        EndDate=at("2026-01-02T06:00:00"),
        ActionAfterCompletion="DELETE",
    )
    await house.advance(DAY / 2 - 1)
    assert await house.names() == ["never", "once", "until"]
    await house.advance(1)
    assert await house.names() == ["never", "until"]
    await house.advance(DAY)
    assert await house.names() == ["until"]
    await house.advance(2 * DAY)
    assert await house.names() == []
    assert times(house) == ["01-01T00:00:00", "01-01T12:00:00", "01-02T00:00:00", "01-03T00:00:00"]


@scenario
async def test_a_failed_last_invocation_completes_too(house: Scheduler) -> None:
    house.missing[QUEUE] = "QueueDoesNotExist"
    await house.create(
        expression="at(2026-01-01T12:00:00)",
        ActionAfterCompletion="DELETE",
        target={"RetryPolicy": {"MaximumRetryAttempts": 0}},
    )
    await house.advance(DAY)
    assert await house.names() == [] and house.sent == []


@scenario
async def test_disabled_schedules_wait(house: Scheduler) -> None:
    await house.create(expression="rate(1 hour)", State="DISABLED")
    await house.advance(7200)
    assert house.sent == []
    await house.advance(1800)
    await house("UpdateSchedule", **schedule(expression="rate(1 hour)"))
    await house.advance(3600)
    assert times(house) == ["01-01T03:00:00"]


@scenario
async def test_a_deleted_schedule_is_silent(house: Scheduler) -> None:
    await house.create(expression="rate(1 hour)")
    await house.advance(60)
    await house("DeleteSchedule", Name="s")
    await house.advance(DAY)
    assert times(house) == ["01-01T00:00:00"]


@scenario
async def test_an_update_moves_the_next_occurrence(house: Scheduler) -> None:
    await house.create(expression="at(2026-01-01T12:00:00)")
    await house("UpdateSchedule", **schedule(expression="at(2026-01-01T06:00:00)"))
    await house.advance(DAY)
    assert times(house) == ["01-01T06:00:00"]


@scenario
async def test_flexible_windows_spread_invocations(house: Scheduler) -> None:
    for n in range(20):
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
        await house.create(f"s{n}", expression="at(2026-01-01T12:00:00)", FlexibleTimeWindow=window)
    await house.advance(DAY)
    seen = times(house)
    assert len(seen) == 20 and len(set(seen)) > 10
    assert min(seen) >= "01-01T12:00:00" and max(seen) <= "01-01T12:30:00"


@scenario
async def test_what_is_deleted_or_changed_in_its_window_is_not_invoked(house: Scheduler) -> None:
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440}
    for name in ("gone", "changed", "kept"):
        await house.create(name, expression="at(2026-01-01T12:00:00)", FlexibleTimeWindow=window)
    await house.advance(DAY / 2)
    assert house.sent == []
    await house("DeleteSchedule", Name="gone")
    await house("UpdateSchedule", **schedule("changed", "at(2027-01-01T12:00:00)"))
    await house.advance(2 * DAY)
    assert [sent.source.arn.rpartition("/")[2] for sent in house.sent] == ["kept"]


@scenario
async def test_a_one_time_schedule_that_was_missed_fires_late(house: Scheduler) -> None:
    await house.create(expression="at(2026-01-01T12:00:00)", target={"Input": "<aws.scheduler.scheduled-time>"})
    await house.restart(down_s=2 * DAY)
    assert [(sent.at, sent.body) for sent in house.sent] == [("2026-01-03T00:00:00", "2026-01-01T12:00:00Z")]


@scenario
async def test_of_what_a_recurring_schedule_missed_the_first_fires_late(house: Scheduler) -> None:
    await house.create(
        expression="cron(0 * * * ? *)",
        StartDate=at("2026-01-01T00:30:00"),
        target={"Input": "<aws.scheduler.scheduled-time>"},
    )
    await house.restart(down_s=DAY + 1800)
    assert [sent.body for sent in house.sent] == ["2026-01-01T01:00:00Z"]
    await house.advance(3600)
    assert [sent.body for sent in house.sent][1:] == ["2026-01-02T01:00:00Z"]


@scenario
async def test_a_short_outage_skips_nothing(house: Scheduler) -> None:
    await house.create(expression="cron(* * * * ? *)", target={"Input": "<aws.scheduler.scheduled-time>"})
    await house.restart(down_s=CATCH_UP_MS / 1000)
    assert [sent.body[14:19] for sent in house.sent] == ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00"]


@scenario
async def test_a_restart_loses_no_retry_and_repeats_nothing(house: Scheduler) -> None:
    house.missing[QUEUE] = "QueueDoesNotExist"
    await house.create(expression="at(2026-01-01T12:00:00)", target={"Input": "<aws.scheduler.attempt-number>"})
    await house.advance(DAY / 2)
    del house.missing[QUEUE]
    await house.restart(down_s=60)
    await house.advance(DAY)
    assert [sent.body for sent in house.sent] == ["2"]


@scenario
async def test_many_schedules_of_one_minute(house: Scheduler) -> None:
    for n in range(350):
        await house.create(f"s{n}", expression="at(2026-01-01T12:00:00)")
    await house.advance(DAY)
    assert len(house.sent) == 350
    assert {sent.at for sent in house.sent} == {"2026-01-01T12:00:00"}


@scenario
async def test_a_schedule_that_is_created_while_the_timer_works_is_not_overlooked(house: Scheduler) -> None:
    await house.create("first", expression="at(2026-01-01T12:00:00)")
    original = house.platform.outbox.add
    created: list[Any] = []

    def add(*arguments: Any, **more: Any) -> None:
        original(*arguments, **more)
        if not created:
            created.append(house.tasks.spawn("create", house.create("second", expression="at(2026-01-01T12:00:01)")))

    house.platform.outbox.add = add  # type: ignore[method-assign]
    await house.advance(DAY)
    assert len(house.sent) == 2
