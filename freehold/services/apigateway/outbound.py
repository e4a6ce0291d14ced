"""Requests that leave Freehold: HTTP proxy integrations and the keys of token issuers."""

from __future__ import annotations

from freehold.kit.http import Response
from freehold.ports.platform import Platform
from freehold.work.outgoing import Pool, Unreached

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


def pool(platform: Platform) -> Pool:
    """The connections of API Gateway."""
    return platform.outgoing.pool("apigateway")


async def send(
    platform: Platform, method: str, url: str, headers: list[tuple[str, str]], body: bytes, seconds: float
) -> Response:
    """One request and its whole answer, encoded as it came. Raises Unreached."""
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
    answer = await pool(platform).send(method, url, kept, body, seconds=seconds, decoded=False)
    given = [(name, value) for name, value in answer.pairs if name not in HOP_BY_HOP]
    return Response(answer.status, given, answer.body)


__all__ = ["Unreached", "pool", "send"]
