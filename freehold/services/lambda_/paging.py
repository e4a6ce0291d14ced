"""Pages of lists: Marker, MaxItems, NextMarker."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.lambda_.limits import PAGE
from freehold.store.base import ReadTx


def page(
    tx: ReadTx, span: tuple[bytes, bytes], request: dict[str, Any]
) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """The next rows of a range and the marker of those after them. At most fifty, whatever MaxItems says."""
    start, end = span
    marker = request.get("Marker")
    if marker:
        start = _key(marker, start, end)
    size = min(request.get("MaxItems") or PAGE, PAGE)
    found = tx.scan(start, end, limit=size + 1)
    if len(found) <= size:
        return found, None
    return found[:size], base64.urlsafe_b64encode(found[size][0]).decode()


def _key(marker: str, start: bytes, end: bytes) -> bytes:
    """A marker is the key of the first row of the page; one from elsewhere is refused."""
    try:
        key = base64.urlsafe_b64decode(marker.encode())
    except (binascii.Error, UnicodeEncodeError, ValueError):
        key = b""
    if not start <= key < end:
        raise Fault("InvalidParameterValueException", f"Invalid marker: {marker}", Type="User")
    return key
