"""The six fields of AWS's cron expressions: minutes hours day-of-month month day-of-week year.

The dialect is that of the EventBridge User Guide ("Cron expressions reference"): days of the week count from 1 (SUN),
exactly one of day-of-month and day-of-week is `?`, `L` is the last day, `5L` the last Thursday of the month, `15W` the
weekday nearest to the 15th without leaving the month, `3#2` the second Tuesday (and then nothing else in that field).
A range whose end is before its start wraps around (`FRI-MON`, `22-4`), as in Quartz, whose dialect this is.
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

FIRST_YEAR, LAST_YEAR = 1970, 2199
_MONTHS = {
    name: n
    for n, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)
}
_WEEKDAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_NUMBER = re.compile(r"\d{1,4}")

DaysOf = Callable[[int, int], "int | None"]
"""(year, month) to one day of the month, or None where it has no such day."""


class CronError(ValueError):
    """Not a cron expression."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold."""

    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        if text in self.names:
            return self.names[text]
        if not _NUMBER.fullmatch(text) or not self.low <= int(text) <= self.high:
            raise CronError(text)
        return int(text)

    def values(self, item: str) -> set[int]:
        """The values of one item of a list: `*`, `5`, `1-5`, `*/10`, `1/10`, `1-30/10`."""
        base, slash, step = item.partition("/")
        increment = self._increment(step) if slash else 1
        if base == "*" or (slash and not base):
            return set(range(self.low, self.high + 1, increment))
        first, dash, last = base.partition("-")
        start = self.number(first)
        if not dash:
            return set(range(start, self.high + 1, increment)) if slash else {start}
        end = self.number(last)
        if end >= start:
            return set(range(start, end + 1, increment))
        if self.high == LAST_YEAR:
            raise CronError(item)
        span = self.high - self.low + 1
        return {(n - self.low) % span + self.low for n in range(start, end + span + 1, increment)}

    def _increment(self, text: str) -> int:
        if not _NUMBER.fullmatch(text) or not 0 < int(text) <= max(self.high, 1):
            raise CronError(text)
        return int(text)

    def listed(self, text: str) -> tuple[int, ...]:
        """The values of a whole field in order."""
        found: set[int] = set()
        for item in text.split(","):
            found |= self.values(item)
        return tuple(sorted(found))


MINUTES, HOURS, MONTHS = Field(0, 59), Field(0, 23), Field(1, 12, _MONTHS)
DAYS, WEEKDAYS, YEARS = Field(1, 31), Field(1, 7, _WEEKDAYS), Field(FIRST_YEAR, LAST_YEAR)


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a month that a cron expression names."""

    days: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    """1 (SUN) to 7 (SAT)."""
    special: tuple[DaysOf, ...] = ()

    def of(self, year: int, month: int) -> list[int]:
        """In order."""
        first, length = calendar.monthrange(year, month)
        found = {day for day in self.days if day <= length}
        if self.weekdays:
            found |= {day for day in range(1, length + 1) if _aws_weekday(first + day - 1) in self.weekdays}
        found |= {day for day in (special(year, month) for special in self.special) if day is not None}
        return sorted(found)


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed cron expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def after(self, moment: datetime) -> datetime | None:
        """The first local time later than the minute of `moment`; without a zone."""
        for year in self.years[bisect_left(self.years, moment.year) :]:
            first_month = moment.month if year == moment.year else 1
            for month in self.months[bisect_left(self.months, first_month) :]:
                this_month = (year, month) == (moment.year, moment.month)
                for day in self.days.of(year, month):
                    if this_month and day < moment.day:
                        continue
                    found = self._within(this_month and day == moment.day, moment)
                    if found is not None:
                        return datetime(year, month, day, *found)
        return None

    def _within(self, today: bool, moment: datetime) -> tuple[int, int] | None:
        """Hour and minute: the first of the day, or today's first after `moment`."""
        if not today:
            return self.hours[0], self.minutes[0]
        for hour in self.hours[bisect_left(self.hours, moment.hour) :]:
            if hour > moment.hour:
                return hour, self.minutes[0]
            later = self.minutes[bisect_left(self.minutes, moment.minute + 1) :]
            if later:
                return hour, later[0]
        return None

    def matches(self, moment: datetime) -> bool:
        """Does the expression name this local minute?"""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and moment.year in self.years
            and moment.day in self.days.of(moment.year, moment.month)
        )


def parse(text: str) -> Fields:
    """The fields between the brackets of `cron(...)`. Raises CronError."""
    parts = text.upper().split()
    if len(parts) != 6:
        raise CronError(text)
    minutes, hours, days, months, weekdays, years = parts
    if (days == "?") == (weekdays == "?"):
        raise CronError(text)
    chosen = _days_of_month(days.split(",")) if weekdays == "?" else _days_of_week(weekdays.split(","))
    return Fields(MINUTES.listed(minutes), HOURS.listed(hours), chosen, MONTHS.listed(months), YEARS.listed(years))


def _days_of_month(items: Sequence[str]) -> Days:
    days: set[int] = set()
    special: list[DaysOf] = []
    for item in items:
        if item == "L":
            special.append(_last_day)
        elif item == "LW":
            special.append(_last_workday)
        elif item.startswith("L-"):
            special.append(_before_last(Field(1, 30).number(item[2:])))
        elif item.endswith("W"):
            special.append(_nearest_workday(DAYS.number(item[:-1])))
        else:
            days |= DAYS.values(item)
    return Days(days=frozenset(days), special=tuple(special))


def _days_of_week(items: Sequence[str]) -> Days:
    weekdays: set[int] = set()
    special: list[DaysOf] = []
    for item in items:
        if "#" in item:
            if len(items) > 1:
                raise CronError(item)
            weekday, _, nth = item.partition("#")
            special.append(_nth_weekday(WEEKDAYS.number(weekday), Field(1, 5).number(nth)))
        elif item == "L":
            weekdays.add(7)
        elif item.endswith("L"):
            special.append(_last_weekday(WEEKDAYS.number(item[:-1])))
        else:
            weekdays |= WEEKDAYS.values(item)
    return Days(weekdays=frozenset(weekdays), special=tuple(special))


def _aws_weekday(python_weekday: int) -> int:
    """Python counts from Monday (0), AWS from Sunday (1)."""
    return (python_weekday + 1) % 7 + 1


def _last_day(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _before_last(days: int) -> DaysOf:
    def special(year: int, month: int) -> int | None:
        day = _last_day(year, month) - days
        return day if day >= 1 else None

    return special


def _last_workday(year: int, month: int) -> int:
    return _workday(year, month, _last_day(year, month))


def _nearest_workday(day: int) -> DaysOf:
    def special(year: int, month: int) -> int | None:
        return _workday(year, month, day) if day <= _last_day(year, month) else None

    return special


def _workday(year: int, month: int, day: int) -> int:
    """The Monday to Friday nearest to a day, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < _last_day(year, month) else day - 2
    return day


def _nth_weekday(weekday: int, nth: int) -> DaysOf:
    def special(year: int, month: int) -> int | None:
        first, length = calendar.monthrange(year, month)
        day = 1 + (weekday - _aws_weekday(first)) % 7 + 7 * (nth - 1)
        return day if day <= length else None

    return special


def _last_weekday(weekday: int) -> DaysOf:
    def special(year: int, month: int) -> int:
        length = _last_day(year, month)
        last = _aws_weekday(calendar.weekday(year, month, length))
        return length - (last - weekday) % 7

    return special
