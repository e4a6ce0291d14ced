"""WIRE_OUT: a result or a fault, in the caller's protocol."""

from __future__ import annotations

from freehold import wire
from freehold.front.exchange import Exchange
from freehold.kit.faults import Fault
from freehold.kit.http import Response


def render(exchange: Exchange) -> None:
    """Render the result of the call."""
    call, match = exchange.call, exchange.match
    assert call is not None and call.result is not None and match is not None
    response = wire.render(match, call.result, exchange.request_id)
    if call.status:
        response.status = call.status
    if call.response_headers:
        response.headers.extend(call.response_headers.items())
    exchange.response = response


WIRE_OUT = (render,)


def render_fault(exchange: Exchange, fault: Fault) -> Response:
    """Render a refusal in the protocol of the request, as far as it is known."""
    match = exchange.match
    if match is None:
        return Response(fault.status or 400, [("content-type", "text/plain")], f"{fault.message}\n".encode())
    response = wire.render_fault(match, fault, exchange.request_id)
    if exchange.call is not None and exchange.call.response_headers:
        response.headers.extend(exchange.call.response_headers.items())
    return response
