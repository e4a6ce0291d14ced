"""smithy-rpc-v2-cbor: the operation in the path, everything else in one CBOR document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import CBOR, Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import cborvalues
from freehold.wire.protocols.cborshapes import reader, writer
from freehold.wire.protocols.faults import describe, message_member, query_error
from freehold.wire.protocols.json import serialization_fault
from freehold.wire.protocols.malformed import Malformed

_CONTENT_TYPE = "application/cbor"


def parser(operation: Operation) -> Callable[[Match, Request], dict[str, Any]]:
    """Reads the operation's input from the body."""
    if operation.event_stream_input:
        raise Malformed("event stream input")
    shape = operation.input
    read = reader(shape, operation.service.compiled) if shape is not None else None

    def parse(_: Match, request: Request) -> dict[str, Any]:
        if read is None or not request.body:
            return {}
        try:
            parsed: dict[str, Any] = read(cborvalues.loads(request.body))
        except Malformed as malformed:
            raise serialization_fault(str(malformed)) from None
        return parsed

    return parse


def renderer(operation: Operation) -> Callable[[Match, dict[str, Any], str], Response]:
    """Writes the operation's result."""
    shape = operation.output
    write = writer(shape, operation.service.compiled) if shape is not None else None

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        headers = _headers(request_id)
        if write is None:
            return Response(200, headers, b"")
        headers.append(("content-type", _CONTENT_TYPE))
        return Response(200, headers, cborvalues.dumps(write(result)))

    return render


def _headers(request_id: str) -> list[tuple[str, str]]:
    return [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-requestid", request_id)]


def render_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """`{"__type": Code, "message": ...}`."""
    described = describe(service, fault, CBOR)
    shape = described.shape
    body: dict[str, Any] = {"__type": described.code}
    if fault.message:
        body[message_member(shape) or "message"] = fault.message
    if shape is not None and fault.fields:
        body.update(writer(shape, service.compiled)({k: v for k, v in fault.fields.items() if k in shape.members}))
    else:
        body.update({name: value for name, value in fault.fields.items() if value is not None})
    headers = [*_headers(request_id), ("content-type", _CONTENT_TYPE)]
    compatible = query_error(service, described)
    if compatible is not None:
        headers.append(("x-amzn-query-error", compatible))
    headers.extend((fault.headers or {}).items())
    return Response(described.status, headers, cborvalues.dumps(body))
