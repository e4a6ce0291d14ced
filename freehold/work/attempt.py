"""One attempt at something that others wrote: whatever it raises is an outcome, not the end of the worker."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def attempt(step: Awaitable[T]) -> T | Exception:
    """The result of `step`, or the exception it raised. Cancellation passes through.

    For workers which go on after any failure of a step and say it in their own words. Exceptions that are no Fault are
    bugs: whoever calls this logs them.
    """
    try:
        return await step
    except Exception as error:  # noqa: BLE001 - this is the worker's boundary
        return error
