"""Event streams (application/vnd.amazon.eventstream): framed messages with CRCs, one per event.

A message is: total length, headers length, CRC-32 of these eight bytes, headers, payload, CRC-32 of all before it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.wire.base import JSON, REST_XML
from freehold.wire.models import Operation
from freehold.wire.protocols import jsonvalues, timestamps, xmlvalues
from freehold.wire.shapes import Shape

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message; header values are strings."""
    encoded = bytearray()
    for name, value in headers.items():
        raw_name, raw = name.encode(), value.encode()
        encoded += struct.pack(">B", len(raw_name)) + raw_name + struct.pack(">BH", _STRING, len(raw)) + raw
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + bytes(encoded) + payload
    return message + struct.pack(">I", zlib.crc32(message))


EventWriter = Callable[[dict[str, Any]], bytes]


def event_writers(operation: Operation, stream: Shape) -> dict[str, EventWriter]:
    """How to frame each event of a stream, by its name."""
    return {name: _event_writer(operation, name, member) for name, member in stream.members.items()}


def _event_writer(operation: Operation, name: str, shape: Shape) -> EventWriter:
    payload = next(((key, member) for key, member in shape.members.items() if member.traits.get("eventpayload")), None)
    in_headers = {key for key, member in shape.members.items() if member.traits.get("eventheader")}
    base = {":message-type": "event", ":event-type": name}
    if shape.traits.get("exception"):
        base = {":message-type": "exception", ":exception-type": name}
    write_document, document_type = _document_writer(operation, payload[1] if payload else shape, name)
    raw = payload is not None and payload[1].type in ("blob", "string")
    kind = document_type
    if payload is not None and raw:
        kind = "text/plain" if payload[1].type == "string" else "application/octet-stream"

    def write(value: dict[str, Any]) -> bytes:
        headers = {**base, ":content-type": kind, **{key: str(value[key]) for key in in_headers if key in value}}
        if payload is None:
            body = {key: item for key, item in value.items() if key not in in_headers}
            return frame(headers, write_document(body))
        item = value.get(payload[0])
        if raw:
            return frame(headers, item.encode() if isinstance(item, str) else bytes(item or b""))
        return frame(headers, write_document(item or {}))

    return write


def _document_writer(operation: Operation, shape: Shape, name: str) -> tuple[Callable[[Any], bytes], str]:
    cache = operation.service.compiled
    if operation.service.protocols[0] == REST_XML:
        write_xml = xmlvalues.element_writer(name, shape, cache, timestamps.ISO, REST_XML)
        return lambda value: write_xml(value).encode(), "text/xml"
    write = jsonvalues.writer(shape, cache)
    return lambda value: jsonvalues.dumps(value if write is None else write(value)), "application/json"


async def frames(
    events: AsyncIterator[dict[str, Any]], writers: dict[str, EventWriter], first: bytes | None
) -> AsyncIterator[bytes]:
    """The framed events. A Fault raised by the source ends the stream as an exception event."""
    if first is not None:
        yield first
    try:
        async for event in events:
            for name, value in event.items():
                if value is not None and name in writers:
                    yield writers[name](value)
    except Fault as fault:
        if fault.code in writers:
            yield writers[fault.code]({"message": fault.message, "Message": fault.message, **fault.fields})
        else:
            headers = {":message-type": "error", ":error-code": fault.code, ":error-message": fault.message}
            yield frame(headers, b"")


def body_writer(operation: Operation, name: str) -> Callable[[dict[str, Any], list[tuple[str, str]]], Any]:
    """The body of a result whose member `name` is an event stream.

    RPC protocols (JSON) send what is left of the result first, as `initial-response`; REST sends it as headers.
    """
    assert operation.output is not None
    writers = event_writers(operation, operation.output.members[name])
    initial = operation.service.protocols[0] == JSON
    members = {
        key: jsonvalues.writer(member, operation.service.compiled)
        for key, member in operation.output.members.items()
        if key != name
    }

    def write(result: dict[str, Any], headers: list[tuple[str, str]]) -> Any:
        headers.append(("content-type", CONTENT_TYPE))
        first = None
        if initial:
            rest = {
                key: item if write_member is None else write_member(item)
                for key, write_member in members.items()
                if (item := result.get(key)) is not None
            }
            first = frame(
                {
                    ":message-type": "event",
                    ":event-type": "initial-response",
                    ":content-type": "application/x-amz-json-1.1",
                },
                jsonvalues.dumps(rest),
            )
        return frames(result[name], writers, first)

    return write
