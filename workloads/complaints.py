"""What a server's log says of errors: no load that is acknowledged makes one."""

from __future__ import annotations

import re
from pathlib import Path

_ERROR = re.compile(r"^[0-9-]{10} [0-9:,]{12} (?:ERROR|CRITICAL) ")
_TRACE = "Traceback (most recent call last):"
LONGEST = 300
"""Characters of a line."""


def complaints(log: Path) -> list[str]:
    """The errors of a log, a line each: what was said, and the exception that was shown with it."""
    found: list[str] = []
    previous, inside = "", False
    for line in log.read_text(errors="replace").splitlines():
        if _ERROR.match(line):
            found.append(line)
            inside = False
        elif line == _TRACE:
            if not _ERROR.match(previous):
                found.append("an exception")
            inside = True
        elif inside and line and not line.startswith(" "):
            found[-1] += f": {line}"
            inside = False
        previous = line
    return [f"logged: {line[:LONGEST]}" for line in found]
