"""Receipt handles: opaque to users; they name a queue, a message in it and the receive that gave them out."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

from freehold.kit.faults import Fault

_FIELDS = struct.Struct(">QQI")
_SUM = struct.Struct(">I")
_MARK = "AQEB"


class Receipt(NamedTuple):
    queue_id: int
    seq: int
    receives: int


def encode(queue_id: int, seq: int, receives: int) -> str:
    raw = _FIELDS.pack(queue_id, seq, receives)
    return _MARK + base64.b64encode(raw + _SUM.pack(zlib.crc32(raw))).decode()


def decode(handle: str, queue_id: int) -> Receipt:
    """Raises ReceiptHandleIsInvalid for what was never a handle of this queue."""
    found = _decode(handle)
    if found is None or found.queue_id != queue_id:
        raise Fault("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
    return found


def _decode(handle: str) -> Receipt | None:
    if not handle.startswith(_MARK):
        return None
    try:
        raw = base64.b64decode(handle[len(_MARK) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    if (
        len(raw) != _FIELDS.size + _SUM.size
        or zlib.crc32(raw[: _FIELDS.size]) != _SUM.unpack_from(raw, _FIELDS.size)[0]
    ):
        return None
    return Receipt._make(_FIELDS.unpack_from(raw))
