"""HTTP to function and back, for function URLs: payload format 2.0, responses, CORS, the streaming prelude. Pure.

Source: "Invoking Lambda function URLs" (request and response payloads), "Cross-origin resource sharing (CORS)".
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson

from freehold.kit.http import Request, Response

SEPARATOR = b"\x00" * 8
"""Between the JSON prelude and the body of a streamed response with metadata."""
PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/vnd.api+json")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What the name of a header may be."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "upgrade", "content-length"})


def event(
    request: Request,
    *,
    path: str,
    url_id: str,
    domain: str,
    account: str,
    request_id: str,
    now: float,
    iam: dict[str, Any] | None,
) -> bytes:
    """The event that a request becomes."""
    headers, cookies = _headers(request)
    raw = request.body
    moment = datetime.fromtimestamp(now, UTC)
    context: dict[str, Any] = {
        "accountId": account if iam else "anonymous",
        "apiId": url_id,
        "domainName": domain,
        "domainPrefix": url_id,
        "http": {
            "method": request.method,
            "path": unquote(path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{moment:%d/%b/%Y:%H:%M:%S} +0000",
        "timeEpoch": int(now * 1000),
    }
    if iam:
        context["authorizer"] = {"iam": iam}
    shown: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        shown["cookies"] = cookies
    if request.query:
        shown["queryStringParameters"] = _joined(request.query_pairs())
    if raw:
        text = _text(raw) if _is_text(headers.get("content-type", "")) else None
        shown["body"] = base64.b64encode(raw).decode() if text is None else text
        shown["isBase64Encoded"] = text is None
    return orjson.dumps(shown)


def _is_text(content_type: str) -> bool:
    """Bodies of these types arrive as text, everything else (forms too) in base64."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or kind.startswith(_TEXT) or kind.endswith(("+json", "+xml"))


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _headers(request: Request) -> tuple[dict[str, str], list[str]]:
    """Lower-case headers without cookies, which are a list of their own."""
    headers = dict(request.headers)
    cookie = headers.pop("cookie", "")
    headers.setdefault("x-forwarded-for", request.client)
    headers.setdefault("x-forwarded-proto", request.scheme)
    port = request.host.rpartition(":")[2]
    headers.setdefault("x-forwarded-port", port if port.isdigit() else "443" if request.scheme == "https" else "80")
    return headers, [part.strip() for part in cookie.split(";") if part.strip()]


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def respond(payload: bytes) -> Response:
    """The HTTP response that a function's result means; 502 where it means none.

    A result without statusCode is the body itself, as JSON (a string as its text).
    """
    try:
        result = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError:
        return bad_gateway()
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result.encode() if isinstance(result, str) else payload
        return Response(200, [("content-type", "application/json")], body)
    try:
        status, headers = metadata(result)
        body = _body(result)
    except (ValueError, TypeError, binascii.Error):
        return bad_gateway()
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return Response(status, headers, body)


def metadata(result: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers of a result or of a streaming prelude. Raises ValueError and TypeError for what is neither."""
    status = int(result.get("statusCode", 200))
    if not 200 <= status <= 599:  # 1xx announce an answer, they are none
        raise ValueError(status)
    given = result.get("headers") or {}
    if not isinstance(given, dict):
        raise TypeError("headers")
    headers = []
    for name, value in given.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(name)
        if name.lower() not in _HOP_BY_HOP:
            headers.append((name.lower(), _header(value)))
    headers += [("set-cookie", _header(cookie)) for cookie in result.get("cookies") or []]
    return status, headers


def _header(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _CONTROL.search(text):
        raise ValueError(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def _body(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return orjson.dumps(body)
    return base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()


def bad_gateway() -> Response:
    """A function that failed, or whose result is no response."""
    return Response(502, [("content-type", "application/json")], b"Internal Server Error")


def forbidden() -> Response:
    return Response(403, [("content-type", "application/json")], b'{"Message":"Forbidden"}')


def is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )


def cors_headers(cors: dict[str, Any], request: Request) -> list[tuple[str, str]]:
    """The headers that a CORS configuration adds for this request; none where it does not allow the origin."""
    origin = request.headers.get("origin")
    if origin is None:
        return []
    allowed = cors.get("AllowOrigins") or []
    if origin not in allowed and "*" not in allowed:
        return []
    headers = [("access-control-allow-origin", "*" if "*" in allowed and not cors.get("AllowCredentials") else origin)]
    headers.append(("vary", "Origin"))
    if cors.get("AllowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    if cors.get("ExposeHeaders"):
        headers.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    if is_preflight(request):
        headers += _preflight(cors, request)
    return headers


def _preflight(cors: dict[str, Any], request: Request) -> list[tuple[str, str]]:
    headers = []
    if cors.get("AllowMethods"):
        methods = cors["AllowMethods"]
        asked = request.headers["access-control-request-method"]
        headers.append(("access-control-allow-methods", asked if "*" in methods else ",".join(methods)))
    if cors.get("AllowHeaders"):
        names = cors["AllowHeaders"]
        asked = request.headers.get("access-control-request-headers", "")
        headers.append(("access-control-allow-headers", (asked or "*") if "*" in names else ",".join(names)))
    if cors.get("MaxAge") is not None:
        headers.append(("access-control-max-age", str(cors["MaxAge"])))
    return headers


def with_cors(response: Response, extra: list[tuple[str, str]]) -> Response:
    """The URL's CORS headers replace those of the function, as AWS documents."""
    if extra:
        names = {name for name, _ in extra}
        response.headers = [(name, value) for name, value in response.headers if name not in names] + extra
    return response
