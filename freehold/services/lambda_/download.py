"""Where GetFunction and GetLayerVersion say an archive can be fetched: signed addresses that expire after ten minutes.

They are served at `/_lambda-code/{token}` (host handler "lambda-code").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

from freehold.kit.http import Response
from freehold.ports.call import Call
from freehold.ports.manifest import HostRequest
from freehold.services.lambda_ import rows
from freehold.services.lambda_.limits import CODE_URL_S
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

DOOR = "lambda-code"


async def _secret(platform: Platform) -> bytes:
    """The key that signs addresses: made once, kept in the store."""
    known = await platform.store.read(lambda tx: tx.get(rows.CODE_KEY))
    if known is not None:
        return known
    fresh = platform.ids.bytes(32)

    def body(tx: Tx) -> bytes:
        there = tx.get(rows.CODE_KEY)
        if there is None:
            tx.put(rows.CODE_KEY, fresh)
            return fresh
        return there

    return await platform.store.transact(body)


def _sign(secret: bytes, claim: str) -> str:
    return hmac.new(secret, claim.encode(), hashlib.sha256).hexdigest()


async def code_url(call: Call, sha256: str) -> str:
    """An address of an archive that resolves for this caller."""
    expires = int(call.platform.clock.wall()) + CODE_URL_S
    claim = f"{sha256}.{expires}"
    token = base64.urlsafe_b64encode(f"{claim}.{_sign(await _secret(call.platform), claim)}".encode()).decode()
    return f"{call.base_url}/_{DOOR}/{token.rstrip('=')}"


async def serve(platform: Platform, request: HostRequest) -> Response | None:
    """Answer a download; 403 for what was not signed here or has expired."""
    denied = Response(403, [("content-type", "text/plain")], b"The address is not valid, or has expired.\n")
    try:
        text = base64.urlsafe_b64decode(request.id + "=" * (-len(request.id) % 4)).decode()
        sha256, expires, signature = text.split(".")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return denied
    if not hmac.compare_digest(signature, _sign(await _secret(platform), f"{sha256}.{expires}")):
        return denied
    if int(expires) < platform.clock.wall():
        return denied
    key = rows.package_key(sha256)
    package = await platform.store.read(lambda tx: rows.packages.get(tx, key))
    if package is None:
        return Response(404, [("content-type", "text/plain")], b"The archive is gone.\n")
    headers = [("content-type", "application/zip"), ("content-length", str(package.size))]
    if request.http.method == "HEAD":
        return Response(200, headers)
    return Response(200, headers, await platform.blobs.read(package.blob))
