"""Signature Version 4 of a request without query, verified with a cached signing key: the least that is a check."""

from __future__ import annotations

import hashlib
import hmac
import time
from calendar import timegm
from functools import lru_cache

SECRETS = {"test": b"AWS4test"}
SKEW_SECONDS = 900


@lru_cache(maxsize=64)
def signing_key(scope: str) -> bytes:
    """The key of a `key-id/date/region/service/aws4_request`."""
    access_key, *parts = scope.split("/")
    key = SECRETS[access_key]
    for part in parts:
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=64)
def claims(text: str) -> tuple[str, str, tuple[str, ...]]:
    """What an Authorization header says before its signature: credential, names of signed headers, and these apart."""
    parts = dict(each.strip().split("=", 1) for each in text.removeprefix("AWS4-HMAC-SHA256 ").rstrip(", ").split(","))
    return parts["Credential"], parts["SignedHeaders"], tuple(parts["SignedHeaders"].split(";"))


@lru_cache(maxsize=256)
def seconds(when: str) -> int:
    return timegm(time.strptime(when, "%Y%m%dT%H%M%SZ"))


def valid(method: str, path: str, headers: dict[bytes, bytes], body: bytes) -> bool:
    """Whether this request was signed with a known key, lately, body included."""
    said, _, signature = headers.get(b"authorization", b"").decode("latin-1").partition("Signature=")
    if not signature:
        return False
    credential, names, signed = claims(said)
    when = headers[b"x-amz-date"].decode("latin-1")
    if "host" not in signed or abs(time.time() - seconds(when)) > SKEW_SECONDS:
        return False
    lines = "".join([f"{name}:{headers[name.encode()].decode('latin-1')}\n" for name in signed])
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = credential.partition("/")[2]
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"
    expected = hmac.digest(signing_key(credential), text.encode("latin-1"), "sha256").hex()
    return hmac.compare_digest(expected, signature)
