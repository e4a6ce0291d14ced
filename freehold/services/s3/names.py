"""Names of buckets and keys of objects: what S3 accepts."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from freehold.kit.faults import Fault

MAX_KEY = 1024
"""Bytes of UTF-8 in a key."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """Raise InvalidBucketName where a new general purpose bucket may not have this name."""
    if (
        not _NAME.match(name)
        or ".." in name
        or _is_address(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise Fault("InvalidBucketName", "The specified bucket is not valid.", status=400, BucketName=name)


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def key_bytes(key: str) -> bytes:
    """The raw bytes of a key, by which keys order. Raises KeyTooLongError, InvalidURI."""
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        raise Fault("InvalidURI", "Couldn't parse the specified URI.", status=400, URI=repr(key)) from None
    if len(raw) > MAX_KEY:
        raise Fault(
            "KeyTooLongError", "Your key is too long", status=400, Size=str(len(raw)), MaxSizeAllowed=str(MAX_KEY)
        )
    return raw


def key_text(raw: bytes) -> str:
    return raw.decode()
