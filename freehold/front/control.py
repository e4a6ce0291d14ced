"""The control API under /_freehold/: what operators and Freehold's own commands ask of a running server."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from freehold import __version__
from freehold.front import accounts, clock, snapshot
from freehold.front.body import Body
from freehold.front.offer import Offer
from freehold.kit.http import Request, Response
from freehold.ports.platform import Platform
from freehold.wire import sigv4

MAX_CONTROL_BODY = 1 << 20


async def respond(platform: Platform, offer: Offer, request: Request, body: Body) -> Response:
    """Answer one control request: GET health, services, isolation, traces, clock, export; POST clock, snapshot,
    import."""
    what = request.path.removeprefix("/_freehold").strip("/") or "health"
    if what == "import" and request.method == "POST":
        return await _import(platform, request, body)
    request.body = await body.read(MAX_CONTROL_BODY)
    if what == "health":
        return _health(platform)
    if platform.settings.guarded and not await _signed(platform, request):
        return _forbidden()
    if what == "clock" and request.method in ("GET", "POST"):
        return await clock.respond(platform, request)
    if what == "snapshot" and request.method == "POST":
        return await snapshot.respond(platform, request)
    if request.method != "GET":
        return _json({"message": "Method Not Allowed"}, 405)
    if what == "export":
        return await accounts.leave(platform, request)
    if what == "services":
        return _json(services(offer))
    if what == "isolation":
        return _json(dict(platform.runtime.isolation()))
    if what == "traces":
        asked = dict(request.query_pairs())
        account = asked.get("account", platform.settings.default_account)
        region = asked.get("region", platform.settings.default_region)
        return _json({"traces": await platform.traces.recent(account, region)})
    extra = offer.control.get(what)
    if extra is not None:
        return _json(await extra(platform, dict(request.query_pairs())))
    return _json({"message": f"The control API has no {what}."}, 404)


def _health(platform: Platform) -> Response:
    """A node that is about to stop, or cannot reach the store which it shares, says so by its status: whoever balances load
    asks another one."""
    members = platform.duties.members
    trouble = "" if members.in_touch else "out of touch with the store"
    trouble = "about to stop" if members.leaving else trouble
    shown = {
        "status": trouble or "ready",
        "version": __version__,
        "guarded": platform.settings.guarded,
    }
    return _json(shown, 503 if trouble else 200)


async def _import(platform: Platform, request: Request, body: Body) -> Response:
    """A body of any size: what was signed of it is its digest."""
    digest = request.headers.get("x-amz-content-sha256", "") if platform.settings.guarded else None
    if digest is not None and not await _signed(platform, request, digest):
        return _forbidden()
    return await accounts.arrive(platform, request, body, digest=digest)


def _forbidden() -> Response:
    return _json({"message": "The control API of a guarded server takes requests signed by its root only."}, 403)


def services(offer: Offer) -> dict[str, dict[str, list[str]]]:
    """Operations by service: which work, which are missing."""
    found: dict[str, dict[str, list[str]]] = {}
    for service in offer.services:
        names = sorted(service.operations)
        works = [name for name in names if offer.handler(service.name, service.operations[name]) is not None]
        found[service.name] = {"works": works, "missing": [name for name in names if name not in set(works)]}
    return found


async def _signed(platform: Platform, request: Request, digest: str | None = None) -> bool:
    found = hashlib.sha256(request.body).hexdigest() if digest is None else digest
    try:
        signature = sigv4.read_signature(request)
        if signature is None:
            return False
        credential = await platform.identity.credential(signature.access_key, signature.token)
        if credential is None or not credential.principal.arn.endswith(":root"):
            return False
        sigv4.verify(request, signature, credential.secret_access_key, wall=platform.clock.wall(), body_hash=found)
    except sigv4.AuthFailure:
        return False
    return True


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps(value))
