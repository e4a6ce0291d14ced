"""What a function answered, as an HTTP response: the proxy response formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from freehold.kit.http import Response

JSON = "application/json"


class Malformed(Exception):
    """The function's answer is no proxy response."""


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        if isinstance(body, (int, float)):
            return _scalar(body).encode()
        raise Malformed("body must be a string")
    if answer.get("isBase64Encoded") is True:
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise Malformed("body is not base64") from None
    return body.encode("utf-8", "surrogatepass")


def _status(answer: dict[str, Any]) -> int:
    status = answer["statusCode"]
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise Malformed("statusCode must be a number from 100 to 599")
    return status


def _headers(answer: dict[str, Any]) -> list[tuple[str, str]]:
    headers = answer.get("headers") or {}
    if not isinstance(headers, dict):
        raise Malformed("headers must be an object")
    return [(name, _clean(_scalar(value))) for name, value in headers.items() if value is not None]


def _clean(value: str) -> str:
    """A header value can hold no line breaks, and only what HTTP can carry."""
    return value.replace("\r", "").replace("\n", "").encode("utf-8").decode("latin-1")


def _decoded(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Malformed("the function's answer is not JSON") from None


def version_2(payload: bytes) -> Response:
    """Format 2.0: a structure with statusCode, or anything else as the JSON body of a 200."""
    answer = _decoded(payload)
    if not (isinstance(answer, dict) and "statusCode" in answer):
        body = answer.encode() if isinstance(answer, str) else payload
        return Response(200, [("content-type", JSON)], body)
    headers = _headers(answer)
    for cookie in answer.get("cookies") or []:
        headers.append(("set-cookie", _clean(_scalar(cookie))))
    return _finished(Response(_status(answer), headers, _body(answer)), "text/plain; charset=utf-8")


def version_1(payload: bytes, *, default_type: str | None = "text/plain; charset=utf-8") -> Response:
    """Format 1.0, which REST APIs share: statusCode, headers, multiValueHeaders, body."""
    answer = _decoded(payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise Malformed("the function's answer has no statusCode")
    multiple = answer.get("multiValueHeaders") or {}
    if not isinstance(multiple, dict):
        raise Malformed("multiValueHeaders must be an object")
    headers = [(name, _clean(_scalar(value))) for name, values in multiple.items() for value in values or []]
    named = {name.lower() for name, _ in headers}
    headers.extend((name, value) for name, value in _headers(answer) if name.lower() not in named)
    return _finished(Response(_status(answer), headers, _body(answer)), default_type)


DROPPED = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})


def _finished(response: Response, default_type: str | None) -> Response:
    response.headers = [(name, value) for name, value in response.headers if name.lower() not in DROPPED]
    if default_type and response.body and not any(name.lower() == "content-type" for name, _ in response.headers):
        response.headers.append(("content-type", default_type))
    return response
