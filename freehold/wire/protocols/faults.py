"""What every protocol needs to know of a fault: its shape, its HTTP status, its code on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from freehold.kit.faults import Fault
from freehold.wire.base import CBOR, EC2, JSON, QUERY
from freehold.wire.models import Service
from freehold.wire.shapes import Shape

# Codes that any service may answer, from the "Common errors" pages; whatever is not here and not modelled is 400.
_COMMON = {
    "AccessDenied": 403,
    "AuthFailure": 403,
    "ExpiredToken": 403,
    "InternalError": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "NotImplemented": 501,
    "OptInRequired": 403,
    "RequestEntityTooLarge": 413,
    "RequestEntityTooLargeException": 413,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "UnauthorizedException": 401,
}
_REST = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 403,
    "InvalidSignatureException": 403,
    "Throttling": 429,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}


@dataclass(slots=True)
class Described:
    """A fault in the terms of a service: error shape (None if unmodelled), HTTP status, code on the wire."""

    name: str
    shape: Shape | None
    status: int
    code: str
    sender: bool


def describe(service: Service, fault: Fault, protocol: str) -> Described:
    """Look a fault up in the service's model; `fault.code` may be the shape's name or its wire code."""
    cache = service.compiled
    key = ("fault", protocol, fault.code)
    found = cache.get(key)
    if found is None:
        found = _describe(service, fault.code, protocol)
        if found.shape is not None:  # unmodelled codes may be anything: not cached
            cache[key] = found
    if fault.status is not None and fault.status != found.status:
        return Described(found.name, found.shape, fault.status, found.code, fault.status < 500)
    return found


def _describe(service: Service, code: str, protocol: str) -> Described:
    name = code if code in service.error_codes else service.error_names.get(code, code)
    raw = service.shapes.get(name)
    modelled = raw is not None and raw.get("type") == "structure"
    status = service.error_codes.get(name)
    if status is not None and service.query_compatible and protocol in (JSON, CBOR):
        # The statuses of such a model are those of its query protocol (Smithy, awsQueryError).
        status = 400 if status < 500 else 500
    if status is None:
        status = _status(code, protocol)
    wire = name
    if protocol in (QUERY, EC2) or not service.query_compatible:
        wire = (raw or {}).get("error", {}).get("code", name)
    if protocol in (QUERY, EC2):
        wire = service.patch.query_codes.get(name, wire)
    shape = Shape(service.shapes, {"shape": name}) if modelled else None
    sender = status < 500 and not (raw or {}).get("fault")
    return Described(name, shape, status, wire, sender)


def _status(code: str, protocol: str) -> int:
    if protocol not in (JSON, QUERY, EC2) and code in _REST:
        return _REST[code]
    if protocol == JSON and code == "MissingAuthenticationTokenException":
        return 400
    return _COMMON.get(code, 400)


def query_error(service: Service, described: Described) -> str | None:
    """The value of `x-amzn-query-error`, for services that were once spoken to by query."""
    if not service.query_compatible:
        return None
    raw: dict[str, Any] = service.shapes.get(described.name, {})
    code = service.patch.query_codes.get(described.name) or raw.get("error", {}).get("code", described.name)
    return f"{code};{'Sender' if described.sender else 'Receiver'}"


def message_member(shape: Shape | None) -> str | None:
    """The member of an error shape that carries the message, under its own spelling."""
    if shape is None:
        return None
    return next((name for name in shape.members if name.lower() == "message"), None)
