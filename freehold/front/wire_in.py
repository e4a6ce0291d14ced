"""WIRE_IN: what a request means, who sends it, and its input. accept → identify → authenticate → parse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from freehold import wire
from freehold.front import hosts
from freehold.front.authenticate import authenticate
from freehold.front.body import TooLarge
from freehold.front.exchange import Exchange
from freehold.kit.faults import Fault
from freehold.ports.call import Call, Cause
from freehold.wire import sigv4
from freehold.wire.base import Match, Operation

FORM = "application/x-www-form-urlencoded"
MAX_FORM = 16 << 20


def accept(exchange: Exchange) -> None:
    """Read the signature's claims; bring virtual-hosted buckets into path style."""
    request = exchange.request
    try:
        exchange.signature = sigv4.read_signature(request)
    except sigv4.AuthFailure as failure:
        exchange.unreadable = failure
    signing_name = exchange.signature.claims.service if exchange.signature else None
    if signing_name in (None, "s3") and (path := hosts.path_style(request)) is not None:
        request.raw_path = request.path
        request.path = path


def identify(exchange: Exchange) -> Awaitable[None] | None:
    """Find service, protocol and operation; read the body as that operation allows. Raises WireFault, TooLarge."""
    request = exchange.request
    # curl and urllib call every body a form; only a POST can be a call by query, and a PUT to S3 may have any size.
    if request.method == "POST" and request.headers.get("content-type", "").startswith(FORM):
        return _identify_form(exchange)
    operation = _match(exchange)
    if operation.streaming_input is not None:
        request.stream = exchange.body.stream()
    elif request.method not in ("GET", "HEAD") or "content-length" in request.headers:
        body = exchange.body.at_hand(operation.max_body)
        if body is None:
            return _read(exchange, operation)
        request.body = body
    return None


async def _identify_form(exchange: Exchange) -> None:
    exchange.request.body = await exchange.body.read(MAX_FORM)
    _match(exchange)


def _match(exchange: Exchange) -> Operation:
    signing_name = exchange.signature.claims.service if exchange.signature else None
    candidates = exchange.offer.signed_as(signing_name)
    match = exchange.match = wire.match(candidates, exchange.request, hint=signing_name)
    assert match.operation is not None
    return match.operation


async def _read(exchange: Exchange, operation: Operation) -> None:
    try:
        exchange.request.body = await exchange.body.read(operation.max_body)
    except TooLarge:
        assert exchange.match is not None
        raise too_large(exchange.match) from None


def too_large(match: Match) -> Fault:
    """AWS's refusal of a body beyond the operation's limit."""
    assert match.operation is not None
    limit = match.operation.max_body
    if match.service.name == "lambda":
        name = "InvokeFunction" if match.operation.name == "Invoke" else match.operation.name  # as Lambda calls it
        message = f"Request must be smaller than {limit} bytes for the {name} operation"
        return Fault("RequestTooLargeException", message, status=413, Type="User", headers={"connection": "close"})
    if match.service.name == "s3":
        return Fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", status=400)
    return Fault(
        "RequestEntityTooLargeException",
        f"Request body is larger than the {limit} bytes that {match.operation.name} accepts.",
        status=413,
        headers={"connection": "close"},
    )


def parse(exchange: Exchange) -> None:
    """Turn the request into the operation's input and make the Call."""
    match, principal = exchange.match, exchange.principal
    assert match is not None and match.operation is not None and principal is not None
    request, operation = exchange.request, match.operation
    trace = request.headers.get("x-amzn-trace-id")
    manifest, action, handler = exchange.offer.route(match.service.name, operation)
    exchange.call = Call(
        exchange.platform,
        exchange.account,
        exchange.region,
        principal,
        exchange.request_id,
        manifest,
        operation,
        wire.parse(match, request),
        Cause(trace) if trace else NO_CAUSE,
        action,
        handler,
        request,
        match,
    )


NO_CAUSE = Cause()

WIRE_IN: tuple[Callable[[Exchange], Awaitable[None] | None], ...] = (accept, identify, authenticate, parse)
"""Most steps are done when they return; one that has to wait returns what to wait for."""
