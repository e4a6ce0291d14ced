"""What the wire floor offers: types shared by its protocols and by front.

The functions live beside this file and are re-exported by `freehold.wire`:

- `models.load(name) -> Service`            a botocore service model, compiled lazily, cached
- `routing.match(services, request) -> Match`   which service, protocol and operation a request means
- `parsing.parse(match, request) -> dict`   the operation's input, or the protocol's own fault
- `validation.validate(operation, params)`  required, ranges, lengths, patterns, enums: AWS's messages per family
- `rendering.render(match, result, request_id) -> Response`
- `rendering.render_fault(match, fault, request_id) -> Response`
- `sigv4`                                   header, presigned and chunked signatures

Values: structures are dicts by member name (absent members are absent keys), lists and maps plain; timestamps are
seconds since the epoch (int or float); blobs are bytes; a streaming blob of an input is an `AsyncIterator[bytes]` (or
bytes when the body was complete), of a result bytes or an `AsyncIterator[bytes]`; booleans, ints, floats are native.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

JSON = "json"
QUERY = "query"
EC2 = "ec2"
REST_JSON = "rest-json"
REST_XML = "rest-xml"
CBOR = "smithy-rpc-v2-cbor"


class Operation(Protocol):
    """One operation of a service model."""

    name: str
    snake_name: str
    service: Service
    http_method: str
    http_path: str
    input: Any
    output: Any
    streaming_input: str | None
    """Name of the input member that is a streaming body, if any."""
    streaming_output: str | None
    """Name of the output member that is a streaming body, if any."""
    event_stream_output: str | None
    """Name of the output member that is an event stream, if any: an `AsyncIterator[dict]` of {event name: members}."""
    max_body: int
    """Bytes of body that AWS accepts; refused before it is buffered."""


class Service(Protocol):
    """One AWS service, read from botocore's model."""

    name: str
    signing_name: str
    target_prefix: str | None
    protocols: tuple[str, ...]
    """Protocols that the model lists, the preferred one first."""
    operations: Mapping[str, Operation]
    error_codes: Mapping[str, int]
    """HTTP status by modelled error shape name."""


@dataclass(slots=True)
class Match:
    """What a request means. `operation` is None only on faults found before one was known."""

    service: Service
    protocol: str
    operation: Operation | None = None
    json_version: str = "1.1"
    path_params: dict[str, str] = field(default_factory=dict)
