"""The MD5 digests by which clients verify what was received: of bodies and of attributes."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from freehold.kit.digests import md5_hex
from freehold.services.sqs.model import AttributeValue

_LENGTH = struct.Struct(">I")


def of_body(body: bytes) -> str:
    return md5_hex(body)


def of_attributes(attributes: Mapping[str, AttributeValue]) -> str:
    """By the developer guide, "Calculating the MD5 message digest for message attributes": name, type, kind of transport
    and value in order of names, each after its length."""
    out = bytearray()
    for name in sorted(attributes):
        kind, value = attributes[name]
        for text in (name, kind):
            raw = text.encode()
            out += _LENGTH.pack(len(raw)) + raw
        out.append(2 if isinstance(value, bytes) else 1)
        raw = value if isinstance(value, bytes) else value.encode()
        out += _LENGTH.pack(len(raw)) + raw
    return md5_hex(out)
