"""Heads: names and values of a request as text, and the bytes that begin a response."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

_MAX_NAMES = 1_000
"""Names of headers kept ready: clients send and services answer the same few; whoever makes up more gets no more of them."""

RawHeaders = list[tuple[bytes, bytes]]
Headers = Sequence[tuple[str, str]]

_names: dict[bytes, str] = {}
_prefixes: dict[str, str] = {}
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding"})
"""How a connection goes on and a body travels is decided here."""
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}


def as_text(raw: RawHeaders) -> dict[str, str]:
    """Values by lower-case name; those of one name joined by a comma."""
    headers = {_names.get(name) or _name(name): value.decode("latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _joined(raw)


def _joined(raw: RawHeaders) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = _name(name), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


def _name(name: bytes) -> str:
    text = name.decode("latin-1").lower()
    if len(_names) < _MAX_NAMES:
        _names[name] = text
    return text


def _prefix(name: str) -> str:
    """What a header's line begins with; empty for one that is not sent as it is."""
    lower = name.lower()
    prefix = "" if lower in _HOP_BY_HOP else f"{lower}: "
    if len(_prefixes) < _MAX_NAMES:
        _prefixes[name] = prefix
    return prefix


def begin(
    status: int, headers: Headers, date: str, *, length: int | None, chunked: bool, keep: bool
) -> tuple[bytes, bool]:
    """Status line and headers, with how the body travels; and whether the connection may be kept.

    Raises ValueError for a header with a line break: values may be a user's, and never begin a line of their own.
    """
    head = f"{_STATUS_LINES.get(status) or f'HTTP/1.1 {status} '}\r\ndate: {date}\r\n"
    count = 3
    for name, value in headers:
        prefix = _prefixes.get(name)
        if prefix is None:
            prefix = _prefix(name)
        if prefix:
            head += f"{prefix}{value}\r\n"
            count += 1
        elif name.lower() == "connection" and "close" in value.lower():
            keep = False
    if length is not None:
        head += f"content-length: {length}\r\n"
        count += 1
    if chunked:
        head += "transfer-encoding: chunked\r\n"
        count += 1
    if not keep:
        head += "connection: close\r\n"
        count += 1
    head += "\r\n"
    if head.count("\n") != count or head.count("\r") != count or "\0" in head:
        raise ValueError("a header with a line break")
    return head.encode("latin-1"), keep


def length_of(headers: Headers) -> int | None:
    """The content length that a response says by itself."""
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value)
    return None
