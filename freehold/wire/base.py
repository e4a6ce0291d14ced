"""What the wire floor offers: types shared by its protocols and by front.

The functions live beside this file and are re-exported by `freehold.wire`:

- `models.load(name) -> Service`            a botocore service model, compiled lazily, cached
- `routing.match(services, request) -> Match`   which service, protocol and operation a request means
- `parsing.parse(match, request) -> dict`   the operation's input, or the protocol's own fault
- `validation.validate(operation, params)`  required, ranges, lengths, patterns, enums: AWS's messages per family
- `coercion.coerce(operation, params)`      for internal calls, whose values no parser has seen: types as the model says
- `rendering.render(match, result, request_id) -> Response`
- `rendering.render_fault(match, fault, request_id) -> Response`
- `sigv4`                                   header, presigned and chunked signatures

Values: structures are dicts by member name (absent members are absent keys), lists and maps plain; timestamps are
seconds since the epoch (int or float); blobs are bytes; a streaming blob of an input is an `AsyncIterator[bytes]` (or
bytes when the body was complete), of a result bytes or an `AsyncIterator[bytes]`; booleans, ints, floats are native.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from freehold.kit.faults import Fault

JSON = "json"
QUERY = "query"
EC2 = "ec2"
REST_JSON = "rest-json"
REST_XML = "rest-xml"
CBOR = "smithy-rpc-v2-cbor"


class Operation(Protocol):
    """One operation of a service model."""

    name: str
    http_method: str
    http_path: str
    max_body: int
    """Bytes of body that AWS accepts; refused before it is buffered."""
    compressible: bool
    """May clients gzip the body?"""
    parsers: dict[str, Callable[..., dict[str, Any]]]
    """By protocol, compiled at first use; wire's own."""
    renderers: dict[str, Callable[..., Any]]
    """By protocol, compiled at first use; wire's own."""
    validator: Callable[[dict[str, Any]], None] | None
    """Compiled at first use; wire's own."""

    @property
    def service(self) -> Service: ...

    @property
    def snake_name(self) -> str: ...

    @property
    def input(self) -> Any: ...

    @property
    def output(self) -> Any: ...

    @property
    def streaming_input(self) -> str | None:
        """Name of the input member that is a streaming body, if any."""
        ...

    @property
    def streaming_output(self) -> str | None:
        """Name of the output member that is a streaming body, if any."""
        ...

    @property
    def event_stream_output(self) -> str | None:
        """Name of the output member that is an event stream, if any: an `AsyncIterator[dict]` of {event name: members}."""
        ...


class Service(Protocol):
    """One AWS service, read from botocore's model."""

    name: str
    signing_name: str
    target_prefix: str | None
    protocols: tuple[str, ...]
    """Protocols that the service accepts, the preferred one first."""

    @property
    def operations(self) -> Mapping[str, Operation]: ...

    @property
    def error_codes(self) -> Mapping[str, int]:
        """HTTP status by modelled error shape name."""
        ...


@dataclass(slots=True)
class Match:
    """What a request means. `operation` is None only on faults found before one was known."""

    service: Service
    protocol: str
    operation: Operation | None = None
    json_version: str = "1.1"
    path_params: dict[str, str] = field(default_factory=dict)
    """Labels of a REST path, percent-decoded."""
    pairs: list[tuple[str, str]] | None = None
    """Decoded pairs that routing has read: the query string (REST), or query string and form (query, ec2)."""


class WireFault(Fault):
    """A fault found before or while the request was understood: it carries the match by which it can be rendered.

    `match.operation` may be None; `match.protocol` is the protocol the client most likely speaks, and `match.service` a
    service that renders in it. `render_fault(fault.match, fault, request_id)` always works.
    """

    def __init__(self, fault: Fault, match: Match) -> None:
        super().__init__(fault.code, fault.message, status=fault.status, headers=fault.headers, **fault.fields)
        self.match = match
