"""Rendering gateway responses: status, headers and body of an answer that no integration gave."""

from __future__ import annotations

import re
from typing import Any

from freehold.kit.http import Response
from freehold.services.apigateway.rest.exchange import Error, Exchange
from freehold.services.apigateway.rest.gateway_responses import STATUS

_VARIABLE = re.compile(
    r"\$\{?((?:context|stageVariables)\.[A-Za-z0-9_.\-]*[A-Za-z0-9_]|method\.request\.[a-z]+\.[A-Za-z0-9_\-]+)\}?"
)
FORBIDDEN = Error("ACCESS_DENIED", "Forbidden", "ForbiddenException")
THROTTLED = Error("THROTTLED", "Too Many Requests", "TooManyRequestsException")
LATE = Error("INTEGRATION_TIMEOUT", "Endpoint request timed out", "InternalServerErrorException")
UNREACHABLE = Error("INTEGRATION_FAILURE", "Network error communicating with endpoint", "InternalServerErrorException")
BROKEN = Error("API_CONFIGURATION_ERROR", "Internal server error", "InternalServerErrorException")
MALFORMED = Error("DEFAULT_5XX", "Internal server error", "InternalServerErrorException")
"""A function error, or an answer that is no proxy response: 502."""
UNSUPPORTED = Error("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", "UnsupportedMediaTypeException")


def render(exchange: Exchange, error: Error) -> Response:
    """The answer for an error, by the API's own gateway response, its default, or API Gateway's."""
    exchange.error = error
    status = int(STATUS[error.kind] or 502)
    responses = exchange.stage.responses
    fallback: dict[str, Any] = responses.get("DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX", {})
    own = responses.get(error.kind, fallback)
    status = int(own.get("statusCode") or fallback.get("statusCode") or status)
    kind, body = _body(exchange, own.get("responseTemplates") or fallback.get("responseTemplates") or {})
    headers = [("content-type", kind), ("x-amzn-errortype", error.type)]
    for target, source in (own.get("responseParameters") or {}).items():
        headers.append((target.removeprefix("gatewayresponse.header."), exchange.lookup(source)))
    return Response(status, headers, body)


def _body(exchange: Exchange, templates: dict[str, str]) -> tuple[str, bytes]:
    accept = exchange.incoming.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    for kind in (accept, "application/json", *templates):
        if kind in templates:
            return kind, _VARIABLE.sub(lambda found: exchange.lookup(found[1]), templates[kind]).encode()
    assert exchange.error is not None
    # Refusals by a policy are spelled with a capital letter on AWS, all others are not.
    member = "Message" if exchange.error.type == "AccessDeniedException" else "message"
    return "application/json", f'{{"{member}":{exchange.context("error.messageString")}}}'.encode()
