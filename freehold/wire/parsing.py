"""parse: the operation's input out of a request, or the protocol's own fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from freehold.kit.faults import not_implemented
from freehold.kit.http import Request
from freehold.wire.base import CBOR, EC2, JSON, QUERY, REST_JSON, REST_XML, Match
from freehold.wire.inflate import inflated
from freehold.wire.models import Operation
from freehold.wire.protocols import cbor, json, query, restjson, restxml
from freehold.wire.protocols.malformed import Malformed

_PARSERS: dict[str, Callable[[Operation], Callable[[Match, Request], dict[str, Any]]]] = {
    JSON: json.parser,
    QUERY: query.parser,
    EC2: query.ec2_parser,
    REST_JSON: restjson.parser,
    REST_XML: restxml.parser,
    CBOR: cbor.parser,
}
_REFUSALS = {
    JSON: json.serialization_fault,
    QUERY: query.malformed_fault,
    EC2: query.malformed_fault,
    REST_JSON: json.serialization_fault,
    REST_XML: restxml.malformed_fault,
    CBOR: json.serialization_fault,
}


def parse(match: Match, request: Request) -> dict[str, Any]:
    """The input of `match.operation`. Raises Fault, and nothing else, whatever the request holds.

    Absent members are absent keys; idempotency tokens are left to handlers. A streaming member is `request.stream`, or
    `request.body` where that is complete.
    """
    operation = match.operation
    assert operation is not None
    parser = operation.parsers.get(match.protocol) or _compile(cast(Operation, operation), match.protocol)
    try:
        if "content-encoding" in request.headers and operation.compressible:
            request = inflated(request, operation.max_body)
        return parser(match, request)
    except RecursionError:
        # Readers recurse as deep as the input nests; what exhausts Python's stack is far beyond any service's limit.
        raise _REFUSALS[match.protocol]("Nesting is too deep") from None


def _compile(operation: Operation, protocol: str) -> Callable[[Match, Request], dict[str, Any]]:
    try:
        made = _PARSERS[protocol](operation)
    except Malformed as refused:
        raise not_implemented(f"{operation.name}: {refused}") from None
    operation.parsers[protocol] = made
    return made
