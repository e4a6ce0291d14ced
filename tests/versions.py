"""Freehold that says it is another version, or that it keeps its data in another format.

    python -m tests.versions 0.2.0 1 up --store ...

is `freehold up --store ...` of a version 0.2.0 whose format is 1.
"""

from __future__ import annotations

import sys
from typing import Any

import freehold
from freehold.testing import Freehold
from freehold.work import format


def command(version: str, number: int) -> list[str]:
    """What begins the command of such a Freehold."""
    return [sys.executable, "-m", "tests.versions", version, str(number)]


class Another(Freehold):
    """Such a server."""

    def __init__(self, version: str, number: int = format.FORMAT, **options: Any) -> None:
        super().__init__(**options)
        self._command[:3] = command(version, number)


if __name__ == "__main__":
    freehold.__version__, format.FORMAT = sys.argv[1], int(sys.argv[2])
    from freehold.node.cli import main

    main(sys.argv[3:])
