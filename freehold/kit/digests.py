"""MD5 as AWS's protocols use it: to notice damage, never for security."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

try:
    # OpenSSL looks up its algorithm for every digest: 2.9 µs for 256 bytes where Python's own code takes 0.8.
    _md5: Any = importlib.import_module("_md5").md5
except ImportError:
    _md5 = hashlib.md5

_LARGE = 4_096
"""Bytes from which OpenSSL's code is faster all the same."""


def md5_hex(data: bytes | bytearray) -> str:
    """The digest in hexadecimal."""
    make = _md5 if len(data) < _LARGE else hashlib.md5
    return str(make(data, usedforsecurity=False).hexdigest())
