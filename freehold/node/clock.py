"""`freehold clock`: what time it is on a server, and moving a manual clock."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class ClockError(Exception):
    """It could not be done; the text says why and what to do."""


def seconds(duration: str) -> int:
    """The seconds of `90s`, `15m`, `1d12h`. Raises ClockError."""
    parts = re.findall(r"(\d+)([smhd])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ClockError(f"{duration!r} is no duration. Write 90s, 15m, 2h, 1d or 1d12h.")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def command(endpoint: str, action: str | None, duration: str | None) -> str:
    """Ask the server at `endpoint`, or advance its clock and wait until all that became due has ended. Raises ClockError."""
    order = None
    if action == "advance":
        if duration is None:
            raise ClockError("Say how far: freehold clock advance 15m.")
        order = json.dumps({"advance_seconds": seconds(duration)}).encode()
    request = urllib.request.Request(f"{endpoint}/_freehold/clock", order)
    try:
        with urllib.request.urlopen(request) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as problem:
        raise ClockError(json.load(problem)["message"]) from problem
    except OSError as problem:
        raise ClockError(f"No server answers at {endpoint}. Start one with `freehold up`.") from problem
    return f"{found['now']} ({found['clock']} clock)"
