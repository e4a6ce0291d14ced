"""The keys of Signature Version 4: made of a secret, a day, a region and a service, and kept."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key that signs for a day, a region and a service."""
    key = _hmac(b"AWS4" + secret.encode(), date)
    for part in (region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


class Keyed:
    """HMAC-SHA256 under one key. Both halves of the key are hashed once and copied: OpenSSL's one-shot call looks up its
    algorithm each time, which costs more than the hash (a tenth of a signed GetItem)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0") if len(key) <= 64 else hashlib.sha256(key).digest().ljust(64, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def hexdigest(self, message: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


@lru_cache(maxsize=1024)
def keyed(secret: str, scope: str) -> Keyed:
    """What signs for a scope, `date/region/service/aws4_request`."""
    date, region, service, _ = scope.split("/")
    return Keyed(signing_key(secret, date, region, service))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
