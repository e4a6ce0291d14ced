"""Signature Version 4: reading and verifying what clients sign.

Sources: "AWS Signature Version 4 for API requests" (IAM User Guide), "Authenticating Requests" (S3 API Reference).
Faults of authentication are `AuthFailure`s: front maps them to the caller's protocol by `auth.auth_fault`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from freehold.kit.http import Request
from freehold.wire import sigv2
from freehold.wire.canonical import canonical_path, canonical_query
from freehold.wire.signingkeys import keyed

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = frozenset({STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER})
_NAMED = STREAMING | {UNSIGNED}
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

SKEW = 300.0
"""Seconds by which a client's clock may be off."""
S3_SKEW = 900.0
MAX_PRESIGNED = 604_800
"""Seconds for which a presigned URL may be valid: seven days."""

_HEX64 = re.compile(r"[0-9a-f]{64}")
_WHEN = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SPACES = re.compile(r" {2,}")


class AuthFailure(Exception):
    """Authentication failed. `kind` says how; `details` fill the messages that AWS sends.

    Kinds raised here: incomplete, malformed, unsupported, mismatch, skewed, expired, future, scope-date, headers,
    payload, bad-payload. Kinds that front adds: missing, unknown-key, invalid-token, expired-token, scope-service,
    scope-region.
    """

    def __init__(self, kind: str, **details: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.details = details


@dataclass(frozen=True, slots=True)
class Claims:
    """Who signed, for what, and which headers: the same in every request that a client sends in a day.

    `scope` is `date/region/service/aws4_request`, `names` the signed headers joined by semicolons.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    scope: str
    names: str


def claims(access_key: str, date: str, region: str, service: str, signed_headers: tuple[str, ...]) -> Claims:
    """Claims, with what follows from them."""
    scope = f"{date}/{region}/{service}/aws4_request"
    return Claims(access_key, date, region, service, signed_headers, scope, ";".join(signed_headers))


@dataclass(slots=True)
class Signature:
    """What a request says about who signed it, and how.

    `payload` is the value that stands for the body in the canonical request: a SHA-256 in hexadecimal, UNSIGNED-PAYLOAD,
    one of STREAMING, or None where the request names none and the body must be hashed. `expires` is set on presigned
    requests only: seconds of validity.
    """

    claims: Claims
    signature: str
    when: str
    token: str | None = None
    payload: str | None = None
    expires: int | None = None
    ends: int | None = None
    """Set by Signature Version 2 only: when it ends, in seconds since the epoch."""

    @property
    def access_key(self) -> str:
        return self.claims.access_key

    @property
    def region(self) -> str:
        return self.claims.region

    @property
    def service(self) -> str:
        return self.claims.service

    @property
    def presigned(self) -> bool:
        return self.expires is not None

    @property
    def seconds(self) -> float:
        """When it was signed, in seconds since the epoch."""
        return _seconds(self.when)


def read_signature(request: Request) -> Signature | None:
    """The signature of a request, from its Authorization header or its query string; None if it has neither.

    Raises AuthFailure for what is there but cannot be read, and for Signature Version 2.
    """
    header = request.headers.get("authorization")
    if header is not None:
        return _read_header(header, request)
    query = request.query
    if "X-Amz-" in query and "X-Amz-Algorithm=" in query:
        return _read_query(request)
    return _read_version_2(request) if sigv2.is_signed(query) else None


def _read_version_2(request: Request) -> Signature:
    key, signature, ends, token = sigv2.claims(request)
    if not (ends.isascii() and ends.isdigit() and len(ends) < 12):
        raise AuthFailure("malformed", what="Invalid date (should be seconds since epoch)", query="yes")
    unscoped = Claims(key, "", "", "s3", (), "", "")
    return Signature(unscoped, signature, "", token, UNSIGNED, expires=0, ends=int(ends))


def _read_header(header: str, request: Request) -> Signature:
    before, _, signature = header.partition(" Signature=")
    if "," in signature or not signature or not before.endswith(","):
        # Not in the order of AWS's SDKs.
        claimed, signature = _claims(header, request.headers)
    else:
        claimed = _common_claims(before)
    headers = request.headers
    when = headers.get("x-amz-date")
    if when is None and "date" in headers:
        when = _http_date(headers["date"])
    if when is None or not _is_time(when):
        date_is = "malformed" if when is not None else "absent"
        raise AuthFailure("incomplete", absent="", date=date_is, header=header[:512])
    token, payload = headers.get("x-amz-security-token"), headers.get("x-amz-content-sha256")
    return Signature(claimed, signature, when, token, payload)


@lru_cache(maxsize=256)
def _is_time(when: str) -> bool:
    return _WHEN.fullmatch(when) is not None


@lru_cache(maxsize=1024)
def _common_claims(before: str) -> Claims:
    # What a client says before its signature is the same in every request of a day.
    return _claims(before + " Signature=-", {})[0]


def _claims(header: str, headers: dict[str, str]) -> tuple[Claims, str]:
    algorithm, _, rest = header.partition(" ")
    if algorithm == "AWS":
        raise AuthFailure("unsupported", what="Signature Version 2")
    if algorithm == "AWS4-ECDSA-P256-SHA256":
        raise AuthFailure("unsupported", what="Signature Version 4A")
    if algorithm != ALGORITHM:
        raise AuthFailure("malformed", what="Unsupported AWS 'algorithm'", algorithm=algorithm[:64])
    parts: dict[str, str] = {}
    for piece in rest.split(","):
        name, _, value = piece.strip().partition("=")
        parts[name] = value
    absent = [name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)]
    if absent:
        dated = "x-amz-date" in headers or "date" in headers
        raise AuthFailure("incomplete", absent=",".join(absent), date="" if dated else "absent", header=header[:512])
    return claims(*_credential(parts["Credential"]), tuple(parts["SignedHeaders"].split(";"))), parts["Signature"]


def _read_query(request: Request) -> Signature:
    values = dict(request.query_pairs())
    if values.get("X-Amz-Algorithm") != ALGORITHM:
        raise AuthFailure("malformed", what='X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"', query="yes")
    names = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date")
    absent = [name for name in names if not values.get(name)]
    expires = values.get("X-Amz-Expires", "")
    if absent or not _WHEN.fullmatch(values["X-Amz-Date"]):
        raise AuthFailure("incomplete", absent=",".join(absent), date="", query="yes")
    key, date, region, service = _credential(values["X-Amz-Credential"])
    seconds = _lifetime(expires, service)
    return Signature(
        claims(key, date, region, service, tuple(values["X-Amz-SignedHeaders"].split(";"))),
        signature=values["X-Amz-Signature"],
        when=values["X-Amz-Date"],
        token=values.get("X-Amz-Security-Token"),
        payload=values.get("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256"),
        expires=seconds,
    )


def _lifetime(expires: str, service: str) -> int:
    if not expires:
        if service == "s3":
            raise AuthFailure("incomplete", absent="X-Amz-Expires", date="", query="yes")
        return int(SKEW)
    if not expires.isascii() or not expires.lstrip("-").isdigit() or len(expires) > 12:
        raise AuthFailure("malformed", what="X-Amz-Expires should be a number", query="yes")
    seconds = int(expires)
    if seconds < 0:
        raise AuthFailure("malformed", what="X-Amz-Expires must be non-negative", query="yes")
    if seconds > MAX_PRESIGNED:
        raise AuthFailure(
            "malformed", what="X-Amz-Expires must be less than a week (in seconds) that is 604800", query="yes"
        )
    return seconds


def _credential(text: str) -> tuple[str, str, str, str]:
    # A key id may hold slashes in no known case; the scope's four parts are counted from the right.
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not parts[0] or parts[4] != "aws4_request":
        raise AuthFailure("malformed", what="the Credential is mal-formed", credential=text[:256])
    if not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) == 8):
        raise AuthFailure("malformed", what="the date of the Credential is mal-formed", credential=text[:256])
    return parts[0], parts[1], parts[2], parts[3]


def _http_date(text: str) -> str | None:
    if _WHEN.fullmatch(text):
        return text
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _seconds(when: str) -> float:
    try:
        return float(timegm(datetime.strptime(when, "%Y%m%dT%H%M%SZ").timetuple()))
    except ValueError:
        raise AuthFailure("incomplete", absent="", date="malformed") from None


# --- verifying


def verify(request: Request, signature: Signature, secret: str, *, wall: float, body_hash: str | None = None) -> None:
    """Raise AuthFailure unless `secret` signed this request.

    `body_hash` is the SHA-256 of the body in hexadecimal where it is complete; it is used where the request names no
    hash, and compared with the one it names. A streamed body is checked by whoever reads it (`chunked`, or the hash
    named by `signature.payload`).
    """
    if signature.ends is not None:
        _verify_version_2(request, signature, secret, wall, signature.ends)
        return
    _check_time(signature, wall)
    _check_headers(request, signature)
    named = signature.payload
    if named is not None and signature.claims.service == "s3" and named not in _NAMED and not _HEX64.fullmatch(named):
        raise AuthFailure("payload", named=named[:128])
    payload = payload_of(request, signature, body_hash)
    text = string_to_sign(request, signature, payload)
    expected = keyed(secret, signature.claims.scope).hexdigest(text.encode())
    if not hmac.compare_digest(expected.encode(), signature.signature.encode("utf-8", "replace")):
        raise AuthFailure(
            "mismatch",
            canonical=canonical_request(request, signature, payload),
            string_to_sign=text,
            signature=signature.signature[:128],
            access_key=signature.access_key[:128],
        )
    if body_hash is not None and named is not None and named != body_hash and _HEX64.fullmatch(named):
        raise AuthFailure("bad-payload", client=named, server=body_hash)


def _verify_version_2(request: Request, signature: Signature, secret: str, wall: float, ends: int) -> None:
    if wall > ends:
        raise AuthFailure("expired", expires=_iso(ends), server=_iso(wall), seconds="0")
    if not sigv2.matches(request, signature.signature, str(ends), secret):
        raise AuthFailure(
            "mismatch",
            canonical="",
            string_to_sign=sigv2.string_to_sign(request, str(ends)),
            signature=signature.signature[:128],
            access_key=signature.access_key[:128],
        )


def _check_headers(request: Request, signature: Signature) -> None:
    # The host must be signed everywhere, or a signature for one endpoint would do for another; S3 asks for x-amz-* too.
    signed, service = signature.claims.signed_headers, signature.claims.service
    if "host" not in signed and ":authority" not in signed:
        raise AuthFailure("headers" if service == "s3" else "mismatch", unsigned="host")
    if service == "s3":
        unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
        if unsigned:
            raise AuthFailure("headers", unsigned=", ".join(unsigned)[:512])


def _check_time(signature: Signature, wall: float) -> None:
    signed = signature.seconds
    if signature.when[:8] != signature.claims.date:
        raise AuthFailure("scope-date", date=signature.claims.date, when=signature.when)
    allowed = S3_SKEW if signature.claims.service == "s3" else SKEW
    if signature.expires is not None:
        if wall > signed + signature.expires:
            raise AuthFailure(
                "expired", expires=_iso(signed + signature.expires), server=_iso(wall), seconds=str(signature.expires)
            )
        if signed > wall + allowed:
            raise AuthFailure("future", server=_iso(wall), when=signature.when)
        return
    if abs(wall - signed) > allowed:
        raise AuthFailure(
            "skewed",
            when=signature.when,
            server=_iso(wall),
            allowed=str(int(allowed)),
            late="yes" if wall > signed else "",
        )


def _iso(seconds: float) -> str:
    from freehold.kit.clock import iso8601

    return iso8601(seconds, millis=False)


def payload_of(request: Request, signature: Signature, body_hash: str | None) -> str:
    """What stands for the body in the canonical request."""
    named = signature.payload
    if signature.presigned and signature.service == "s3":
        return named or UNSIGNED
    if named is not None:
        return named
    if body_hash is not None:
        return body_hash
    return hashlib.sha256(request.body).hexdigest()


def string_to_sign(request: Request, signature: Signature, payload: str) -> str:
    """What the signature signs."""
    digest = hashlib.sha256(
        canonical_request(request, signature, payload).encode("utf-8", "surrogateescape")
    ).hexdigest()
    return f"{ALGORITHM}\n{signature.when}\n{signature.claims.scope}\n{digest}"


def canonical_request(request: Request, signature: Signature, payload: str) -> str:
    """The request as both sides must spell it."""
    headers, claimed = request.headers, signature.claims
    lines = []
    for name in claimed.signed_headers:
        value = headers.get(name, "")
        if value and (value[0] in " \t" or value[-1] in " \t" or "  " in value):
            value = _SPACES.sub(" ", value.strip())
        lines.append(f"{name}:{value}\n")
    path = request.raw_path or request.path
    if path != "/":
        path = canonical_path(path, normalize=claimed.service != "s3")
    query = canonical_query(request.query, presigned=signature.presigned) if request.query else ""
    return f"{request.method}\n{path}\n{query}\n{''.join(lines)}\n{claimed.names}\n{payload}"
