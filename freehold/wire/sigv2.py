"""Signature Version 2 in the query string of S3: what boto3's generate_presigned_url makes unless told otherwise.

Source: "Signing and authenticating REST requests (AWS signature version 2)", S3 User Guide, Appendix. Headers that were
signed travel in the query string (`x-amz-*`, Content-Type, Content-MD5) and count as headers.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import unquote, unquote_plus

from freehold.kit.http import Request

_SUBRESOURCES = frozenset(
    (
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
        "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    )
)  # fmt: skip
"""Query parameters that are part of what is signed."""


def is_signed(query: str) -> bool:
    """Does a query string carry such a signature?"""
    names = {piece.partition("=")[0] for piece in query.split("&")} if "AWSAccessKeyId=" in query else set()
    return names >= {"AWSAccessKeyId", "Signature", "Expires"}


def claims(request: Request) -> tuple[str, str, str, str | None]:
    """Access key, signature, when it ends (seconds since the epoch, as text) and session token of a presigned request.

    Headers that the signer moved into the query string become headers again.
    """
    values = dict(request.query_pairs())
    for name, value in values.items():
        low = name.lower()
        if low.startswith("x-amz-") or low in ("content-type", "content-md5"):
            request.headers.setdefault(low, value)
    return values["AWSAccessKeyId"], values["Signature"], values["Expires"], values.get("x-amz-security-token")


def matches(request: Request, signature: str, expires: str, secret: str) -> bool:
    """Did `secret` sign this request?"""
    expected = base64.b64encode(hmac.digest(secret.encode(), string_to_sign(request, expires).encode(), "sha1"))
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def string_to_sign(request: Request, expires: str) -> str:
    """What the signature signs. `request.path` names the bucket, also where the host did."""
    headers = request.headers
    amz = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers) if name.startswith("x-amz-"))
    standard = (headers.get("content-md5", ""), headers.get("content-type", ""), expires)
    return "\n".join((request.method, *standard, amz + _resource(request)))


def _resource(request: Request) -> str:
    pairs = []
    for piece in request.query.split("&"):
        name, equals, value = piece.partition("=")
        if unquote(name) in _SUBRESOURCES:
            pairs.append((unquote(name), equals, unquote_plus(value)))
    if not pairs:
        return request.path
    return request.path + "?" + "&".join(name + equals + value for name, equals, value in sorted(pairs))
