"""Timestamps in the three formats of AWS's protocols, to and from seconds since the epoch."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import parsedate_tz

from freehold.wire.protocols.malformed import Malformed

ISO = "iso8601"
EPOCH = "unixTimestamp"
HTTP = "rfc822"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_LOWEST, _HIGHEST = -62135596800, 253402300799


def to_iso(seconds: float) -> str:
    """`2014-04-29T18:30:38Z`, with milliseconds where there are any."""
    millis = round(seconds * 1000)
    whole, rest = divmod(millis, 1000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else text + "Z"


def to_iso_millis(seconds: float) -> str:
    """`2014-04-29T18:30:38.000Z`, as S3 and the query services write it."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{rest:03d}Z"


def to_http(seconds: float) -> str:
    """`Tue, 29 Apr 2014 18:30:38 GMT`."""
    t = datetime.fromtimestamp(int(seconds // 1), UTC)
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
    parsed = parsedate_tz(text) if len(text) < 64 else None
    if parsed is None or parsed[9] is None:
        raise Malformed("Unable to parse timestamp")
    try:
        datetime(*parsed[:6])
        seconds = timegm((*parsed[:6], 0, 0, 0)) - parsed[9]
    except (ValueError, OverflowError):
        raise Malformed("Unable to parse timestamp") from None
    fraction = re.search(r":\d\d\.(\d{1,9}) ", text)
    return seconds + float("0." + fraction[1]) if fraction else seconds


def _from_iso(found: re.Match[str]) -> float:
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), min(int(second or 0), 59))
    except ValueError:
        raise Malformed("Unable to parse timestamp") from None
    seconds = timegm(at.timetuple())
    if sign:
        offset = int(off_hours) * 3600 + int(off_minutes) * 60
        seconds += -offset if sign == "+" else offset
    return seconds + float("0." + fraction) if fraction else seconds
