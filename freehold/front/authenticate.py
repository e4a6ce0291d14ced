"""Who calls: the two ways of trust.

Open (loopback only): any credentials are accepted. A 12-digit access key id names its account; keys that Freehold issued
(users, role sessions) mean their principal; anything else is the root of the default account.

Guarded: every call carries a valid signature by a known key; STS's own unsigned operations and anonymous S3 apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable

from freehold.front.exchange import Exchange
from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.ports.identity import Credential, Principal
from freehold.wire import chunked, sigv4
from freehold.wire.auth import auth_fault
from freehold.wire.sigv4 import AuthFailure, Signature

UNSIGNED = frozenset({("sts", "AssumeRoleWithSAML"), ("sts", "AssumeRoleWithWebIdentity")})
ANONYMOUS = "anonymous"
_roots: dict[str, Principal] = {}


def root(account: str) -> Principal:
    """The root principal of an account."""
    principal = _roots.get(account)
    if principal is None:
        principal = Principal(account, f"arn:aws:iam::{account}:root", account)
        if len(_roots) < 10_000:
            _roots[account] = principal
    return principal


def authenticate(exchange: Exchange) -> Awaitable[None] | None:
    """Set account, region and principal; in guarded mode verify the signature. Raises the protocol's own refusal."""
    settings = exchange.platform.settings
    signature = exchange.signature
    exchange.region = (signature and signature.claims.region) or settings.default_region
    if settings.guarded:
        return _verify(exchange, signature)
    headers = exchange.request.headers
    if "aws-chunked" in headers.get("content-encoding", "") or _streaming(headers):
        _decode_chunks(exchange, None)
    if signature is not None and signature.access_key.startswith(("AKIA", "ASIA")):
        return _issued(exchange, signature)
    named = signature is not None and len(signature.access_key) == 12 and signature.access_key.isdigit()
    _is(exchange, root(signature.access_key if named and signature is not None else settings.default_account))
    return None


def _is(exchange: Exchange, principal: Principal) -> None:
    exchange.principal = principal
    exchange.account = principal.account


async def _issued(exchange: Exchange, signature: Signature) -> None:
    """Whose key it is, on the caller's word; the default account's where Freehold did not issue it."""
    credential = await exchange.platform.identity.credential(signature.access_key, signature.token)
    _is(exchange, credential.principal if credential else root(exchange.platform.settings.default_account))


def _streaming(headers: dict[str, str]) -> bool:
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def _verify(exchange: Exchange, signature: Signature | None) -> Awaitable[None] | None:
    """Raises the protocol's refusal unless a known key signed the request."""
    try:
        if signature is None:
            _unsigned(exchange)
            return None
        _check_scope(exchange, signature)
        credential = exchange.platform.identity.known(signature.claims.access_key, signature.token)
        if credential is None:
            return _asked(exchange, signature)
        _check_signature(exchange, signature, credential)
        return None
    except AuthFailure as failure:
        raise _refusal(exchange, failure) from None


async def _asked(exchange: Exchange, signature: Signature) -> None:
    """As `_verify`, where the store has to be asked whose key it is."""
    credential = await exchange.platform.identity.credential(signature.access_key, signature.token)
    try:
        _check_signature(exchange, signature, credential)
    except AuthFailure as failure:
        raise _refusal(exchange, failure) from None


def _unsigned(exchange: Exchange) -> None:
    """Some of STS, and S3's anonymous requests."""
    match = exchange.match
    assert match is not None
    if exchange.unreadable is not None:
        raise exchange.unreadable
    name = match.operation.name if match.operation else ""
    if (match.service.name, name) not in UNSIGNED and match.service.name != "s3":
        raise AuthFailure("missing")
    exchange.account = exchange.platform.settings.default_account
    exchange.principal = Principal(ANONYMOUS, ANONYMOUS, ANONYMOUS)


def _check_scope(exchange: Exchange, signature: Signature) -> None:
    assert exchange.match is not None
    if exchange.unreadable is not None:
        raise exchange.unreadable
    if signature.claims.service != exchange.match.service.signing_name:
        raise AuthFailure("scope-service", wanted=exchange.match.service.signing_name)


def _check_signature(exchange: Exchange, signature: Signature, credential: Credential | None) -> None:
    if credential is None:
        raise AuthFailure(
            "unknown-key" if signature.token is None else "invalid-token", access_key=signature.access_key
        )
    wall = exchange.platform.clock.wall()
    if credential.expires_at is not None and credential.expires_at <= wall:
        raise AuthFailure("expired-token", token=signature.token or "")
    _verify_signature(exchange, signature, credential, wall)
    _is(exchange, credential.principal)


def _verify_signature(exchange: Exchange, signature: Signature, credential: Credential, wall: float) -> None:
    request, secret = exchange.request, credential.secret_access_key
    streamed = request.stream is not None
    body_hash = None if streamed else hashlib.sha256(request.body).hexdigest()
    sigv4.verify(request, signature, secret, wall=wall, body_hash=body_hash)
    if _streaming(request.headers):
        _decode_chunks(exchange, secret)
    elif streamed and request.stream is not None and len(signature.payload or "") == 64:
        request.stream = _hashed(request.stream, signature.payload or "")


def _decode_chunks(exchange: Exchange, secret: str | None) -> None:
    request = exchange.request
    source = request.stream if request.stream is not None else _once(request.body)
    announced = request.headers.get("x-amz-decoded-content-length", "")
    length = whole(announced)
    request.stream = chunked.decode_chunked(source, exchange.signature, secret, length=length)
    request.body = b""


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _hashed(stream: AsyncIterator[bytes], declared: str) -> AsyncIterator[bytes]:
    """Pass the body on and refuse it at its end when it is not what was signed."""
    digest = hashlib.sha256()
    async for piece in stream:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != declared:
        raise Fault(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            status=400,
            ClientComputedContentSHA256=declared,
            S3ComputedContentSHA256=digest.hexdigest(),
        )


def _refusal(exchange: Exchange, failure: AuthFailure) -> Fault:
    match = exchange.match
    assert match is not None
    return auth_fault(failure.kind, match.protocol, match.service.name, **failure.details)
