"""Invoking functions for integrations and authorizers."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.call import Cause
from freehold.ports.platform import Platform

SOURCE = "apigateway.amazonaws.com"
LATE, THROTTLED, REFUSED, FAILED = "late", "throttled", "refused", "failed"


class Uninvoked(Exception):
    """There is no answer: `reason` is LATE, THROTTLED, REFUSED (Lambda refused the call) or FAILED (function error)."""

    def __init__(self, reason: str, payload: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.payload = payload
        """What a function that failed said of it."""


async def invoke(
    platform: Platform, function: str, event: dict[str, Any], *, trace: str, source_arn: str, seconds: float
) -> bytes:
    """The answer of a function. Raises Uninvoked. A function that is late goes on running, as on AWS."""
    try:
        encoded = orjson.dumps(event)
    except TypeError:  # what an authorizer said of the caller is nested deeper than JSON is written
        raise Uninvoked(FAILED) from None
    try:
        async with asyncio.timeout(seconds):
            invoked = await platform.functions.invoke(
                function, encoded, cause=Cause(trace), source=SOURCE, source_arn=source_arn
            )
    except TimeoutError:
        raise Uninvoked(LATE) from None
    except Fault as fault:
        raise Uninvoked(THROTTLED if fault.code == "TooManyRequestsException" else REFUSED) from None
    payload = invoked.payload
    assert isinstance(payload, bytes)
    if invoked.function_error is not None:
        raise Uninvoked(FAILED, payload)
    return payload
