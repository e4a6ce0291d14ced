"""Intake: the bytes of a request on their way into a blob, counted, hashed and checked, with flat memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.ports.call import Call
from freehold.services.s3 import checksums
from freehold.work.blobs import INLINE, Blob

MAX_PUT = 5 << 30
"""Bytes in one PutObject or UploadPart."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes that were kept."""

    blob: Blob
    etag: str
    """Their MD5 in hexadecimal."""
    algorithm: str
    checksum: str
    crc64nvme: str = ""
    """Set where it was asked for beside another algorithm."""

    @property
    def size(self) -> int:
        return self.blob.size


class Hashes:
    """MD5 and the checksums of bytes that pass by."""

    __slots__ = ("_digests", "_md5", "size")

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests = {name: checksums.begin(name) for name in algorithms}
        self.size = 0

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._md5.update(data)
        for digest in self._digests.values():
            digest.update(data)

    async def over(self, stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
        """The same stream, hashed. Raises EntityTooLarge beyond `limit` bytes."""
        async for piece in stream:
            self.update(piece)
            if self.size > limit:
                raise too_large(self.size)
            yield piece

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def checksum(self, algorithm: str) -> str:
        return checksums.encoded(self._digests[algorithm].digest())


async def receive(call: Call, request: dict[str, Any], *, algorithm: str = "", keep_default: bool = False) -> Received:
    """Keep the body of a PutObject or UploadPart and check it against what the request says of it.

    The checksum is by the algorithm that the request claims, else `algorithm`, else S3's default; `keep_default` computes
    that too. Raises BadDigest, InvalidDigest, InvalidRequest, IncompleteBody, EntityTooLarge, MissingContentLength.
    """
    headers: Mapping[str, str] = call.http.headers if call.http is not None else {}
    length = _declared_length(request, headers)
    if length is not None and length > MAX_PUT:
        raise too_large(length)
    md5 = _content_md5(request)
    chosen, value, trailer = _claim(request, headers)
    chosen = chosen or algorithm or checksums.DEFAULT
    wanted = (chosen, checksums.DEFAULT) if keep_default and chosen != checksums.DEFAULT else (chosen,)
    body: AsyncIterator[bytes] | bytes = request.get("Body", b"")
    hashes = Hashes(wanted)
    if not isinstance(body, bytes) and length is not None and length <= INLINE:
        data = await _gather(body, length)
        hashes.update(data)
        blob = await call.platform.blobs.write(data)
    elif isinstance(body, bytes):
        hashes.update(body)
        blob = await call.platform.blobs.write(body)
    else:
        if length is None and call.http is not None:
            raise Fault("MissingContentLength", "You must provide the Content-Length HTTP header.", status=411)
        blob = await call.platform.blobs.write(hashes.over(body, MAX_PUT))
    try:
        if length is not None and hashes.size != length:
            raise incomplete()
        if trailer:
            value = _trailing(body, chosen)
        _check(request, hashes, md5, chosen, value)
    except Fault:
        await call.platform.blobs.discard(blob)
        raise
    default = hashes.checksum(checksums.DEFAULT) if keep_default else ""
    return Received(blob, hashes.md5.hex(), chosen, hashes.checksum(chosen), default)


def _check(request: dict[str, Any], hashes: Hashes, md5: bytes | None, algorithm: str, value: str | None) -> None:
    """Raise BadDigest where the bytes are not what the request says."""
    if md5 is not None and md5 != hashes.md5:
        raise Fault(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            status=400,
            ExpectedDigest=request["ContentMD5"],
            CalculatedDigest=checksums.encoded(hashes.md5),
        )
    if value is not None and value != hashes.checksum(algorithm):
        raise checksums.mismatch(algorithm)


async def _gather(body: AsyncIterator[bytes], length: int) -> bytes:
    """A short body. One that goes on beyond its announced length is refused before it is kept."""
    pieces, size = [], 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > length:
            raise incomplete()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def incomplete() -> Fault:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return Fault("IncompleteBody", message, status=400)


async def take(
    call: Call, blob_or_stream: AsyncIterator[bytes] | bytes, algorithm: str, *, keep_default: bool
) -> Received:
    """Keep bytes that come from another object: a copy."""
    chosen = algorithm or checksums.DEFAULT
    wanted = (chosen, checksums.DEFAULT) if keep_default and chosen != checksums.DEFAULT else (chosen,)
    hashes = Hashes(wanted)
    if isinstance(blob_or_stream, bytes):
        hashes.update(blob_or_stream)
        blob = await call.platform.blobs.write(blob_or_stream)
    else:
        blob = await call.platform.blobs.write(hashes.over(blob_or_stream, MAX_PUT))
    default = hashes.checksum(checksums.DEFAULT) if keep_default else ""
    return Received(blob, hashes.md5.hex(), chosen, hashes.checksum(chosen), default)


def check_document(call: Call, request: dict[str, Any], *, required: bool) -> None:
    """Check an XML body against Content-MD5 and `x-amz-checksum-*`. `required`: one of them must be there."""
    if call.http is None:
        return
    md5, claim = _content_md5(request), checksums.claimed(_from_headers(call.http.headers))
    if md5 is None and claim is None:
        if required:
            message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            raise Fault("InvalidRequest", message, status=400)
        return
    body = call.http.body
    if md5 is not None and md5 != hashlib.md5(body, usedforsecurity=False).digest():
        raise Fault("BadDigest", "The Content-MD5 you specified did not match what we received.", status=400)
    if claim is not None:
        digest = checksums.begin(claim[0])
        digest.update(body)
        if checksums.encoded(digest.digest()) != claim[1]:
            raise checksums.mismatch(claim[0])


def _from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for member in (*checksums.MEMBERS, *(f"Checksum{name}" for name in checksums.UNAVAILABLE)):
        value = headers.get(f"x-amz-checksum-{member.removeprefix('Checksum').lower()}")
        if value is not None:
            found[member] = value
    return found


def _declared_length(request: dict[str, Any], headers: Mapping[str, str]) -> int | None:
    text = headers.get("x-amz-decoded-content-length")
    if text is not None:
        length = whole(text)
        if length is None:
            raise Fault("InvalidArgument", "Invalid x-amz-decoded-content-length", status=400)
        return length
    if "transfer-encoding" in headers or headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return None
    length = request.get("ContentLength")
    return int(length) if length is not None else None


def _content_md5(request: dict[str, Any]) -> bytes | None:
    text = request.get("ContentMD5")
    if text is None:
        return None
    raw = checksums.decoded(text, 16)
    if raw is None:
        raise Fault("InvalidDigest", "The Content-MD5 you specified was invalid.", status=400)
    return raw


def _claim(request: dict[str, Any], headers: Mapping[str, str]) -> tuple[str, str | None, bool]:
    """Algorithm, value where the head has it, and whether it comes in the trailer."""
    claim = checksums.claimed(request)
    if claim is not None:
        return claim[0], claim[1], False
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    if trailer:
        if not trailer.startswith("x-amz-checksum-"):
            raise Fault(
                "InvalidRequest", "The value specified in the x-amz-trailer header is not supported", status=400
            )
        return checksums.check_algorithm(trailer.removeprefix("x-amz-checksum-")), None, True
    if "ChecksumAlgorithm" in request and headers:
        message = (
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found."
        )
        raise Fault("InvalidRequest", message, status=400)
    return "", None, False


def _trailing(body: object, algorithm: str) -> str:
    trailers: Mapping[str, str] = getattr(body, "trailers", {})
    value = trailers.get(f"x-amz-checksum-{algorithm.lower()}")
    if value is None:
        message = (
            "The request contained trailing data that was not well-formed or did not conform to our published schema."
        )
        raise Fault("MalformedTrailerError", message, status=400)
    if checksums.decoded(value, checksums.SIZES[algorithm]) is None:
        raise checksums.invalid_header(algorithm)
    return value


def too_large(size: int) -> Fault:
    return Fault(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        status=400,
        ProposedSize=str(size),
        MaxSizeAllowed=str(MAX_PUT),
    )
