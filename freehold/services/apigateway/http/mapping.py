"""Parameter mapping of HTTP APIs: requests before they reach the integration, responses before they reach the client.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.numerals import whole
from freehold.services.apigateway.http.common import bad

Lookup = Callable[[str], str]
_REQUEST_KEY = re.compile(r"(append|overwrite|remove):(header|querystring)\.(.+)|overwrite:path")
_RESPONSE_KEY = re.compile(r"(append|overwrite|remove):header\.(.+)|overwrite:statuscode")
_REFERENCE = re.compile(
    r"\$\{([^}]+)\}|\$((?:request|response|context|stageVariables)(?:\.[A-Za-z0-9_\-\[\]]+)+|request\.path)"
)
RESERVED = re.compile(
    r"access-control-.*|apigw-.*|authorization|connection|content-encoding|content-length|content-location|forwarded|"
    r"keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers|transfer-encoding|upgrade|x-amz-.*|x-amzn-.*|"
    r"x-forwarded-for|x-forwarded-host|x-forwarded-proto|via",
    re.I,
)


@dataclass(slots=True)
class Mapped:
    """What a mapping works on. Headers and query parameters are lists of values by name."""

    headers: dict[str, list[str]]
    query: dict[str, list[str]]
    path: str | None = None
    status: int | None = None


def check(request: Mapping[str, str], response: Mapping[str, Any]) -> None:
    """Refuse mappings that API Gateway refuses. Raises BadRequestException."""
    for key in request:
        found = _REQUEST_KEY.fullmatch(key)
        if found is None:
            raise bad(f"Invalid mapping expression specified: {key}")
        if found[2] == "header" and RESERVED.fullmatch(found[3]):
            raise bad(f"Operations on header {found[3]} are restricted")
    for status, pairs in response.items():
        if not 200 <= (whole(status) or 0) <= 599:
            raise bad(f"Invalid status code specified in response parameters: {status}")
        for key in pairs:
            found = _RESPONSE_KEY.fullmatch(key)
            if found is None:
                raise bad(f"Invalid mapping expression specified: {key}")
            if found[2] and RESERVED.fullmatch(found[2]):
                raise bad(f"Operations on header {found[2]} are restricted")


def apply(pairs: Mapping[str, str], mapped: Mapped, lookup: Lookup) -> None:
    """Perform a mapping on headers, query parameters, path or status."""
    for key, template in pairs.items():
        value = text(template, lookup)
        if key == "overwrite:path":
            mapped.path = value
        elif key == "overwrite:statuscode":
            status = whole(value, 3)
            mapped.status = status if status is not None and status >= 200 else mapped.status
        else:
            verb, _, where = key.partition(":")
            kind, _, name = where.partition(".")
            _change(mapped.headers if kind == "header" else mapped.query, verb, name, value)


def _change(values: dict[str, list[str]], verb: str, name: str, value: str) -> None:
    existing = next((key for key in values if key.lower() == name.lower()), name)
    if verb == "remove":
        values.pop(existing, None)
    elif verb == "overwrite":
        values[existing] = [value]
    else:
        values.setdefault(existing, []).append(value)


@lru_cache(maxsize=256)
def _pieces(template: str) -> tuple[str | tuple[str], ...]:
    out: list[str | tuple[str]] = []
    at = 0
    for found in _REFERENCE.finditer(template):
        out.append(template[at : found.start()])
        out.append((found[1] or found[2],))
        at = found.end()
    out.append(template[at:])
    return tuple(out)


def text(template: str, lookup: Lookup) -> str:
    """A template with its references replaced."""
    return "".join(piece if isinstance(piece, str) else lookup(piece[0]) for piece in _pieces(template))


def body_value(body: bytes, path: str) -> str:
    """`a.b[0].c` of a JSON body; empty where there is no such thing. The whole body, as it came, for an empty path."""
    if not path:
        return body.decode("utf-8", "replace")
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and (place := whole(name)) is not None and place < len(value):
            value = value[place]
        else:
            return ""
    if value is None:
        return ""
    try:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    except TypeError:  # JSON is read to 1,024 levels and written to 254
        return ""
