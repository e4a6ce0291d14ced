"""Schedule expressions: AWS's documented examples, daylight saving, what is refused, and properties of next_after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.rules.schedules import Cron, ExpressionError, following, parse, zone


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def shown(value: int | None) -> str | None:
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def run(expression: str, start: str, count: int, name: str = "UTC", **options: Any) -> list[str | None]:
    schedule, where, now = parse(expression, scheduler=True), zone(name), ms(start)
    found: list[str | None] = []
    for _ in range(count):
        following = schedule.next_after(now, where, **options)
        found.append(shown(following))
        if following is None:
            break
        now = following
    return found


# The examples of the EventBridge User Guide, "Cron expressions reference".
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 10 * * ? *)", ["2026-01-01T10:00:00", "2026-01-02T10:00:00"]),
        ("cron(15 12 * * ? *)", ["2026-01-01T12:15:00", "2026-01-02T12:15:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01T18:00:00", "2026-01-02T18:00:00", "2026-01-05T18:00:00"]),
        ("cron(0 8 1 * ? *)", ["2026-01-01T08:00:00", "2026-02-01T08:00:00"]),
        ("cron(0/15 * * * ? *)", ["2026-01-01T00:15:00", "2026-01-01T00:30:00"]),
        ("cron(0/10 * ? * MON-FRI *)", ["2026-01-01T00:10:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-01-01T08:00:00", "2026-01-01T08:05:00"]),
        ("cron(0/30 20-2 ? * MON-FRI *)", ["2026-01-01T00:30:00", "2026-01-01T01:00:00", "2026-01-01T01:30:00",
                                            "2026-01-01T02:00:00", "2026-01-01T02:30:00", "2026-01-01T20:00:00"]),
        ("cron(1/10 * * * ? *)", ["2026-01-01T00:01:00", "2026-01-01T00:11:00", "2026-01-01T00:21:00"]),
        ("cron(15 10 ? * 6L 2022-2030)", ["2026-01-30T10:15:00", "2026-02-27T10:15:00"]),
        ("cron(0 9 ? * 2#1 *)", ["2026-01-05T09:00:00", "2026-02-02T09:00:00"]),
        ("cron(0 9 ? * 3#2 *)", ["2026-01-13T09:00:00", "2026-02-10T09:00:00"]),
        ("cron(0 0 ? * FRI#5 *)", ["2026-01-30T00:00:00", "2026-05-29T00:00:00"]),
        ("cron(0 0 L * ? *)", ["2026-01-31T00:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00"]),
        ("cron(0 0 L-2 * ? *)", ["2026-01-29T00:00:00", "2026-02-26T00:00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-01-30T00:00:00", "2026-02-27T00:00:00"]),
        ("cron(0 0 3W * ? *)", ["2026-01-02T00:00:00", "2026-02-03T00:00:00"]),
        ("cron(0 0 1W 8,11 ? *)", ["2026-08-03T00:00:00", "2026-11-02T00:00:00"]),
        ("cron(0 0 31W * ? *)", ["2026-01-30T00:00:00", "2026-03-31T00:00:00"]),
        ("cron(0 0 ? * L *)", ["2026-01-03T00:00:00", "2026-01-10T00:00:00"]),
        ("cron(0 0 ? * SUN,7 *)", ["2026-01-03T00:00:00", "2026-01-04T00:00:00"]),
        ("cron(0 0 ? * FRI-MON *)", ["2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00",
                                      "2026-01-05T00:00:00", "2026-01-09T00:00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("cron(0 0 1 JAN,jul ? 2027)", ["2027-01-01T00:00:00", "2027-07-01T00:00:00", None]),
        ("cron(0 0 30 2 ? *)", [None]),
        ("cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)", ["2026-01-01T08:00:00", "2026-01-01T08:01:00"]),
        ("cron(1-31/30 1-1 ? * 1,7 *)", ["2026-01-03T01:01:00", "2026-01-03T01:31:00"]),
        ("rate(5 minutes)", ["2026-01-01T00:05:00", "2026-01-01T00:10:00"]),
        ("rate(1 hour)", ["2026-01-01T01:00:00"]),
        ("rate(7 days)", ["2026-01-08T00:00:00"]),
        ("at(2026-11-20T13:00:00)", ["2026-11-20T13:00:00", None]),
        ("at(2025-11-20T13:00:00)", [None]),
    ],
)  # fmt: skip
def test_documented_expressions(expression: str, expected: list[str | None]) -> None:
    start = "2026-01-01T00:00:00"
    assert run(expression, start, len(expected), anchor_ms=ms(start)) == expected


def test_a_time_that_spring_skips_is_skipped() -> None:
    # New York, 8 March 2026: 02:00 becomes 03:00 (UTC-5 to UTC-4).
    assert run("cron(30 2 * * ? *)", "2026-03-07T00:00:00", 2, "America/New_York") == [
        "2026-03-07T07:30:00",
        "2026-03-09T06:30:00",
    ]
    assert run("at(2026-03-08T02:30:00)", "2026-01-01T00:00:00", 1, "America/New_York") == [None]


def test_a_time_that_autumn_repeats_counts_once() -> None:
    # New York, 1 November 2026: 02:00 becomes 01:00 (UTC-4 to UTC-5).
    assert run("cron(30 1 * * ? *)", "2026-11-01T00:00:00", 2, "America/New_York") == [
        "2026-11-01T05:30:00",
        "2026-11-02T06:30:00",
    ]
    assert run("at(2026-11-01T01:30:00)", "2026-01-01T00:00:00", 2, "America/New_York") == ["2026-11-01T05:30:00", None]
    assert run("cron(0,30 * * * ? *)", "2026-11-01T04:45:00", 4, "America/New_York") == [
        "2026-11-01T05:00:00",
        "2026-11-01T05:30:00",
        "2026-11-01T07:00:00",
        "2026-11-01T07:30:00",
    ]


def test_a_day_that_a_zone_skipped() -> None:
    assert run("cron(0 12 * * ? *)", "2011-12-29T23:00:00", 2, "Pacific/Apia") == [
        "2011-12-30T22:00:00",
        "2011-12-31T22:00:00",
    ]


def test_a_day_of_a_rate_is_24_hours_in_every_zone() -> None:
    start = ms("2026-03-07T12:00:00")
    assert run("rate(1 days)", "2026-03-07T12:00:00", 2, "America/New_York", anchor_ms=start) == [
        "2026-03-08T12:00:00",
        "2026-03-09T12:00:00",
    ]


def test_a_rate_counts_from_its_anchor() -> None:
    anchor = ms("2026-01-01T00:07:30")
    assert run("rate(10 minutes)", "2026-01-01T00:00:00", 3, anchor_ms=anchor) == [
        "2026-01-01T00:07:30",
        "2026-01-01T00:17:30",
        "2026-01-01T00:27:30",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "", "rate", "rate()", "rate(0 minutes)", "rate(1.5 hours)", "rate(-1 days)", "rate(5 weeks)", "rate(5minutes)",
        "rate(5 minutes", "cron()", "cron(* * * * *)", "cron(0 10 * * ? * *)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)",
        "cron(60 * * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 1 13 ? *)",
        "cron(0 0 ? * 0 *)", "cron(0 0 ? * 8 *)", "cron(0 0 1 1 ? 1969)", "cron(0 0 1 1 ? 2200)", "cron(0/0 * * * ? *)",
        "cron(0 0 ? * 3#1,6#3 *)", "cron(0 0 ? * 3#6 *)", "cron(0 0 W * ? *)", "cron(0 0 1 FOO ? *)", "cron(0, * * * ? *)",
        "cron(0/5, 9-18, ?, *, MON-FRI, *)", "cron(? * * * ? *)", "cron(0 0 1-W * ? *)", "cron(0 0 1 1 ? 2030-2020)",
        "at(2026-13-01T00:00:00)", "at(2026-01-01)", "at(2026-01-01T00:00)", "at(2026-01-01 00:00:00)",
        "at(2026-01-01T00:00:00Z)", "at(2026-02-30T00:00:00)", "at(2026-01-01T24:00:00)", "every(1 day)",
    ],
)  # fmt: skip
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ExpressionError):
        parse(expression, scheduler=True)


def test_rules_want_the_right_number_and_know_no_at() -> None:
    for refused in ("rate(1 minutes)", "rate(5 minute)", "rate(1 hours)", "rate(2 day)", "at(2026-01-01T00:00:00)"):
        with pytest.raises(ExpressionError):
            parse(refused)
    for taken in ("rate(1 minute)", "rate(2 hours)", "rate(1 day)", "cron(0 12 * * ? *)"):
        assert parse(taken).recurs


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../etc/passwd", "posix/UTC", "localtime", "utc", "Europe/", "/UTC"]
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ExpressionError):
        zone(name)


def test_a_schedule_is_cheap_even_where_nothing_comes() -> None:
    assert run("cron(* * 31 2,4,6,9,11 ? *)", "2026-01-01T00:00:00", 1) == [None]


def _item(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    step = st.integers(1, min(high, 20)).map(str)
    return st.one_of(
        number,
        st.builds(lambda a, b: f"{a}-{b}", number, number) if high < 1970 else number,
        st.builds(lambda a, n: f"{a}/{n}", number, step),
        st.builds(lambda n: f"*/{n}", step),
        st.just("*"),
    )


def _list(low: int, high: int) -> st.SearchStrategy[str]:
    return st.lists(_item(low, high), min_size=1, max_size=3).map(",".join)


_special_days = st.one_of(st.sampled_from(["L", "LW", "L-3"]), st.integers(1, 31).map(lambda n: f"{n}W"))
_special_weekdays = st.one_of(
    st.builds(lambda d, n: f"{d}#{n}", st.integers(1, 7), st.integers(1, 5)), st.integers(1, 7).map(lambda d: f"{d}L")
)
_days = st.one_of(
    st.tuples(st.one_of(_list(1, 31), _special_days), st.just("?")),
    st.tuples(st.just("?"), st.one_of(_list(1, 7), _special_weekdays)),
)
_crons = st.builds(
    lambda minute, hour, days, month: f"cron({minute} {hour} {days[0]} {month} {days[1]} *)",
    _list(0, 59), _list(0, 23), _days, _list(1, 12),
)  # fmt: skip
_zones = st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Europe/Dublin"])


@settings(max_examples=150, deadline=None)
@given(_crons, _zones, st.integers(ms("2024-01-01T00:00:00"), ms("2030-01-01T00:00:00")))
def test_next_after_is_strictly_later_and_names_minutes_that_match(expression: str, name: str, start: int) -> None:
    schedule, where, now = parse(expression), zone(name), start
    assert isinstance(schedule, Cron)
    for _ in range(5):
        following = schedule.next_after(now, where)
        if following is None:
            break
        assert following > now and following % 60_000 == 0
        local = datetime.fromtimestamp(following / 1000, where)
        assert local.fold == 0 and schedule.fields.matches(local.replace(tzinfo=None))
        now = following


@settings(max_examples=60, deadline=None)
@given(_crons, _zones, st.integers(ms("2026-01-01T00:00:00"), ms("2026-12-31T00:00:00")))
def test_next_after_passes_over_no_minute(expression: str, name: str, start: int) -> None:
    """Every minute of the next two days is looked at one by one."""
    schedule, where = parse(expression), zone(name)
    assert isinstance(schedule, Cron)
    end = start + 2 * 86_400_000
    following = schedule.next_after(start, where)
    minute = (start // 60_000 + 1) * 60_000
    while minute < min(end, following if following is not None else end):
        local = datetime.fromtimestamp(minute / 1000, where)
        assert local.fold or not schedule.fields.matches(local.replace(tzinfo=None)), local
        minute += timedelta(minutes=1) // timedelta(milliseconds=1)


def test_after_a_long_silence_the_past_is_passed_over() -> None:
    schedule, noon = parse("cron(0 * * * ? *)"), ms("2026-01-01T12:00:00")
    assert shown(following(schedule, noon, noon)) == "2026-01-01T13:00:00"
    assert shown(following(schedule, noon, ms("2026-01-01T13:04:59"))) == "2026-01-01T13:00:00"
    assert shown(following(schedule, noon, ms("2026-01-01T13:05:00"))) == "2026-01-01T14:00:00"
    assert shown(following(schedule, noon, ms("2026-01-03T00:30:00"))) == "2026-01-03T01:00:00"
    assert shown(following(parse("rate(1 day)"), noon, ms("2026-01-09T00:00:00"), anchor_ms=noon)) == (
        "2026-01-09T12:00:00"
    )


def test_the_years_end_in_every_zone_at_once() -> None:
    """Found by ./dev fuzz: west of Greenwich there was a last time whose own next time was earlier."""
    for name in ("UTC", "America/New_York", "Pacific/Apia"):
        assert run("cron(13 */21 ? * * 2199)", "2199-12-31T23:59:00", 1, name) == [None]
