"""REST with XML bodies (S3)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import REST_XML, Match
from freehold.wire.models import Operation, Service
from freehold.wire.protocols import eventstream, timestamps, xmlvalues
from freehold.wire.protocols.faults import describe
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.protocols.rest import Bindings, Heads, event_stream_refused, split_list, stream_of
from freehold.wire.protocols.restjson import BodyWriter, payload_writer, text_reader
from freehold.wire.protocols.xmlvalues import escape
from freehold.wire.shapes import Shape

_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def malformed_fault(message: str = "") -> Fault:
    """What S3 answers to a document it cannot read."""
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return Fault("MalformedXML", text, status=400)


def _invalid_argument(message: str) -> Fault:
    return Fault("InvalidArgument", message, status=400)


def parser(operation: Operation) -> Callable[[Match, Request], dict[str, Any]]:
    """Reads the operation's input from path, query string, headers and body."""
    event_stream_refused(operation)
    shape = operation.input
    if shape is None:
        return lambda match, request: {}
    bindings = Bindings(shape)
    read_body = _body_reader(shape, bindings, operation)
    chunks = operation.service.name == "s3" and operation.streaming_input is not None

    def parse(match: Match, request: Request) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if read_body is not None:
            try:
                read_body(request, out)
            except Malformed:
                raise malformed_fault() from None
        try:
            bindings.read(match, request, out)
        except Malformed as malformed:
            raise _invalid_argument(str(malformed)) from None
        if chunks and "x-amz-decoded-content-length" in request.headers:
            _decoded(request, out)
        return out

    return parse


def _decoded(request: Request, out: dict[str, Any]) -> None:
    # aws-chunked belongs to the transfer: S3 neither stores it nor counts the framing (S3 API Reference, PutObject).
    length = request.headers["x-amz-decoded-content-length"]
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise _invalid_argument("x-amz-decoded-content-length is not a length")
    out["ContentLength"] = int(length)
    encodings = [item for item in split_list(str(out.pop("ContentEncoding", ""))) if item != "aws-chunked"]
    if encodings:
        out["ContentEncoding"] = ",".join(encodings)


def _body_reader(
    shape: Shape, bindings: Bindings, operation: Operation
) -> Callable[[Request, dict[str, Any]], None] | None:
    reader = xmlvalues.XmlReader(operation.service.compiled)
    if bindings.payload is None:
        if not bindings.in_body:
            return None
        read_members = reader.reader(shape)

        def read_body(request: Request, out: dict[str, Any]) -> None:
            if request.body:
                out.update(read_members(xmlvalues.parse_document(request.body)))

        return read_body
    name, member = bindings.payload
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
    read_value = reader.reader(member)

    def read_document(request: Request, out: dict[str, Any]) -> None:
        if request.body:
            out[name] = read_value(xmlvalues.parse_document(request.body))

    return read_document


def renderer(operation: Operation) -> Callable[[Match, dict[str, Any], str], Response]:
    """Writes the operation's result as headers, status and body."""
    heads = Heads(operation.output, operation.http_status)
    write_body = _body_writer(operation)
    s3 = operation.service.name == "s3"

    def render(_: Match, result: dict[str, Any], request_id: str) -> Response:
        headers = _request_headers(request_id, s3)
        status = heads.write(result, headers)
        body: Any = b""
        if status != 204:
            body = write_body(result, headers)
        return Response(status, headers, body)

    return render


def _request_headers(request_id: str, s3: bool) -> list[tuple[str, str]]:
    if s3:
        return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]
    return [("x-amzn-requestid", request_id)]


def host_id(request_id: str) -> str:
    """S3's second id of a request, which support asks for; here it tells nothing that the first does not."""
    return base64.b64encode(request_id.encode()).decode("ascii")


def _body_writer(operation: Operation) -> BodyWriter:
    shape = operation.output
    if shape is None:
        return lambda result, headers: b""
    if operation.event_stream_output is not None:
        return eventstream.body_writer(operation, operation.event_stream_output)
    payload = shape.traits.get("payload")
    if payload is not None:
        member = shape.members[payload]
        if member.type in ("blob", "string"):
            return payload_writer(payload, member, lambda value: (b"", ""))
        tag = member.wire_name or member.name
        return payload_writer(payload, member, _document_writer(operation, tag, member))
    if all(member.in_head for member in shape.members.values()):
        return lambda result, headers: b""
    patch = operation.service.patch
    tag = patch.roots.get(operation.name) or operation.raw["output"].get("locationName")
    tag = tag or shape.traits.get("locationName") or shape.name
    write_document = _document_writer(operation, tag, shape)
    if operation.name in patch.bare:
        write_document = _bare_writer(tag, next(iter(shape.members)))

    def write(result: dict[str, Any], headers: list[tuple[str, str]]) -> bytes:
        body, kind = write_document(result)
        headers.append(("content-type", kind))
        return body

    return write


def _bare_writer(tag: str, member: str) -> Callable[[Any], tuple[bytes, str]]:
    """One member as the text of the root element (GetBucketLocation)."""
    return lambda result: (
        f'{_PROLOG}<{tag} xmlns="{_S3_NAMESPACE}">{escape(result.get(member) or "")}</{tag}>'.encode(),
        "application/xml",
    )


def _document_writer(operation: Operation, tag: str, shape: Shape) -> Callable[[Any], tuple[bytes, str]]:
    service = operation.service
    root = shape
    if service.name == "s3" and "xmlNamespace" not in shape.traits:
        root = Shape(service.shapes, {"shape": shape.name, "xmlNamespace": {"uri": _S3_NAMESPACE}})
    times = timestamps.ISO_MILLIS if service.name == "s3" else timestamps.ISO
    write = xmlvalues.element_writer(tag, root, service.compiled, times, REST_XML)
    return lambda value: ((_PROLOG + write(value)).encode(), "application/xml")


def render_fault(match: Match, fault: Fault, request_id: str, service: Service) -> Response:
    """S3's bare `<Error>`; for other services `<ErrorResponse><Error>...`."""
    described = describe(service, fault, REST_XML)
    members = xmlvalues.error_members(service, fault, described.shape, REST_XML)
    code, message = escape(described.code), escape(fault.message)
    s3 = service.name == "s3"
    if s3:
        body = (
            f"{_PROLOG}<Error><Code>{code}</Code><Message>{message}</Message>{members}"
            f"<RequestId>{request_id}</RequestId><HostId>{host_id(request_id)}</HostId></Error>"
        )
    else:
        kind = "Sender" if described.sender else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message>{members}"
            f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    headers = [*_request_headers(request_id, s3), ("content-type", "application/xml")]
    if described.shape is not None:
        Heads(described.shape, described.status).write(fault.fields, headers)
    headers.extend((fault.headers or {}).items())
    return Response(described.status, headers, body.encode())
