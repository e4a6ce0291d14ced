"""The application: a request through the pipeline, or to an application's own front door."""

from __future__ import annotations

import logging

from freehold.front import control, core, hosts
from freehold.front.body import Body, Disconnected, TooLarge
from freehold.front.exchange import Exchange
from freehold.front.offer import Offer
from freehold.front.wire_in import WIRE_IN
from freehold.front.wire_out import WIRE_OUT, render_fault
from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.store.base import LimitExceeded, StoreError
from freehold.wire.base import WireFault

log = logging.getLogger("freehold.front")

INTERNAL_FAILURE = "The request processing has failed because of an unknown error, exception or failure."
MAX_APPLICATION_BODY = 10 << 20
"""Bytes that API Gateway and function URLs take at most (API Gateway's documented 10 MB; Lambda refuses beyond 6 MB)."""


class App:
    """What answers every request of a node."""

    def __init__(self, platform: Platform, offer: Offer) -> None:
        self.platform = platform
        self.offer = offer

    async def __call__(self, request: Request, body: Body) -> Response:
        """The answer. Raises Disconnected when the client went away before it had asked."""
        request_id = self.platform.ids.uuid()
        if request.path.startswith("/_freehold") and request.path[10:11] in ("", "/"):
            return await control.respond(self.platform, self.offer, request, body)
        door = hosts.door(request, self.offer.doors)
        if door is not None:
            return await self._application(door, request, body, request_id)
        exchange = Exchange(self.platform, self.offer, request, body, request_id)
        try:
            if request.method == "OPTIONS" and (answer := await self._preflight(request, request_id)) is not None:
                return answer
            for step in WIRE_IN:
                waiting = step(exchange)
                if waiting is not None:
                    await waiting
            assert exchange.call is not None
            await core.run(exchange.call)
            for last in WIRE_OUT:
                last(exchange)
            assert exchange.response is not None
            return exchange.response
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
        except Exception as problem:
            log.exception("request %s failed: %s", request_id, problem, exc_info=_trace(problem))
            return render_fault(exchange, Fault("InternalFailure", INTERNAL_FAILURE, status=500))

    async def _preflight(self, request: Request, request_id: str) -> Response | None:
        """What a browser asks before it sends; unsigned, so the path alone says whom it means."""
        request.path = hosts.path_style(request) or request.path
        for manifest in self.offer.manifests.values():
            if manifest.preflight is not None and request.path != "/":
                return await manifest.preflight(self.platform, request, request_id)
        return None

    async def _application(self, door: hosts.Door, request: Request, body: Body, request_id: str) -> Response:
        """Hand the request to whichever service owns the id behind this host."""
        try:
            request.body = await body.read(MAX_APPLICATION_BODY)
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
        except Exception as problem:
            log.exception("request %s to %s failed: %s", request_id, door.name, problem, exc_info=_trace(problem))
            return _json(500, request_id, b'{"message":"Internal Server Error"}')


def _trace(problem: Exception) -> Exception | None:
    """What is logged with its trace; of a store that is away, which fails every request alike, a line says enough."""
    return None if isinstance(problem, StoreError) and not isinstance(problem, LimitExceeded) else problem


def _with_request_id(response: Response, request_id: str) -> Response:
    if not any(name.lower() == "x-amzn-requestid" for name, _ in response.headers):
        response.headers.append(("x-amzn-requestid", request_id))
    return response


def _json(status: int, request_id: str, body: bytes) -> Response:
    return Response(status, [("content-type", "application/json"), ("x-amzn-requestid", request_id)], body)
