"""REST with JSON bodies (Lambda, API Gateway)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import eventstream, jsonvalues, timestamps
from freehold.wire.protocols.faults import describe, query_error
from freehold.wire.protocols.json import error_members, serialization_fault
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.protocols.rest import Bindings, Heads, default_content_type, event_stream_refused, stream_of
from freehold.wire.shapes import Shape

_JSON = ("content-type", "application/json")


def parser(operation: Operation) -> Callable[[Match, Request], dict[str, Any]]:
    """Reads the operation's input from path, query string, headers and body."""
    event_stream_refused(operation)
    shape = operation.input
    if shape is None:
        return lambda match, request: {}
    bindings = Bindings(shape)
    read_body = _body_reader(shape, bindings, operation)
    code = operation.service.patch.malformed

    def parse(match: Match, request: Request) -> dict[str, Any]:
        out: dict[str, Any] = {}
        try:
            if read_body is not None:
                read_body(request, out)
            bindings.read(match, request, out)
        except NotJson as malformed:
            raise Fault(code, str(malformed), status=400) from None
        except Malformed as malformed:
            raise serialization_fault(str(malformed)) from None
        return out

    return parse


class NotJson(Malformed):
    """The body is no JSON at all."""


def loads(body: bytes) -> Any:
    """A JSON document of a request."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson("Could not parse request body into json") from None


def _body_reader(
    shape: Shape, bindings: Bindings, operation: Operation
) -> Callable[[Request, dict[str, Any]], None] | None:
    if bindings.payload is not None:
        return _payload_reader(*bindings.payload, operation)
    if not bindings.in_body:
        return None
    read = jsonvalues.reader(shape, operation.service.compiled)

    def read_members(request: Request, out: dict[str, Any]) -> None:
        if request.body:
            out.update(read(loads(request.body)))

    return read_members


def _payload_reader(name: str, member: Shape, operation: Operation) -> Callable[[Request, dict[str, Any]], None]:
    if member.type == "blob" and member.streaming:

        def read_stream(request: Request, out: dict[str, Any]) -> None:
            out[name] = stream_of(request)

        return read_stream
    if member.type == "blob":

        def read_blob(request: Request, out: dict[str, Any]) -> None:
            if request.body:
                out[name] = request.body

        return read_blob
    if member.type == "string":
        return text_reader(name)
    read = jsonvalues.reader(member, operation.service.compiled)

    def read_value(request: Request, out: dict[str, Any]) -> None:
        if request.body:
            out[name] = read(loads(request.body))

    return read_value


def text_reader(name: str) -> Callable[[Request, dict[str, Any]], None]:
    """A payload that is text."""

    def read_text(request: Request, out: dict[str, Any]) -> None:
        if request.body:
            try:
                out[name] = request.body.decode("utf-8")
            except UnicodeDecodeError:
                raise Malformed("The body is not UTF-8") from None

    return read_text


def renderer(operation: Operation) -> Callable[[Match, dict[str, Any], str], Response]:
    """Writes the operation's result as headers, status and body."""
    shape = operation.output
    heads = Heads(shape, operation.http_status)
    write_body = _body_writer(operation)

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        headers = [("x-amzn-requestid", request_id)]
        status = heads.write(result, headers)
        body: Any = b""
        if status != 204:
            body = write_body(result, headers)
        return Response(status, headers, body)

    return render


BodyWriter = Callable[[dict[str, Any], list[tuple[str, str]]], Any]


def _body_writer(operation: Operation) -> BodyWriter:
    shape = operation.output
    cache = operation.service.compiled
    if shape is None:
        return lambda result, headers: b""
    payload = shape.traits.get("payload")
    stream = operation.event_stream_output
    if stream is not None:
        return eventstream.body_writer(operation, stream)
    if payload is not None:
        return payload_writer(payload, shape.members[payload], _value_writer(shape.members[payload], cache))
    members = jsonvalues.members_out(shape, cache, timestamps.EPOCH)

    def write(result: dict[str, Any], headers: list[tuple[str, str]]) -> bytes:
        out = {}
        for name, item in result.items():
            if item is not None and (member := members.get(name)) is not None:
                key, write_member = member
                out[key] = item if write_member is None else write_member(item)
        headers.append(_JSON)
        return orjson.dumps(out, default=jsonvalues.base64_default)

    return write


def _value_writer(member: Shape, cache: dict[Any, Any]) -> Callable[[Any], tuple[bytes, str]]:
    write = jsonvalues.writer(member, cache)
    return lambda value: (jsonvalues.dumps(value if write is None else write(value)), "application/json")


def payload_writer(name: str, member: Shape, write_value: Callable[[Any], tuple[bytes, str]]) -> BodyWriter:
    """The body is one member: bytes, a stream, text, or a document."""
    raw = member.type in ("blob", "string")
    content_type = default_content_type(member)

    def write(result: dict[str, Any], headers: list[tuple[str, str]]) -> Any:
        value = result.get(name)
        if value is None:
            return b""
        if not raw:
            body, kind = write_value(value)
            headers.append(("content-type", kind))
            return body
        if not any(key.lower() == "content-type" for key, _ in headers):
            headers.append(("content-type", content_type))
        return value.encode() if isinstance(value, str) else value

    return write


def render_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """`x-amzn-errortype` and `{"message": ...}`, the member spelled as the error shape spells it."""
    described = describe(service, fault, match.protocol)
    body = error_members(service, fault, described.shape, None)
    if described.shape is not None and "Type" in described.shape.members and "Type" not in body:
        # Lambda says whose fault it was in the body too ("User" or "Service").
        body["Type"] = "User" if described.sender else "Service"
    headers = [("x-amzn-requestid", request_id), _JSON, ("x-amzn-errortype", described.code)]
    if described.shape is not None:
        Heads(described.shape, described.status).write(fault.fields, headers)
    compatible = query_error(service, described)
    if compatible is not None:
        headers.append(("x-amzn-query-error", compatible))
    headers.extend((fault.headers or {}).items())
    return Response(described.status, headers, jsonvalues.dumps(body))
