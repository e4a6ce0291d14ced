"""HTTP messages as plain values: what front receives, wire reads and writes, services of gateways answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_plus


def form_pairs(text: str) -> list[tuple[str, str]]:
    """The decoded parameters of a query string or form in order, blank values kept."""
    pairs = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return _decoded_before(text) if len(text) <= _SHORT else unquote_plus(text)


_SHORT = 200
"""Characters of what is remembered decoded: ARNs and URLs come again and again."""


@lru_cache(maxsize=4096)
def _decoded_before(text: str) -> str:
    return unquote_plus(text)


@dataclass(slots=True)
class Request:
    """One HTTP request.

    `path` is the raw path as sent (still percent-encoded); `query` the raw query string without `?`. `headers` has
    lower-case names; repeated headers are joined with `,`. Either `body` is complete or `stream` yields it once.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    client: str = "127.0.0.1"
    scheme: str = "http"
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    raw_path: str | None = None
    """The path as signed, where front rewrote `path` (virtual-hosted buckets)."""
    gone: Callable[[], Awaitable[None]] | None = None
    """Returns when the client has gone away (or was answered). Only after the body was read, and once."""

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    def query_pairs(self) -> list[tuple[str, str]]:
        """The decoded query parameters in order, blank values kept."""
        return form_pairs(self.query) if self.query else []


@dataclass(slots=True)
class Response:
    """One HTTP response. `body` is complete, or an iterator that is sent piece by piece."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
