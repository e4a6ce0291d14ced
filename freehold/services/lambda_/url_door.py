"""The front door of function URLs: `{id}.lambda-url.{region}.localhost:4566/...` and `/_lambda-url/{id}/...`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.ports.identity import Principal
from freehold.ports.manifest import HostRequest
from freehold.runtime.base import Invocation, Outcome
from freehold.services.lambda_ import limits, rows, url_events
from freehold.services.lambda_.engine import Engine, engine_of
from freehold.services.lambda_.invoke import whole
from freehold.services.lambda_.model import FunctionUrl
from freehold.services.lambda_.names import FunctionName
from freehold.services.lambda_.rows import Keys
from freehold.services.lambda_.tracing import header_for
from freehold.store.base import ReadTx
from freehold.wire import AuthFailure, Signature, read_signature, verify

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

DOOR = "lambda-url"
MAX_PRELUDE = 1 << 20


async def serve(platform: Platform, asked: HostRequest) -> Response | None:
    """Answer a request to a function URL; None where no URL has this id."""
    found = await platform.store.read(lambda tx: _find(tx, asked.id))
    if found is None:
        return None
    url, name = found
    extra = url_events.cors_headers(url.cors, asked.http) if url.cors is not None else []
    if url.cors is not None and url_events.is_preflight(asked.http):
        return Response(200, [*extra, ("content-length", "0")])
    iam = None
    if url.auth_type == "AWS_IAM":
        iam = await _authenticated(platform, asked.http)
        if iam is None:
            return url_events.forbidden()
    response = await _invoke(engine_of(platform), url, name, asked, iam)
    return url_events.with_cors(response, extra)


def _find(tx: ReadTx, url_id: str) -> tuple[FunctionUrl, FunctionName] | None:
    owner = rows.url_owners.get(tx, rows.url_owner_key(url_id))
    if owner is None:
        return None
    name = FunctionName(*owner)
    url = rows.urls.get(tx, Keys(name.account, name.region).url(name.name, name.qualifier))
    return None if url is None else (url, name)


async def _authenticated(platform: Platform, request: Request) -> dict[str, Any] | None:
    """Who signed the request, as the event's authorizer shows it; None where nobody did, or not validly.

    An open server wants a signature too, but takes any; a 12-digit key id is the account, as everywhere.
    """
    try:
        signature = read_signature(request)
        if signature is None:
            return None
        credential = await platform.identity.credential(signature.access_key, signature.token)
        if not platform.settings.guarded:
            return _iam(signature.access_key, credential.principal if credential else _root(platform, signature))
        if credential is None or credential.session_token != signature.token:
            return None
        verify(request, signature, credential.secret_access_key, wall=platform.clock.wall())
    except AuthFailure:
        return None
    if credential.expires_at is not None and credential.expires_at <= platform.clock.wall():
        return None
    return _iam(signature.access_key, credential.principal)


def _root(platform: Platform, signature: Signature) -> Principal:
    key = signature.access_key
    account = key if len(key) == 12 and key.isdigit() else platform.settings.default_account
    return Principal(account, f"arn:aws:iam::{account}:root", account)


def _iam(access_key: str, principal: Principal) -> dict[str, Any]:
    return {
        "accessKey": access_key,
        "accountId": principal.account,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.user_id,
    }


async def _invoke(
    engine: Engine, url: FunctionUrl, name: FunctionName, asked: HostRequest, iam: dict[str, Any] | None
) -> Response:
    platform = engine.platform
    payload = url_events.event(
        asked.http,
        path=asked.path,
        url_id=url.id,
        domain=asked.domain_name,
        account=name.account if iam is None else str(iam["accountId"]),
        request_id=asked.request_id,
        now=platform.clock.now(),
        iam=iam,
    )
    if len(payload) > limits.MAX_SYNC_PAYLOAD:
        return _message(413, "Request Entity Too Large")
    stream = url.invoke_mode == "RESPONSE_STREAM"
    try:
        entry, route = await engine.resolve(name)
        spec = engine.choose(route)
        trace = header_for(platform, spec, asked.http.headers.get("x-amzn-trace-id"))
        invocation = Invocation(asked.request_id, payload, route.arn, trace_header=trace, stream=stream)
        outcome = await engine.run(entry, spec, invocation)
    except Fault as fault:
        return _refusal(fault)
    if stream:
        return await _streamed(outcome)
    body = await whole(outcome)
    return url_events.bad_gateway() if outcome.function_error is not None else url_events.respond(body)


async def _streamed(outcome: Outcome) -> Response:
    """A response that is passed on as it is produced, with the status and headers that its prelude names."""
    if outcome.function_error is not None:
        return url_events.bad_gateway()
    if isinstance(outcome.payload, bytes):
        return Response(200, [("content-type", outcome.content_type)], outcome.payload)
    if outcome.content_type != url_events.PRELUDE_TYPE:
        return Response(200, [("content-type", outcome.content_type)], outcome.payload)
    stream, seen = outcome.payload, b""
    async for piece in stream:
        seen += piece
        if url_events.SEPARATOR in seen or len(seen) > MAX_PRELUDE:
            break
    prelude, separator, rest = seen.partition(url_events.SEPARATOR)
    try:
        status, headers = url_events.metadata(orjson.loads(prelude))
    except (ValueError, TypeError, AttributeError):
        return url_events.bad_gateway()
    if not separator:
        return Response(status, headers, b"")
    if not any(each == "content-type" for each, _ in headers):
        headers.append(("content-type", "application/octet-stream"))
    return Response(status, headers, _rest(rest, stream))


async def _rest(first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in stream:
        yield piece


def _refusal(fault: Fault) -> Response:
    if fault.code == "TooManyRequestsException":
        return _message(429, fault.message)
    if fault.code == "ResourceNotFoundException":
        return _message(404, "Not Found")
    return url_events.bad_gateway()


def _message(status: int, text: str) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps({"Message": text}))
