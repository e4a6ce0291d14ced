"""Waiting for a state: what tests do where the server's clock runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SOON_S = 40.0
"""What is waited for takes some seconds at most (a takeover about six); machines that run tests are busy."""


def eventually(found: Callable[[], Any], seconds: float = SOON_S) -> Any:
    """What `found` says once that is true."""
    until = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < until, f"not within {seconds:.0f} s: the last answer was {answer!r}"
        time.sleep(0.05)
    return answer
