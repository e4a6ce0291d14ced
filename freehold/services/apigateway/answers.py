"""What a function answered, as an HTTP response: the proxy response formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson

from freehold.kit.http import Response

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Malformed(Exception):
    """The function's answer is no proxy response."""


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise Malformed("a header must be a string")
    return value if isinstance(value, str) else str(value)


def _body(answer: dict[str, Any], *, decode: bool = True) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        if isinstance(body, (int, float)):
            return _scalar(body).encode()
        raise Malformed("body must be a string")
    if decode and (answer.get("isBase64Encoded") is True or answer.get("base64Encoded") is True):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise Malformed("body is not base64") from None
    return body.encode("utf-8", "surrogatepass")


def _status(answer: dict[str, Any]) -> int:
    """The status; 200 where the function names none."""
    status = answer.get("statusCode")
    if status is None:
        return 200
    if isinstance(status, str) and len(status) == 3 and status.isascii() and status.isdigit():
        status = int(status)
    # 1xx announce an answer, they are none: a client would wait for it until it gives up.
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise Malformed("statusCode must be a number from 200 to 599")
    return status


def _headers(answer: dict[str, Any]) -> list[tuple[str, str]]:
    headers = answer.get("headers") or {}
    if not isinstance(headers, dict):
        raise Malformed("headers must be an object")
    return [(_name(name), _clean(_scalar(value))) for name, value in headers.items() if value is not None]


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Malformed(f"{name!r} cannot be the name of a header")
    return name


def _clean(value: str) -> str:
    """A header can hold no line breaks, and only what HTTP can carry."""
    if value.isascii() and value.isprintable():
        return value
    return _CONTROL.sub("", value).encode("utf-8", "replace").decode("latin-1")


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
    headers = _kept(_headers(answer))
    cookies = answer.get("cookies")
    if cookies:
        if not isinstance(cookies, list):
            raise Malformed("cookies must be an array")
        headers.extend(("set-cookie", _clean(_scalar(cookie))) for cookie in cookies)
    return _typed(Response(_status(answer), headers, _body(answer)), TEXT)


def version_1(payload: bytes) -> Response:
    """Format 1.0 of HTTP APIs: statusCode, headers, multiValueHeaders, body."""
    answer = _structure(payload)
    return _typed(Response(_status(answer), _kept(_all_headers(answer)), _body(answer)), TEXT)


KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded"})


def rest(payload: bytes, *, binary: bool) -> Response:
    """The proxy response of REST APIs, which knows no other members. `binary`: the client accepts what base64 hides."""
    answer = _structure(payload)
    if not KEYS.issuperset(answer):
        raise Malformed("the function's answer has unknown members")
    headers = remapped(_all_headers(answer))
    return _typed(Response(_status(answer), headers, _body(answer, decode=binary)), JSON)


def _structure(payload: bytes) -> dict[str, Any]:
    answer = _decoded(payload)
    if not isinstance(answer, dict):
        raise Malformed("the function's answer is not an object")
    return answer


def _all_headers(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Headers and multiValueHeaders together: where both name one, the latter holds."""
    multiple = answer.get("multiValueHeaders")
    if not multiple:
        return _headers(answer)
    if not isinstance(multiple, dict) or not all(isinstance(values, list) for values in multiple.values()):
        raise Malformed("multiValueHeaders must be an object of arrays")
    headers = [(_name(name), _clean(_scalar(value))) for name, values in multiple.items() for value in values]
    named = {name.lower() for name, _ in headers}
    headers.extend((name, value) for name, value in _headers(answer) if name.lower() not in named)
    return headers


DROPPED = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})


def _kept(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0].lower() not in DROPPED]


REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "trailer",
        "upgrade",
        "user-agent",
        "www-authenticate",
        "x-amzn-requestid",
    }
)
"""Headers of integrations that REST APIs send on as x-amzn-remapped-...
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html"""
LOST = frozenset({"keep-alive", "te", "transfer-encoding"})


def remapped(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of an integration's answer as a REST API sends them on."""
    found = []
    for name, value in headers:
        lower = name.lower()
        if lower not in LOST:
            found.append((f"x-amzn-remapped-{lower}" if lower in REMAPPED else name, value))
    return found


def _typed(response: Response, default_type: str) -> Response:
    for name, _ in response.headers:
        if len(name) == 12 and name.lower() == "content-type":
            return response
    if response.body or default_type is JSON:
        response.headers.append(("content-type", default_type))
    return response
