"""Timestamps in the three formats of AWS's protocols, to and from seconds since the epoch."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from functools import lru_cache

from freehold.wire.protocols.malformed import Malformed

ISO = "iso8601"
ISO_MILLIS = "iso8601-millis"
EPOCH = "unixTimestamp"
HTTP = "rfc822"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
_HTTP = re.compile(
    rf"[A-Z][a-z]{{2}}, (\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d)(?:\.(\d{{1,9}}))? GMT",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_LOWEST, _HIGHEST = -62135596800, 253402300799


def to_iso(seconds: float) -> str:
    """`2014-04-29T18:30:38Z`, with milliseconds where there are any."""
    millis = round(seconds * 1000)
    whole, rest = divmod(millis, 1000)
    return f"{_iso(whole)}.{rest:03d}Z" if rest else _iso(whole) + "Z"


@lru_cache(maxsize=1024)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def to_iso_millis(seconds: float) -> str:
    """`2014-04-29T18:30:38.000Z`, as S3 writes it."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"{_iso(whole)}.{rest:03d}Z"


def to_http(seconds: float) -> str:
    """`Tue, 29 Apr 2014 18:30:38 GMT`."""
    return _http(int(seconds // 1))


@lru_cache(maxsize=1024)
def _http(seconds: int) -> str:
    t = datetime.fromtimestamp(seconds, UTC)
    return (
        f"{_DAYS[t.weekday()]}, {t.day:02d} {_MONTHS[t.month - 1]} {t.year:04d}"
        f" {t.hour:02d}:{t.minute:02d}:{t.second:02d} GMT"
    )


def to_epoch(seconds: float) -> str:
    """`1398796238` or `1398796238.123`."""
    return str(int(seconds)) if seconds == int(seconds) else f"{seconds:.3f}".rstrip("0").rstrip(".")


def to_number(seconds: float) -> float:
    """A JSON or CBOR number, whole where it can be."""
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


def from_number(value: float) -> float:
    """Seconds, bounded to years 1 to 9999."""
    if not _LOWEST <= value <= _HIGHEST:
        raise Malformed("Timestamp is out of range")
    return int(value) if value == int(value) else value


def from_text(text: str) -> float:
    """Seconds of a timestamp written in any of the three formats."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return from_number(float(text))
    found = _ISO.fullmatch(text)
    if found is not None:
        return _from_iso(found)
    date = _HTTP.fullmatch(text)
    if date is None:
        raise Malformed("Unable to parse timestamp")
    day, month, year, hour, minute, second, fraction = date.groups()
    return _seconds(year, str(_MONTHS.index(month) + 1), day, hour, minute, second, fraction)


def _from_iso(found: re.Match[str]) -> float:
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    seconds = _seconds(year, month, day, hour or "0", minute or "0", second or "0", fraction)
    if sign:
        offset = int(off_hours) * 3600 + int(off_minutes) * 60
        seconds += -offset if sign == "+" else offset
    return seconds


def _seconds(year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str | None) -> float:
    try:  # a leap second is the one before it
        at = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59))
    except ValueError:
        raise Malformed("Unable to parse timestamp") from None
    seconds = timegm(at.timetuple())
    return seconds + float("0." + fraction) if fraction else seconds
