"""Checksums of objects and of multipart uploads.

S3 keeps one checksum per object: FULL_OBJECT over all bytes, or COMPOSITE over the checksums of the parts. What the client
does not choose is CRC64NVME (S3's default since December 2024).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from freehold.kit.faults import Fault, not_implemented

DEFAULT = "CRC64NVME"
FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"

SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32, "SHA512": 64, "MD5": 16}
"""Bytes of each algorithm's value."""
LINEAR = ("CRC32", "CRC32C", "CRC64NVME")
"""Algorithms whose values over parts combine into the value over the whole."""
MEMBERS = {f"Checksum{name}": name for name in SIZES}
_NOT_VALUES = ("ChecksumAlgorithm", "ChecksumType", "ChecksumMode")
UNAVAILABLE = ("XXHASH64", "XXHASH3", "XXHASH128")
_MODELS = {"CRC32C": "CRC32-ISCSI", "CRC64NVME": "CRC64-NVME", "CRC32": "CRC32-ISO-HDLC"}


class Digest(Protocol):
    """A running checksum."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    __slots__ = ("_calc", "_size", "value")

    def __init__(self, calc: Callable[[bytes, int], int], size: int) -> None:
        self._calc, self._size, self.value = calc, size, 0

    def update(self, data: bytes) -> None:
        self.value = self._calc(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self._size, "big")


@lru_cache(maxsize=8)
def _model(algorithm: str) -> Any:
    # Imported at first use: it costs 20 ms of start-up, and a server that serves no S3 never needs it.
    import anycrc  # type: ignore[import-untyped]

    return anycrc.Model(_MODELS[algorithm])


def begin(algorithm: str) -> Digest:
    """A running checksum of one of SIZES."""
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in LINEAR:
        return _Crc(_model(algorithm).calc, SIZES[algorithm])
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def decoded(value: str, size: int) -> bytes | None:
    """The bytes of a Base64 value of `size` bytes; None where it is not one."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == size else None


def check_algorithm(algorithm: str) -> str:
    """`algorithm` in the spelling of SIZES. Raises NotImplemented for those that Freehold does not compute."""
    name = algorithm.upper()
    if name in UNAVAILABLE:
        raise not_implemented(f"S3 checksums by {name}")
    if name not in SIZES:
        raise Fault(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            status=400,
        )
    return name


def claimed(request: dict[str, Any]) -> tuple[str, str] | None:
    """The algorithm and value that a request's `x-amz-checksum-*` member claims. Raises InvalidRequest."""
    members = [name for name in request if name[:8] == "Checksum" and name not in _NOT_VALUES]
    if not members:
        return None
    if len(members) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise Fault("InvalidRequest", message, status=400)
    algorithm = check_algorithm(members[0].removeprefix("Checksum"))
    value = request[members[0]]
    if decoded(value, SIZES[algorithm]) is None:
        raise invalid_header(algorithm)
    return algorithm, value


def invalid_header(algorithm: str) -> Fault:
    return Fault("InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.", status=400)


def mismatch(algorithm: str) -> Fault:
    """The refusal of bytes that do not have the checksum they claim."""
    return Fault("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", status=400)


def combine(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The FULL_OBJECT value of parts given as (value, size), without reading a byte of them."""
    model, size = _model(algorithm), SIZES[algorithm]
    value = 0
    for text, length in parts:
        value = model.combine(value, int.from_bytes(base64.b64decode(text), "big"), length)
    return encoded(value.to_bytes(size, "big"))


def compose(algorithm: str, values: Sequence[str]) -> str:
    """The COMPOSITE value: the checksum of the parts' checksums, with their number."""
    digest = begin(algorithm)
    for value in values:
        digest.update(base64.b64decode(value))
    return f"{encoded(digest.digest())}-{len(values)}"


def multipart_etag(etags: Sequence[str]) -> str:
    """The ETag of a multipart object: MD5 of its parts' MD5s, with their number."""
    joined = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def upload_type(algorithm: str, asked: str | None) -> str:
    """The checksum type of a multipart upload. Raises InvalidRequest where the algorithm cannot have it."""
    if not asked:
        return FULL_OBJECT if algorithm in ("", DEFAULT) else COMPOSITE
    if (asked == FULL_OBJECT and algorithm not in ("", *LINEAR)) or (asked == COMPOSITE and algorithm in ("", DEFAULT)):
        raise Fault(
            "InvalidRequest",
            f"The {asked} checksum type cannot be used with the {algorithm.lower() or 'null'} checksum algorithm.",
            status=400,
        )
    return asked
