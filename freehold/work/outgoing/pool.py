"""Pools of connections to addresses that users chose, and the rules for everything that is sent there.

Only http and https. Nothing is taken from the environment (proxies, credentials), no redirect is followed, no cookie is
kept: the endpoint of one customer must not meet with what another one's answered. An answer is read to a limit, in time.

Unreached
└── the endpoint could not be reached, answered too much, or too late (`late`)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

from freehold.work.outgoing.decoding import TooMuch, decode

if TYPE_CHECKING:
    import ssl

    import httpx

MAX_ANSWER = 10 << 20
"""Bytes of an answer, as sent and as decoded."""
MAX_CONNECTIONS = 1_024
"""Of one pool. More than the outbox has deliveries under way: slow endpoints must not keep others waiting."""
KEPT_CONNECTIONS = 512


class Unreached(Exception):
    """No answer came."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. Names of headers are in lower case; `pairs` has those that came more than once one by one."""

    status: int
    headers: dict[str, str]
    body: bytes
    pairs: list[tuple[str, str]]


class Outgoing:
    """A pool for whoever sends: those who wait for the slow endpoints of one are never those of another.

    `transport` takes the place of the network in tests.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._pools: dict[str, Pool] = {}
        self._trust: ssl.SSLContext | None = None

    def pool(self, name: str) -> Pool:
        """The pool of this name, made when it is first asked for."""
        found = self._pools.get(name)
        if found is None:
            found = self._pools[name] = Pool(trust=self._trusted, transport=self._transport)
        return found

    def _trusted(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = _trust()
        return self._trust

    async def close(self) -> None:
        """Give up the connections of all."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()


def _trust() -> ssl.SSLContext:
    """The certificates that are believed. Reading them takes 20 ms, so pools share them."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


class Pool:
    """Connections that are kept alive; made at first use, since httpx takes a tenth of the time to start."""

    def __init__(
        self,
        *,
        connections: int = MAX_CONNECTIONS,
        trust: Callable[[], ssl.SSLContext] = _trust,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connections, self._trust, self._transport = connections, trust, transport
        self._client: httpx.AsyncClient | None = None

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] | Mapping[str, str],
        body: bytes,
        *,
        seconds: float,
        connect_s: float | None = None,
        silence_s: float | None = None,
        most: int = MAX_ANSWER,
        cut: bool = False,
        decoded: bool = True,
    ) -> Answered:
        """One request and its whole answer within `seconds`, of which the connection may take `connect_s`, and the
        endpoint may be silent for `silence_s`. Raises Unreached.

        An answer of more than `most` bytes is refused, or with `cut` ends there (or with the time that it takes).
        `decoded`: without its Content-Encoding; otherwise as it came, header and all.
        """
        import httpx

        if not url.startswith(("http://", "https://")):
            raise Unreached("only http and https endpoints can be called")
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if decoded and not any(name.lower() == "accept-encoding" for name, _ in given):
            given.append(("accept-encoding", "gzip, deflate"))
        patience = httpx.Timeout(silence_s or seconds, connect=connect_s or seconds, pool=seconds)
        answer, pieces = None, list[bytes]()
        try:
            async with (
                asyncio.timeout(seconds),
                self._opened().stream(method, url, headers=given, content=body, timeout=patience) as answer,
            ):
                await _read(answer, pieces, most, cut)
        except (TimeoutError, httpx.TimeoutException):
            if answer is None or not cut:
                raise Unreached("the endpoint did not answer in time", late=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreached(f"the endpoint could not be reached ({type(error).__name__})") from None
        finally:
            if answer is not None:
                # Answer and stream refer to each other: the bodies would stay until the collector looks, which is seldom.
                answer.stream = httpx.ByteStream(b"")
        pairs, said = answer.headers.multi_items(), b"".join(pieces)
        if decoded:
            said = _decoded(said, answer.headers.get("content-encoding", ""), most)
        return Answered(answer.status_code, dict(answer.headers.items()), said, pairs)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                trust_env=False,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                limits=httpx.Limits(
                    max_connections=self._connections,
                    max_keepalive_connections=min(KEPT_CONNECTIONS, self._connections),
                ),
                verify=self._trust() if self._transport is None else True,
                transport=self._transport,
            )
            # Who wants to decode says so itself: an answer that goes on to a customer is as that customer asked for it.
            del self._client.headers["accept-encoding"]
            # It would log whole addresses, and a query may hold a secret.
            logging.getLogger("httpx").setLevel(logging.WARNING)
        return self._client

    async def close(self) -> None:
        """Give up the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


async def _read(answer: httpx.Response, pieces: list[bytes], most: int, cut: bool) -> None:
    left = most
    async for piece in answer.aiter_raw():
        pieces.append(piece[:left])
        left -= len(piece)
        if left < 0 and cut:
            return
        if left < 0:
            raise Unreached("the endpoint answered too much")


def _decoded(body: bytes, encodings: str, most: int) -> bytes:
    try:
        return decode(body, encodings, most) if encodings else body
    except TooMuch:
        raise Unreached("the endpoint answered too much") from None
    except ValueError:
        raise Unreached("the endpoint's answer could not be decoded") from None
