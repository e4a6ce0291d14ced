"""Signatures and signed bodies: a Fault, an AuthFailure, or what was signed."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.http import Request
from freehold.wire import chunked, sigv4
from freehold.wire.auth import auth_fault
from freehold.wire.signingkeys import signing_key
from freehold.wire.sigv4 import AuthFailure, Signature
from fuzz.draws import Draws
from fuzz.targets import Target, loops, require

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
WHEN, DATE = "20260101T000000Z", "20260101"
WALL = 1_767_225_600.0
ENDS = ("1767226000", "x", "\u0661")
WORDS = (
    "AWS4-HMAC-SHA256 ",
    "Credential=",
    "SignedHeaders=",
    "Signature=",
    "/aws4_request",
    "X-Amz-Algorithm=",
    "X-Amz-Date=",
    "X-Amz-Expires=",
    "AWSAccessKeyId=",
    "Expires=",
    "AWS AKID:sig",
    ";chunk-signature=",
    "x-amz-trailer-signature:",
)
SIGNED = (sigv4.STREAMING_SIGNED, sigv4.STREAMING_SIGNED_TRAILER, sigv4.STREAMING_UNSIGNED_TRAILER, sigv4.UNSIGNED)


def _signature(payload: str) -> Signature:
    claims = sigv4.claims("AKID", DATE, "us-east-1", "s3", ("host",))
    return Signature(claims, "a" * 64, WHEN, payload=payload)


def _encode(data: bytes, cut: int, payload: str, trailers: dict[str, str]) -> bytes:
    """An aws-chunked body as SDKs write it."""
    key = signing_key(SECRET, DATE, "us-east-1", "s3")
    previous, out = "a" * 64, bytearray()
    empty = hashlib.sha256(b"").hexdigest()
    prefix = f"{WHEN}\n{DATE}/us-east-1/s3/aws4_request"
    chunks = [data[at : at + cut] for at in range(0, len(data), cut)] + [b""]
    for chunk in chunks:
        line = b"%x" % len(chunk)
        if payload in SIGNED[:2]:
            text = f"AWS4-HMAC-SHA256-PAYLOAD\n{prefix}\n{previous}\n{empty}\n{hashlib.sha256(chunk).hexdigest()}"
            previous = hmac.new(key, text.encode(), "sha256").hexdigest()
            line += b";chunk-signature=" + previous.encode()
        out += line + b"\r\n" + chunk + (b"\r\n" if chunk else b"")
    if payload in SIGNED[1:3]:
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        out += text.replace("\n", "\r\n").encode()
        if payload == SIGNED[1]:
            said = f"AWS4-HMAC-SHA256-TRAILER\n{prefix}\n{previous}\n{hashlib.sha256(text.encode()).hexdigest()}"
            out += b"x-amz-trailer-signature:" + hmac.new(key, said.encode(), "sha256").hexdigest().encode() + b"\r\n"
    return bytes(out + b"\r\n")


async def _decoded(sent: bytes, sizes: list[int], payload: str, length: int | None, secret: str | None) -> Any:
    body = chunked.decode_chunked(loops.pieces(sent, sizes), _signature(payload), secret, length=length)
    found = b"".join([piece async for piece in body])
    return found, dict(body.trailers)


def run_chunked(draws: Draws) -> Any:
    """aws-chunked bodies, true ones and damaged ones, in whatever pieces."""
    data, payload = draws.raw(200), draws.pick(SIGNED)
    trailers = {"x-amz-checksum-crc32": "AAAAAA=="} if draws.chance(50) else {}
    trailers = trailers if payload in SIGNED[1:3] else {}
    sent = _encode(data, draws.integer(1, 90), payload, trailers)
    damaged = draws.chance(50)
    if damaged:
        at = draws.integer(0, len(sent))
        sent = sent[:at] + draws.raw(6) + sent[at + draws.integer(0, 70) :]
    length = draws.pick((None, len(data), len(data), len(data) + draws.integer(-1, 1)))
    sizes = draws.many(5, lambda: draws.integer(1, 50)) or [1]
    try:
        found, got = loops.run(_decoded(sent, sizes, payload, length, SECRET if payload in SIGNED[:2] else None))
    except Fault as fault:
        require(fault.status in (400, 403), fault, fault.status)
        require(damaged or length not in (None, len(data)), "a true body was refused", fault, sent, payload)
        return str(fault)
    again = loops.run(_decoded(sent, [1 << 16], payload, length, SECRET if payload in SIGNED[:2] else None))
    require(again == (found, got), "pieces change what is read", found, again)
    require(length in (None, len(found)), length, found)
    if payload in SIGNED[:2]:
        require(found == data, "data that nobody signed", found, data)
    elif not damaged:
        require((found, got) == (data, trailers), found, data, got)
    return found, got


def run_signatures(draws: Draws) -> Any:
    """Authorization headers and presigned queries: read, verified, refused; a true one stands, a changed one falls."""
    headers = {
        "host": "h",
        "x-amz-date": WHEN,
        draws.pick(("x-amz-content-sha256", "x-a", "date")): draws.pick(("a", *SIGNED, "e" * 64, draws.text())),
    }
    path, query = (
        draws.pick(("/", "/a//b/../c", "/%20+é", "/a b", draws.text(12))),
        draws.pick(("", "a=b&A=c", "a=%zz&+", draws.text(12))),
    )
    service = draws.pick(("s3", "sqs"))
    request = Request(draws.pick(("GET", "POST")), path, query, headers, draws.raw(20))
    credential = f"AKID/{DATE}/us-east-1/{service}/aws4_request"
    names = sorted(headers)
    kind = draws.integer(0, 3)
    if kind == 0:
        headers["authorization"] = draws.spliced(
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature={'0' * 64}"
        )
    elif kind == 1:
        expires = draws.pick(("900", "0", "-1", "604801", "x", "9" * 13))
        claims = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={WHEN}"
        claims += f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        request.query = "&".join(filter(None, (query, draws.spliced(f"{claims}&X-Amz-Signature={'0' * 64}"))))
    elif kind == 2:
        request.query = draws.spliced(f"AWSAccessKeyId=AKID&Signature=abc%3D&Expires={draws.pick(ENDS)}")
    else:
        headers["authorization"] = draws.rest_text()
    try:
        found = sigv4.read_signature(request)
        if found is None:
            return None
        sigv4.verify(
            request,
            found,
            SECRET,
            wall=WALL,
            body_hash=hashlib.sha256(request.body).hexdigest() if draws.chance(50) else None,
        )
    except AuthFailure as failure:
        fault = auth_fault(failure.kind, "rest-xml" if service == "s3" else "json", service, **failure.details)
        require(fault.status in (400, 403, 501), fault.status)
        if failure.kind == "mismatch" and found is not None and found.ends is None:
            _check_true(request, found)
        return failure.kind
    require(False, "a signature of zeros was taken", request)
    return None


def _check_true(request: Request, found: Signature) -> None:
    """The signature that this would be stands, and falls when anything it signs changes."""
    text = sigv4.string_to_sign(request, found, sigv4.payload_of(request, found, None))
    key = signing_key(SECRET, found.claims.date, found.region, found.service)
    found.signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    try:
        sigv4.verify(request, found, SECRET, wall=WALL)
    except AuthFailure as failure:
        require(failure.kind in ("headers", "payload", "mismatch"), failure.kind, failure.details)
        require(
            failure.kind != "mismatch" or "host" not in found.claims.signed_headers,
            "a true signature was refused",
            request,
            found,
        )
        return
    request.method = "DELETE"
    try:
        sigv4.verify(request, found, SECRET, wall=WALL)
    except AuthFailure:
        return
    require(False, "a signature stands for another method", request, found)


TARGETS = (Target("chunked", run_chunked, dictionary=WORDS), Target("signatures", run_signatures, dictionary=WORDS))
