"""Outgoing HTTP: requests that leave Freehold for an address that a user chose.

No redirects are followed and nothing is taken from the environment (proxies, credentials). Only http and https.

Unreached
└── the endpoint could not be reached, answered too much, or too late (`late`)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

MAX_ANSWER = 10 << 20
MAX_CONNECTIONS = 1_024
"""More than the outbox has deliveries under way: slow endpoints must not keep others waiting for a connection."""
KEPT_CONNECTIONS = 128


class Unreached(Exception):
    """No answer came."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, whole. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Outgoing:
    """One client with its connections kept alive; made at first use, since httpx takes a tenth of the time to start."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] | Mapping[str, str],
        body: bytes,
        *,
        seconds: float,
        most: int = MAX_ANSWER,
    ) -> Answered:
        """One request and its whole answer within `seconds`. Raises Unreached."""
        import httpx

        if not url.startswith(("http://", "https://")):
            raise Unreached("only http and https endpoints can be called")
        if self._client is None:
            limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS)
            self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits)
            # It would log whole addresses, and a query may hold a secret.
            logging.getLogger("httpx").setLevel(logging.WARNING)
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        try:
            async with asyncio.timeout(seconds):
                async with self._client.stream(method, url, headers=given, content=body, timeout=seconds) as answer:
                    return Answered(answer.status_code, dict(answer.headers.items()), await _read(answer, most))
        except (TimeoutError, httpx.TimeoutException):
            raise Unreached("the endpoint did not answer in time", late=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreached(f"the endpoint could not be reached ({type(error).__name__})") from None

    async def close(self) -> None:
        """Give up the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


async def _read(answer: httpx.Response, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in answer.aiter_bytes():
        size += len(piece)
        if size > most:
            raise Unreached("the endpoint answered too much")
        pieces.append(piece)
    return b"".join(pieces)
