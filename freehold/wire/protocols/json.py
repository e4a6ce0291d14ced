"""JSON 1.0 and 1.1: the operation in `x-amz-target`, everything else in one JSON document."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import eventstream, jsonvalues, timestamps
from freehold.wire.protocols.faults import describe, message_member, query_error
from freehold.wire.protocols.malformed import Malformed

Parser = Callable[[Match, Request], dict[str, Any]]
Renderer = Callable[[Match, dict[str, Any], str], Response]

_CONTENT_TYPES = {version: f"application/x-amz-json-{version}" for version in ("1.0", "1.1")}


def serialization_fault(message: str = "") -> Fault:
    """What AWS answers to a document it cannot read."""
    return Fault("SerializationException", message, status=400)


def parser(operation: Operation) -> Parser:
    """Reads the operation's input from the body."""
    if operation.event_stream_input:
        raise Malformed("event stream input")
    shape = operation.input
    read = jsonvalues.reader(shape, operation.service.compiled) if shape is not None else None

    def parse(_: Match, request: Request) -> dict[str, Any]:
        body = request.body
        if read is None or not body:
            return {}
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise serialization_fault() from None
        try:
            parsed: dict[str, Any] = read(value)
        except Malformed as malformed:
            raise serialization_fault(str(malformed)) from None
        return parsed

    return parse


def renderer(operation: Operation) -> Renderer:
    """Writes the operation's result."""
    service = operation.service
    shape = operation.output
    members = jsonvalues.members_out(shape, service.compiled, timestamps.EPOCH) if shape is not None else {}
    crc32 = service.patch.crc32
    if operation.event_stream_output is not None:
        return _stream_renderer(operation, operation.event_stream_output)

    def render(match: Match, result: dict[str, Any], request_id: str) -> Response:
        out = {}
        for name, item in result.items():
            if item is not None and (member := members.get(name)) is not None:
                key, write = member
                out[key] = item if write is None else write(item)
        body = orjson.dumps(out, default=jsonvalues.base64_default) if out or shape is not None else b""
        return Response(200, _headers(match.json_version, request_id, body, crc32), body)

    return render


def _stream_renderer(operation: Operation, name: str) -> Renderer:
    write = eventstream.body_writer(operation, name)

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        headers = [("x-amzn-requestid", request_id)]
        return Response(200, headers, write(result, headers))

    return render


def _headers(version: str, request_id: str, body: bytes, crc32: bool) -> list[tuple[str, str]]:
    headers = [("x-amzn-requestid", request_id), ("content-type", _CONTENT_TYPES.get(version, _CONTENT_TYPES["1.1"]))]
    if crc32:
        headers.append(("x-amz-crc32", str(zlib.crc32(body))))
    return headers


def render_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """`{"__type": "prefix#Code", "message": ...}`."""
    described = describe(service, fault, match.protocol)
    prefixes = service.patch.type_prefixes
    # AWS's Coral services qualify `__type` with the namespace of the shape; clients take what follows the hash.
    prefix = prefixes.get(described.code, prefixes.get("", "") if described.shape is not None else "")
    body: dict[str, Any] = {"__type": prefix + described.code}
    body.update(error_members(service, fault, described.shape, "message" if described.shape is not None else None))
    raw = jsonvalues.dumps(body)
    headers = _headers(match.json_version, request_id, raw, service.patch.crc32)
    compatible = query_error(service, described)
    if compatible is not None:
        headers.append(("x-amzn-query-error", compatible))
    headers.extend((fault.headers or {}).items())
    return Response(described.status, headers, raw)


def error_members(service: Service, fault: Fault, shape: Any, message_key: str | None) -> dict[str, Any]:
    """The message and the further members of an error, under their names in the body."""
    out: dict[str, Any] = {}
    name = message_member(shape)
    if name is not None:
        out[shape.members[name].wire_name or name] = fault.message
    elif fault.message:
        # Coral's own faults spell it "Message" (SerializationException), the services' "message".
        out[message_key or ("Message" if fault.code in _CORAL else "message")] = fault.message
    if fault.fields:
        writers = jsonvalues.members_out(shape, service.compiled, timestamps.EPOCH) if shape is not None else {}
        for field, value in fault.fields.items():
            if value is None:
                continue
            key, write = writers.get(field, (field, None))
            if shape is None or field in writers:
                out[key] = value if write is None else write(value)
    return out


_CORAL = frozenset({"SerializationException", "AccessDeniedException", "UnknownOperationException"})
