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
    start = first_key(request.get("Marker"), start, end)
    size = min(request.get("MaxItems") or PAGE, PAGE)
    found = tx.scan(start, end, limit=size + 1)
    if len(found) <= size:
        return found, None
    return found[:size], marker(found[size][0])


def marker(key: bytes) -> str:
    """The marker of the page that begins with this row."""
    return base64.urlsafe_b64encode(key).decode()


def first_key(given: str | None, start: bytes, end: bytes) -> bytes:
    """Where the page of a marker begins (the first of all without one); a marker from elsewhere is refused."""
    if not given:
        return start
    try:
        key = base64.urlsafe_b64decode(given.encode())
    except (binascii.Error, UnicodeEncodeError, ValueError):
        key = b""
    if not start <= key < end:
        raise Fault("InvalidParameterValueException", f"Invalid marker: {given}", Type="User")
    return key
