"""Requests that leave Freehold: HTTP proxy integrations and the keys of token issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.http import Response
from freehold.ports.platform import Platform

if TYPE_CHECKING:
    import httpx

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    }
)
MAX_ANSWER = 10 << 20


class Unreachable(Exception):
    """The endpoint could not be reached, answered too much, or too late (`late`)."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__("timed out" if late else "unreachable")
        self.late = late


def client(platform: Platform) -> httpx.AsyncClient:
    """One client for the platform: no redirects, no proxies or credentials from the environment."""
    import httpx  # at first use: it would be a tenth of the time to start

    found = platform.own.get("apigateway.client")
    if found is None:
        found = platform.own["apigateway.client"] = httpx.AsyncClient(trust_env=False, follow_redirects=False)
    assert isinstance(found, httpx.AsyncClient)
    return found


async def close(platform: Platform) -> None:
    """Close the client, if there ever was one."""
    found = platform.own.pop("apigateway.client", None)
    if found is not None:
        await found.aclose()


async def send(
    platform: Platform, method: str, url: str, headers: list[tuple[str, str]], body: bytes, seconds: float
) -> Response:
    """One request and its whole answer. Raises Unreachable."""
    import httpx

    kept = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
    try:
        async with client(platform).stream(method, url, headers=kept, content=body, timeout=seconds) as answer:
            pieces, size = [], 0
            async for piece in answer.aiter_raw():
                size += len(piece)
                if size > MAX_ANSWER:
                    raise Unreachable
                pieces.append(piece)
    except httpx.TimeoutException:
        raise Unreachable(late=True) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unreachable from None
    given = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in HOP_BY_HOP]
    return Response(answer.status_code, given, b"".join(pieces))
