"""Who calls: the two ways of trust.

Open (loopback only): any credentials are accepted. A 12-digit access key id names its account; keys that Freehold issued
(users, role sessions) mean their principal; anything else is the root of the default account.

Guarded: every call carries a valid signature by a known key; STS's own unsigned operations and anonymous S3 apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from freehold.front.exchange import Exchange
from freehold.kit.faults import Fault
from freehold.ports.identity import Credential, Principal
from freehold.wire import chunked, sigv4
from freehold.wire.sigv4 import Signature

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


async def authenticate(exchange: Exchange) -> None:
    """Set account, region and principal; in guarded mode verify the signature. Raises the protocol's own refusal."""
    settings = exchange.platform.settings
    signature = exchange.signature
    exchange.region = signature.region if signature and signature.region else settings.default_region
    if settings.guarded:
        await _verify(exchange)
        return
    principal = None
    if signature is not None:
        key = signature.access_key_id
        if len(key) == 12 and key.isdigit():
            principal = root(key)
        elif key.startswith(("AKIA", "ASIA")):
            credential = await exchange.platform.identity.credential(key, signature.session_token)
            principal = credential.principal if credential else None
    exchange.principal = principal or root(settings.default_account)
    exchange.account = exchange.principal.account
    headers = exchange.request.headers
    if "aws-chunked" in headers.get("content-encoding", "") or _declared_streaming(headers):
        _decode_chunks(exchange, None)


def _declared_streaming(headers: dict[str, str]) -> bool:
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


async def _verify(exchange: Exchange) -> None:
    signature, match = exchange.signature, exchange.match
    assert match is not None
    name = match.operation.name if match.operation else ""
    if signature is None:
        if (match.service.name, name) in UNSIGNED or match.service.name == "s3":
            exchange.account = exchange.platform.settings.default_account
            exchange.principal = Principal(ANONYMOUS, ANONYMOUS, ANONYMOUS)
            return
        raise _refusal(exchange, "missing")
    credential = await exchange.platform.identity.credential(signature.access_key_id, signature.session_token)
    if credential is None:
        raise _refusal(exchange, "unknown_key")
    wall = exchange.platform.clock.wall()
    if credential.expires_at is not None and credential.expires_at <= wall:
        raise _refusal(exchange, "expired_token")
    if credential.session_token is not None and credential.session_token != signature.session_token:
        raise _refusal(exchange, "unknown_key")
    _verify_signature(exchange, signature, credential, wall)
    exchange.principal = credential.principal
    exchange.account = credential.principal.account


def _verify_signature(exchange: Exchange, signature: Signature, credential: Credential, wall: float) -> None:
    request = exchange.request
    declared = request.headers.get("x-amz-content-sha256", "")
    streaming = declared.startswith("STREAMING-")
    actual = None
    if not streaming and request.stream is None and not signature.presigned:
        actual = hashlib.sha256(request.body).hexdigest()
    sigv4.verify(
        request,
        signature,
        credential.secret_access_key,
        wall=wall,
        body_hash=declared or actual,
        service=exchange.match.service.name if exchange.match else signature.service,
        protocol=exchange.match.protocol if exchange.match else "json",
    )
    if streaming:
        _decode_chunks(exchange, credential.secret_access_key)
    elif len(declared) == 64:
        if actual is None and request.stream is not None:
            request.stream = _hashed(request.stream, declared)
        elif actual is not None and actual != declared:
            raise _hash_mismatch(declared, actual)


def _decode_chunks(exchange: Exchange, secret: str | None) -> None:
    request = exchange.request
    source = request.stream if request.stream is not None else _once(request.body)
    request.stream = chunked.decode_chunked(source, exchange.signature, secret, request.headers)
    request.body = b""


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _hashed(stream: AsyncIterator[bytes], declared: str) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for piece in stream:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != declared:
        raise _hash_mismatch(declared, digest.hexdigest())


def _hash_mismatch(declared: str, actual: str) -> Fault:
    return Fault(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        status=400,
        ClientComputedContentSHA256=declared,
        S3ComputedContentSHA256=actual,
    )


def _refusal(exchange: Exchange, kind: str) -> Fault:
    match, signature = exchange.match, exchange.signature
    assert match is not None
    return sigv4.auth_fault(
        kind, match.protocol, match.service.name, access_key_id=signature.access_key_id if signature else ""
    )
