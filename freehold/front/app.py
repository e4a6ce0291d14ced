"""The ASGI application: one request after the other through the pipeline, or to an application's own front door."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from freehold.front import control, core, hosts
from freehold.front.body import Disconnected, Receive, TooLarge, read, stream
from freehold.front.exchange import Exchange
from freehold.front.offer import Offer
from freehold.front.wire_in import WIRE_IN
from freehold.front.wire_out import WIRE_OUT, render_fault
from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.wire.base import WireFault

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger("freehold.front")

INTERNAL_FAILURE = "The request processing has failed because of an unknown error, exception or failure."
MAX_APPLICATION_BODY = 10 << 20
"""Bytes that API Gateway and function URLs take at most (API Gateway's documented 10 MB; Lambda refuses beyond 6 MB)."""


class App:
    """Freehold as an ASGI application."""

    def __init__(self, platform: Platform, offer: Offer) -> None:
        self.platform = platform
        self.offer = offer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        request = _request(scope)
        request.gone = partial(_gone, receive)
        request_id = self.platform.ids.uuid()
        try:
            try:
                response = await self._respond(request, receive, request_id)
            except asyncio.CancelledError:  # a server that stops cancels what it could not finish in time
                response = Response(
                    503, [("content-type", "text/plain"), ("connection", "close")], b"Freehold is stopping.\n"
                )
            await _send(response, request.method, send)
        except Disconnected:
            return

    async def _respond(self, request: Request, receive: Receive, request_id: str) -> Response:
        if request.path.startswith("/_freehold/") or request.path == "/_freehold":
            return await control.respond(self.platform, self.offer, request, receive)
        door = hosts.door(request, self.offer.doors)
        if door is not None:
            return await self._application(door, request, receive, request_id)
        exchange = Exchange(self.platform, self.offer, request, receive, request_id)
        try:
            if request.method == "OPTIONS" and (answer := await self._preflight(request, request_id)) is not None:
                return answer
            return await self._aws(exchange)
        except WireFault as fault:
            exchange.match = fault.match
            return render_fault(exchange, fault)
        except Fault as fault:
            return render_fault(exchange, fault)
        except TooLarge:
            return Response(
                413, [("content-type", "text/plain"), ("connection", "close")], b"The request is too large.\n"
            )
        except Disconnected:
            raise
        except Exception:
            log.exception("request %s failed", request_id)
            return render_fault(exchange, Fault("InternalFailure", INTERNAL_FAILURE, status=500))

    async def _preflight(self, request: Request, request_id: str) -> Response | None:
        """What a browser asks before it sends; unsigned, so the path alone says whom it means."""
        request.path = hosts.path_style(request) or request.path
        for manifest in self.offer.manifests.values():
            if manifest.preflight is not None and request.path != "/":
                return await manifest.preflight(self.platform, request, request_id)
        return None

    async def _aws(self, exchange: Exchange) -> Response:
        for step in WIRE_IN:
            await step(exchange)
        assert exchange.call is not None
        await core.run(exchange.call)
        for last in WIRE_OUT:
            await last(exchange)
        assert exchange.response is not None
        return exchange.response

    async def _application(self, door: hosts.Door, request: Request, receive: Receive, request_id: str) -> Response:
        """Hand the request to whichever service owns the id behind this host."""
        try:
            if door.name in STREAMED_DOORS:
                request.stream = stream(receive)
            else:
                request.body = await read(request, receive, MAX_APPLICATION_BODY)
            asked = HostRequest(
                request, door.id, door.path, door.base_path, request.host.partition(":")[0], request_id, door.region
            )
            for handler in self.offer.doors[door.name]:
                response = await handler(self.platform, asked)
                if response is not None:
                    return _with_request_id(response, request_id)
            return _json(404, request_id, b'{"message":"Not Found"}')
        except TooLarge:
            return _json(413, request_id, b'{"message":"Request Entity Too Large"}')
        except Disconnected:
            raise
        except Exception:
            log.exception("request %s to %s failed", request_id, door.name)
            return _json(500, request_id, b'{"message":"Internal Server Error"}')


STREAMED_DOORS: frozenset[str] = frozenset()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_request_id(response: Response, request_id: str) -> Response:
    if not any(name.lower() == "x-amzn-requestid" for name, _ in response.headers):
        response.headers.append(("x-amzn-requestid", request_id))
    return response


def _json(status: int, request_id: str, body: bytes) -> Response:
    return Response(status, [("content-type", "application/json"), ("x-amzn-requestid", request_id)], body)


_decoded: dict[bytes, str] = {}
_encoded: dict[str, bytes] = {}
_MAX_NAMES = 1_000
"""Names of headers kept ready: clients send and services answer the same few; whoever makes up more gets no more of them."""


def _decode(name: bytes) -> str:
    text = name.decode("latin-1")
    if len(_decoded) < _MAX_NAMES:
        _decoded[name] = text
    return text


def _encode(name: str) -> bytes:
    data = name.lower().encode("latin-1")
    if len(_encoded) < _MAX_NAMES:
        _encoded[name] = data
    return data


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    raw = scope["headers"]
    for name, value in raw:
        key = _decoded.get(name) or _decode(name)
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    path: str = scope["raw_path"].decode("latin-1")
    return Request(
        scope["method"],
        path,
        scope["query_string"].decode("latin-1"),
        headers,
        client=scope["client"][0] if scope.get("client") else "127.0.0.1",
        scheme=scope.get("scheme", "http"),
        raw_headers=raw,
    )


async def _send(response: Response, method: str, send: Send) -> None:
    headers = [(_encoded.get(name) or _encode(name), value.encode("latin-1")) for name, value in response.headers]
    body = response.body
    if isinstance(body, bytes):
        # A HEAD, 204 or 304 says its length, if at all, by its own header.
        if method == "HEAD" or response.status in (204, 304):
            body = b""
        else:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await _send_stream(body, send)


async def _send_stream(body: AsyncIterator[bytes], send: Send) -> None:
    """Send piece by piece. A producer that fails after the head was sent can only break the connection off."""
    try:
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):
                await close()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
