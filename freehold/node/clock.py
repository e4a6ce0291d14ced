"""`freehold clock`: what time it is on a server, and moving a manual clock."""

from __future__ import annotations

import json
import re
from typing import Any

QUIET_WITHIN = "1d"
"""How far --until-quiet looks when nobody says: what repeats is never quiet."""
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class ClockError(Exception):
    """It could not be done; the text says why and what to do."""


def seconds(duration: str) -> int:
    """The seconds of `90s`, `15m`, `1d12h`. Raises ClockError."""
    parts = re.findall(r"(\d+)([smhd])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ClockError(f"{duration!r} is no duration. Write 90s, 15m, 2h, 1d or 1d12h.")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def command(endpoint: str, action: str | None, duration: str | None, *, until_quiet: bool = False) -> str:
    """What the time is on the server at `endpoint`, after advancing it if that is the action. Raises ClockError."""
    found = now(endpoint)
    if action == "advance":
        if duration is None and not until_quiet:
            raise ClockError("Say how far: freehold clock advance 15m, or freehold clock advance --until-quiet.")
        found = advance(endpoint, seconds(QUIET_WITHIN if duration is None else duration), until_quiet=until_quiet)
    return f"{found['now']} ({found['clock']} clock)"


def now(endpoint: str) -> dict[str, Any]:
    """`{"now", "now_ms", "clock"}` of the server. Raises ClockError."""
    return _ask(endpoint, None)


def advance(endpoint: str, by_seconds: float, *, until_quiet: bool = False) -> dict[str, Any]:
    """Move the clock and wait until all that became due has ended. Raises ClockError."""
    return _ask(endpoint, json.dumps({"advance_seconds": by_seconds, "until_quiet": until_quiet}).encode())


def _ask(endpoint: str, order: bytes | None) -> dict[str, Any]:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{endpoint}/_freehold/clock", order)
    try:
        with urllib.request.urlopen(request) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as problem:
        raise ClockError(json.load(problem)["message"]) from problem
    except OSError as problem:
        raise ClockError(f"No server answers at {endpoint}. Start one with `freehold up`.") from problem
    return found
