"""Session tokens: self-verifying, so that making or checking one touches no store.

A token carries who it is for and until when, signed with a key that only this installation has; its secret access key is
derived from the same key and the access key id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache

import msgspec

from freehold.ports.identity import Credential, Principal

_MAC = 32


class _Claims(msgspec.Struct, array_like=True):
    access_key_id: str
    account: str
    arn: str
    user_id: str
    expires_at: float
    service: str | None = None


class Sessions:
    """Makes and reads session credentials."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._read = lru_cache(maxsize=1_024)(self._verify)

    def issue(self, access_key_id: str, principal: Principal, expires_at: float) -> Credential:
        """Credentials of `principal` until `expires_at` (wall seconds)."""
        claims = _Claims(
            access_key_id, principal.account, principal.arn, principal.user_id, expires_at, principal.service
        )
        body = msgspec.msgpack.encode(claims)
        token = base64.b64encode(hmac.digest(self._key, body, hashlib.sha256) + body).decode()
        return Credential(access_key_id, self._secret(access_key_id), principal, token, expires_at)

    def read(self, access_key_id: str, token: str) -> Credential | None:
        """The credential of a token; None for one that this installation did not make for that key."""
        credential = self._read(token)
        return credential if credential is not None and credential.access_key_id == access_key_id else None

    def _verify(self, token: str) -> Credential | None:
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = raw[:_MAC], raw[_MAC:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, body, hashlib.sha256)):
            return None
        claims = msgspec.msgpack.decode(body, type=_Claims)
        principal = Principal(claims.account, claims.arn, claims.user_id, claims.service)
        return Credential(claims.access_key_id, self._secret(claims.access_key_id), principal, token, claims.expires_at)

    def _secret(self, access_key_id: str) -> str:
        derived = hmac.digest(self._key, b"secret:" + access_key_id.encode(), hashlib.sha256)
        return base64.b64encode(derived).decode()[:40]
