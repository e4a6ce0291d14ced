"""Schedule expressions: ExpressionError or a schedule, whose next time is the first that its own fields name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from freehold.rules.schedules import Cron, ExpressionError, Rate, following, parse, zone
from fuzz.draws import Draws
from fuzz.targets import Target, require

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "X/Y",
    "",
)
WORDS = (
    "cron(",
    "rate(",
    "at(",
    "MON-FRI",
    "L",
    "LW",
    "15W",
    "3#2",
    "5L",
    "JAN",
    "0/15",
    "?",
    "*",
    "days)",
    "minutes)",
)
MOMENTS = (
    0,
    1_709_164_800_000,
    1_774_746_000_000,
    1_792_890_000_000,
    1_325_289_600_000,
    7_258_118_340_000,
    -5,
    1_700_000_000_123,
)
STEPS = 3
DAYS_WALKED = 40
"""Days that the naive search looks ahead: minute by minute."""


def _field(draws: Draws, low: int, high: int, special: tuple[str, ...]) -> str:
    def one() -> str:
        kind = draws.integer(0, 7)
        first = str(draws.integer(low, high))
        if kind < 2:
            return "*"
        if kind < 4:
            return first
        if kind == 4:
            return f"{first}-{draws.integer(low, high)}"
        if kind == 5:
            return f"{draws.pick(('*', first))}/{draws.integer(0, high)}"
        return draws.pick(special) if kind == 6 and special else first

    return ",".join(draws.many(2, one)) or "*"


def _expression(draws: Draws) -> str:
    kind = draws.integer(0, 7)
    if kind == 0:
        return f"rate({draws.integer(0, 400)} {draws.pick(('minute', 'minutes', 'hours', 'day', 'days', 'week'))})"
    if kind == 1:
        year, month, day, hour = (draws.integer(0, most) for most in (99, 13, 32, 25))
        return f"at(20{year:02}-{month:02}-{day:02}T{hour:02}:30:00)"
    if kind == 2:
        return draws.text(60)
    months = ("JAN", "FEB-MAR", "DEC", "NOV-FEB")
    days = _field(draws, 1, 31, ("L", "LW", "15W", "1W", "31W", "L-3", "L-30"))
    weekdays = _field(draws, 1, 7, ("MON", "FRI-MON", "3#2", "2#5", "5L", "L", "SUN"))
    if draws.chance(50):
        days, weekdays = days, "?"
    else:
        days, weekdays = "?", weekdays
    years = draws.pick(("*", "*", "2026", "2024-2028", "2199", "1970", "2025/2"))
    hours, minutes = _field(draws, 0, 23, ()), _field(draws, 0, 59, ())
    return f"cron({minutes} {hours} {days} {_field(draws, 1, 12, months)} {weekdays} {years})"


def run(draws: Draws) -> Any:
    """An expression, a zone and a moment."""
    text, name = draws.spliced(_expression(draws)), draws.pick(ZONES)
    scheduler = draws.chance(50)
    try:
        where = zone(name)
        found = parse(text, scheduler=scheduler)
    except ExpressionError as error:
        return str(error)
    at = draws.pick(MOMENTS) + draws.integer(-3, 3) * 3_600_000
    times: list[int] = []
    for _ in range(STEPS):
        later = found.next_after(at, where, anchor_ms=1_700_000_000_000)
        if later is None:
            break
        require(later > at, "not later", text, name, at, later)
        require(
            later == found.next_after(later - 1, where, anchor_ms=1_700_000_000_000), "skipped", text, name, at, later
        )
        times.append(later)
        if isinstance(found, Cron):
            _check_cron(found, where, name, text, at, later)
        at = later
    if isinstance(found, Rate) and len(times) > 2:
        require(times[2] - times[1] == found.period_ms, text, times)
    following(found, draws.pick(MOMENTS), draws.pick(MOMENTS), where)
    return times


def _check_cron(found: Cron, where: Any, name: str, text: str, at: int, later: int) -> None:
    local = datetime.fromtimestamp(later / 1000, UTC).astimezone(where).replace(tzinfo=None)
    require(later % 60_000 == 0 and found.fields.matches(local), "at a time that it does not name", text, name, later)
    if name != "UTC":
        return
    # No minute between, except beyond what is cheap to look at.
    minute = datetime.fromtimestamp(max(at, 0) // 60_000 * 60, UTC).replace(tzinfo=None)
    end = min(local, minute + timedelta(days=DAYS_WALKED))
    named = False
    for day in range((end - minute).days + 2):
        date = (minute + timedelta(days=day)).replace(hour=0, minute=0)
        if date.month not in found.fields.months or date.year not in found.fields.years:
            continue
        if date.day not in found.fields.days.of(date.year, date.month):
            continue
        first = date.replace(hour=found.fields.hours[0], minute=found.fields.minutes[0])
        last = date.replace(hour=found.fields.hours[-1], minute=found.fields.minutes[-1])
        named = named or (minute < first < end) or (minute < last < end)
    require(not named or end < local, "passed over a time", text, at, later)


TARGETS = (Target("schedules", run, dictionary=WORDS),)
