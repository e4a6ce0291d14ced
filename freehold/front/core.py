"""Core: what every call goes through, from outside or inside. validate → throttle → handle → record.

Policies will be enforced between validate and throttle, from their own issue on: `call.action` and `call.resource` say
what is asked of what.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from freehold import wire
from freehold.kit.faults import Fault
from freehold.ports.call import Call

MAX_IN_FLIGHT = 4_096


def validate(call: Call) -> None:
    """Refuse input that the service's model does not allow."""
    wire.validate(call.operation, call.params)


def throttle(call: Call) -> None:
    """Bound what runs at once, so that a storm ends in ThrottlingException and not in exhausted memory."""
    if call.platform.in_flight >= MAX_IN_FLIGHT:
        raise Fault("ThrottlingException", "Rate exceeded", status=400)
    if call.account in call.platform.arriving:
        raise Fault("ServiceUnavailable", "The account is being imported: try again when it is complete.", status=503)
    call.platform.in_flight += 1
    call.admitted = True


def handle(call: Call) -> Awaitable[dict[str, Any]]:
    """Call the handler, or refuse an operation that has none by name."""
    if call.handler is None:
        raise Fault(
            "NotImplemented",
            f"Freehold does not implement {call.manifest.model}:{call.operation.name} yet. "
            "`freehold services --missing` lists what is missing.",
            status=501,
        )
    return call.handler(call, call.params)


def record(call: Call) -> None:
    """Count the call; buffered, may lose its last second in a crash."""
    if call.admitted:
        call.platform.in_flight -= 1
    meters = call.platform.meters
    meters.add(call.account, call.region, "calls", 1.0, action=call.action)
    if call.fault is not None:
        meters.add(call.account, call.region, "faults", 1.0, action=call.action, code=call.fault.code)


async def run(call: Call) -> dict[str, Any]:
    """The operation's result. Raises Fault. Whatever the outcome, the call is recorded."""
    try:
        validate(call)
        throttle(call)
        call.result = await handle(call)
        return call.result
    except Fault as fault:
        call.fault = fault
        raise
    finally:
        record(call)
