"""render, render_fault: a result or a fault in the protocol of the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from freehold.kit.faults import Fault
from freehold.kit.http import Response
from freehold.wire.base import CBOR, EC2, JSON, QUERY, REST_JSON, REST_XML, Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import cbor, json, query, restjson, restxml

Render = Callable[[Match, dict[str, Any], str], Response]

_RENDERERS: dict[str, Callable[[Operation], Render]] = {
    JSON: json.renderer,
    QUERY: query.renderer,
    EC2: query.ec2_renderer,
    REST_JSON: restjson.renderer,
    REST_XML: restxml.renderer,
    CBOR: cbor.renderer,
}
_FAULTS: dict[str, Callable[[Match, Fault, str, Service], Response]] = {
    JSON: json.render_fault,
    QUERY: query.render_fault,
    EC2: query.render_ec2_fault,
    REST_JSON: restjson.render_fault,
    REST_XML: restxml.render_fault,
    CBOR: cbor.render_fault,
}
_BODILESS = frozenset({204, 304})


def render(match: Match, result: dict[str, Any], request_id: str) -> Response:
    """The response that says `result`; members that the model does not know are left out."""
    operation = match.operation
    assert operation is not None
    renderer = operation.renderers.get(match.protocol)
    if renderer is None:
        renderer = _RENDERERS[match.protocol](cast(Operation, operation))
        operation.renderers[match.protocol] = renderer
    response: Response = renderer(match, result, request_id)
    return response


def render_fault(match: Match, fault: Fault, request_id: str) -> Response:
    """The response that says `fault`: modelled status, wire code and members."""
    response = _FAULTS[match.protocol](match, fault, request_id, cast(Service, match.service))
    operation = match.operation
    if response.status in _BODILESS or (operation is not None and operation.http_method == "HEAD"):
        response.body = b""
    return response
