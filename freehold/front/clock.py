"""`/_freehold/clock`: what service time it is (GET), and moving it where it is moved by hand (POST)."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from freehold.kit.clock import iso8601
from freehold.kit.http import Request, Response
from freehold.ports.platform import Platform

MAX_ADVANCE_S = 10 * 366 * 86_400
"""Ten years at a time."""


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    advance_seconds: float
    until_quiet: bool = False


async def respond(platform: Platform, request: Request) -> Response:
    """GET answers `{"now", "now_ms", "clock"}`. POST `{"advance_seconds": 900, "until_quiet": false}` answers the same when
    all that became due on the way has ended; 409 where time moves by itself."""
    if request.method == "POST":
        if platform.advance is None:
            return _json({"message": "The clock of this server runs by itself. Start one with --clock manual."}, 409)
        try:
            order = msgspec.json.decode(request.body, type=_Order)
        except (msgspec.DecodeError, msgspec.ValidationError) as problem:
            return _json({"message": f'Send {{"advance_seconds": 900}}: {problem}.'}, 400)
        if not 0 <= order.advance_seconds <= MAX_ADVANCE_S:
            return _json({"message": f"advance_seconds must be between 0 and {MAX_ADVANCE_S}."}, 400)
        await platform.advance.by(round(order.advance_seconds * 1000), until_quiet=order.until_quiet)
    now_ms = platform.clock.now_ms()
    kind = "system" if platform.advance is None else "manual"
    return _json({"now": iso8601(now_ms / 1000), "now_ms": now_ms, "clock": kind})


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps(value))
