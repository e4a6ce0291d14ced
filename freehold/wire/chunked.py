"""aws-chunked bodies: pieces with their length, each signed or not, and trailers after the last.

    10000;chunk-signature=<64 hex>\\r\\n<data>\\r\\n ... 0;chunk-signature=<64 hex>\\r\\n
    x-amz-checksum-crc32:...\\r\\nx-amz-trailer-signature:...\\r\\n\\r\\n

Source: S3 API Reference, "Signature calculations ... multiple chunks" and "... including trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator

from freehold.kit.faults import Fault
from freehold.wire.auth import auth_fault
from freehold.wire.base import REST_XML
from freehold.wire.signingkeys import signing_key
from freehold.wire.sigv4 import (
    ALGORITHM,
    EMPTY_SHA256,
    STREAMING_SIGNED,
    STREAMING_SIGNED_TRAILER,
    Signature,
)

_MAX_LINE = 1024
_MAX_TRAILERS = 16 * 1024
_MAX_SIGNED_CHUNK = 16 * 1024 * 1024
"""A signed chunk is held until its signature is known to be good; SDKs send 64 KiB to 1 MiB."""
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,10}")
_PIECE = 256 * 1024


def decode_chunked(
    stream: AsyncIterator[bytes], signature: Signature | None, secret: str | None, *, length: int | None = None
) -> Body:
    """The data of an aws-chunked body.

    With a `secret`, the signatures of chunks and trailer are verified where the request's `x-amz-content-sha256` says
    that there are any; a bad one ends the iteration with Fault SignatureDoesNotMatch. Malformed framing raises Fault
    IncompleteBody or InvalidRequest. `length` is `x-amz-decoded-content-length`, checked at the end.
    """
    return Body(stream, signature, secret, length)


class Body(AsyncIterator[bytes]):
    """Iterates the decoded data; `trailers` (lower-case names) is complete when the iteration has ended."""

    def __init__(
        self, stream: AsyncIterator[bytes], signature: Signature | None, secret: str | None, length: int | None
    ) -> None:
        self.trailers: dict[str, str] = {}
        self._source = _Source(stream)
        self._length = length
        self._chain = _Chain(signature, secret) if signature is not None and secret is not None else None
        kind = signature.payload if signature is not None else None
        self._signed = kind in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER)
        self._trailer_signed = kind == STREAMING_SIGNED_TRAILER
        self._pieces = self._decode()

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        return await self._pieces.__anext__()

    async def _decode(self) -> AsyncIterator[bytes]:
        total = 0
        while True:
            size, signed = await self._header()
            total += size
            if self._length is not None and total > self._length:
                raise _incomplete()
            if self._chain is not None and self._signed:
                if size > _MAX_SIGNED_CHUNK:
                    raise Fault("InvalidChunkSizeError", "The specified chunk size is too large.", status=403)
                data = await self._source.exactly(size)
                self._chain.check(data, signed)
                if data:
                    yield data
            else:
                async for piece in self._source.pieces(size):
                    yield piece
            if size == 0:
                break
            await self._source.line_end()
        if self._length is not None and total != self._length:
            raise _incomplete()
        await self._end()

    async def _header(self) -> tuple[int, str]:
        line = await self._source.line()
        size, _, extension = line.partition(b";")
        size = size.strip()
        if not _SIZE.fullmatch(size):
            raise _invalid("The chunk size is not a hexadecimal number.")
        name, _, value = extension.strip().partition(b"=")
        return int(size, 16), value.decode("latin-1") if name == b"chunk-signature" else ""

    async def _end(self) -> None:
        # After the last chunk: trailers and an empty line; older clients send only the latter, or nothing at all.
        lines: list[bytes] = []
        held = 0
        while line := await self._source.line(may_end=True):
            held += len(line)
            if held > _MAX_TRAILERS:
                raise _invalid("The trailers are too long.")
            lines.append(line)
        signed = ""
        text = ""
        for line in lines:
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            if not colon:
                raise _invalid("A trailer has no value.")
            key = name.strip().lower()
            if key == "x-amz-trailer-signature":
                signed = value.strip()
            else:
                self.trailers[key] = value.strip()
                text += f"{key}:{value.strip()}\n"
        if self._chain is not None and self._trailer_signed:
            self._chain.check_trailer(text, signed)


def _incomplete() -> Fault:
    text = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return Fault("IncompleteBody", text, status=400)


def _invalid(text: str) -> Fault:
    return Fault("InvalidRequest", text, status=400)


class _Chain:
    """Each signature covers the one before it, beginning with the request's own."""

    def __init__(self, signature: Signature, secret: str) -> None:
        claims = signature.claims
        self._key = signing_key(secret, claims.date, claims.region, claims.service)
        self._prefix = f"{signature.when}\n{claims.scope}\n"
        self._previous = signature.signature

    def check(self, data: bytes, signed: str) -> None:
        """Raise SignatureDoesNotMatch unless `signed` is the signature of this chunk."""
        digest = hashlib.sha256(data).hexdigest()
        self._check(f"{ALGORITHM}-PAYLOAD\n{self._prefix}{self._previous}\n{EMPTY_SHA256}\n{digest}", signed)

    def check_trailer(self, text: str, signed: str) -> None:
        """Raise SignatureDoesNotMatch unless `signed` is the signature of the trailers."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._check(f"{ALGORITHM}-TRAILER\n{self._prefix}{self._previous}\n{digest}", signed)

    def _check(self, text: str, signed: str) -> None:
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signed.encode("utf-8", "replace")):
            raise auth_fault("mismatch", REST_XML, "s3", string_to_sign=text, signature=signed[:128])
        self._previous = expected


class _Source:
    """Lines and counted data out of a stream; holds at most what one piece of the stream and one line need."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._held = bytearray()
        self._ended = False

    async def _more(self) -> bool:
        if self._ended:
            return False
        async for piece in self._stream:
            if piece:
                self._held += piece
                return True
        self._ended = True
        return False

    async def line(self, *, may_end: bool = False) -> bytes:
        """Up to the next CRLF (or LF), without it; at the end of the stream IncompleteBody, or what is left."""
        while (at := self._held.find(b"\n")) < 0:
            if len(self._held) > _MAX_LINE + _MAX_TRAILERS:
                raise _invalid("A chunk header is too long.")
            if not await self._more():
                if not may_end:
                    raise _incomplete()
                left = bytes(self._held)
                self._held.clear()
                return left
        line = bytes(self._held[:at])
        del self._held[: at + 1]
        return line.removesuffix(b"\r")

    async def line_end(self) -> None:
        """The CRLF after a chunk's data."""
        if await self.line():
            raise _invalid("A chunk is longer than it says.")

    async def exactly(self, size: int) -> bytes:
        """That many bytes, held together."""
        while len(self._held) < size:
            if not await self._more():
                raise _incomplete()
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    async def pieces(self, size: int) -> AsyncIterator[bytes]:
        """That many bytes, in pieces as they come."""
        while size:
            if not self._held and not await self._more():
                raise _incomplete()
            if len(self._held) <= size and len(self._held) <= _PIECE:
                whole, self._held = self._held, bytearray()
                size -= len(whole)
                yield bytes(whole)
                continue
            take = min(size, len(self._held), _PIECE)
            piece = bytes(self._held[:take])
            del self._held[:take]
            size -= take
            yield piece
