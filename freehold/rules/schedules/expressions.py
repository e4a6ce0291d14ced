"""`rate(...)`, `cron(...)` and `at(...)`: values that know when they happen next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from freehold.rules.schedules import cron

_RATE = re.compile(r"([1-9]\d{0,8}) (minute|minutes|hour|hours|day|days)")
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}")
_UNIT_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = (datetime(cron.LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_MOST_SKIPPED = 4_096
"""Candidates of one cron expression that a zone's changes may swallow: a day at a time (Samoa in 2011) at most."""


CATCH_UP_MS = 300_000
"""Occurrences that a late server finds in the past count one by one up to this age; of older ones only the first does."""


class ExpressionError(ValueError):
    """Not a schedule expression, or not one of this service."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every `period_ms` milliseconds, whatever the zone."""

    period_ms: int

    @property
    def recurs(self) -> bool:
        return True

    def next_after(self, ms: int, zone: tzinfo = UTC, *, anchor_ms: int = 0) -> int | None:
        """The first `anchor_ms` + n * period (n >= 0) later than `ms`."""
        if ms < anchor_ms:
            return anchor_ms
        found = anchor_ms + ((ms - anchor_ms) // self.period_ms + 1) * self.period_ms
        return found if found < _LAST_MS else None


@dataclass(frozen=True, slots=True)
class Cron:
    """At the minutes that the fields name, in a zone's local time."""

    fields: cron.Fields

    @property
    def recurs(self) -> bool:
        return True

    def next_after(self, ms: int, zone: tzinfo = UTC, *, anchor_ms: int = 0) -> int | None:
        """The first named minute that begins later than `ms`; None where the years are over. `anchor_ms` has no part."""
        if ms >= _LAST_MS:
            return None
        local = _moment(max(ms, 0)).astimezone(zone).replace(tzinfo=None)
        for _ in range(_MOST_SKIPPED):
            following = self.fields.after(local)
            if following is None:
                return None
            found = _to_ms(following, zone)
            if found is not None and found > ms:
                return found if found < _LAST_MS else None
            local = following
        return None


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a local time."""

    moment: datetime
    """Without a zone."""

    @property
    def recurs(self) -> bool:
        return False

    def next_after(self, ms: int, zone: tzinfo = UTC, *, anchor_ms: int = 0) -> int | None:
        """Its time if that is later than `ms`, else None. `anchor_ms` has no part."""
        found = _to_ms(self.moment, zone)
        return found if found is not None and found > ms else None


Expression = Rate | Cron | At


def following(
    expression: Expression, occurrence_ms: int, now_ms: int, zone: tzinfo = UTC, *, anchor_ms: int = 0
) -> int | None:
    """What comes after an occurrence that is being acted on at `now_ms`. What was missed long ago is passed over."""
    found = expression.next_after(occurrence_ms, zone, anchor_ms=anchor_ms)
    if found is not None and found <= now_ms - CATCH_UP_MS:
        return expression.next_after(now_ms, zone, anchor_ms=anchor_ms)
    return found


@lru_cache(maxsize=512)
def parse(text: str, *, scheduler: bool = False) -> Expression:
    """The schedule that an expression describes. Raises ExpressionError.

    Rules of EventBridge know `rate` and `cron`, and want `1 minute` but `2 minutes`. Scheduler also knows `at`, and takes
    either number of the unit (its User Guide writes `rate(1 days)`).
    """
    kind, bracket, rest = text.partition("(")
    if not bracket or not rest.endswith(")"):
        raise ExpressionError(text)
    inner = rest[:-1]
    if kind == "rate":
        return _rate(inner, strict=not scheduler)
    if kind == "cron":
        try:
            return Cron(cron.parse(inner))
        except cron.CronError:
            raise ExpressionError(text) from None
    if kind == "at" and scheduler:
        return _at(inner)
    raise ExpressionError(text)


@lru_cache(maxsize=1_024)
def zone(name: str) -> tzinfo:
    """The time zone of an IANA name (`Europe/Berlin`, `UTC`). Raises ExpressionError where there is none."""
    if name == "UTC":
        return UTC
    if not _ZONE.fullmatch(name) or name in ("Factory",):
        raise ExpressionError(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ExpressionError(name) from None


def _rate(text: str, *, strict: bool) -> Rate:
    found = _RATE.fullmatch(text)
    if found is None:
        raise ExpressionError(text)
    value, unit = int(found[1]), found[2]
    if strict and (value == 1) == unit.endswith("s"):
        raise ExpressionError(text)
    return Rate(value * _UNIT_MS[unit.removesuffix("s")])


def _at(text: str) -> At:
    if not _AT.fullmatch(text):
        raise ExpressionError(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ExpressionError(text) from None
    if not cron.FIRST_YEAR <= moment.year <= cron.LAST_YEAR:
        raise ExpressionError(text)
    return At(moment)


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _to_ms(local: datetime, zone: tzinfo) -> int | None:
    """When a local time is, the first time where it is twice; None where the zone's clocks skip it."""
    aware = local.replace(tzinfo=zone, fold=0)
    utc = aware.astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None, fold=0) != local:
        return None
    return (utc - _EPOCH) // _MILLISECOND
