"""CBOR (RFC 8949) as AWS's protocol uses it, for hostile input: bounded depth, no tags but times and bignums."""

from __future__ import annotations

import struct
from typing import Any

from freehold.wire.protocols.malformed import Malformed

_MAX_DEPTH = 64


class Timestamp(float):
    """Tag 1: seconds since the epoch."""

    __slots__ = ()


class _Break:
    pass


_BREAK = _Break()


def loads(data: bytes) -> Any:
    """The one value that `data` holds. Raises Malformed."""
    decoder = _Decoder(data)
    try:
        value = decoder.value(0)
    except (IndexError, struct.error):
        raise Malformed("Unexpected end of the CBOR document") from None
    if value is _BREAK or decoder.at != len(data):
        raise Malformed("Unexpected data in the CBOR document")
    return value


class _Decoder:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise Malformed("The CBOR document is nested too deeply")
        initial = self.data[self.at]
        self.at += 1
        major, info = initial >> 5, initial & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._indefinite(major, depth)
        size = self._size(info)
        if major == 0:
            return size
        if major == 1:
            return -1 - size
        if major == 2:
            return self._take(size)
        if major == 3:
            return _utf8(self._take(size))
        if major == 6:
            return self._tagged(size, depth)
        # An element takes a byte at least: a count beyond what is left is a lie, and allocates nothing.
        if size > len(self.data) - self.at:
            raise Malformed("Unexpected end of the CBOR document")
        if major == 4:
            return [self._item(depth) for _ in range(size)]
        return dict([self._entry(depth) for _ in range(size)])

    def _size(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise Malformed("Invalid CBOR length")
        width = 1 << (info - 24)
        return int.from_bytes(self._take(width), "big")

    def _take(self, count: int) -> bytes:
        start = self.at
        self.at = end = start + count
        if end > len(self.data):
            raise Malformed("Unexpected end of the CBOR document")
        return self.data[start:end]

    def _item(self, depth: int) -> Any:
        item = self.value(depth + 1)
        if item is _BREAK:
            raise Malformed("Unexpected break in the CBOR document")
        return item

    def _entry(self, depth: int) -> tuple[str, Any]:
        key = self._item(depth)
        if type(key) is not str:
            raise Malformed("A key of a CBOR map is no text")
        return key, self._item(depth)

    def _indefinite(self, major: int, depth: int) -> Any:
        if major == 5:
            entries: dict[str, Any] = {}
            while (key := self.value(depth + 1)) is not _BREAK:
                if type(key) is not str:
                    raise Malformed("A key of a CBOR map is no text")
                entries[key] = self._item(depth)
            return entries
        if major not in (2, 3, 4):
            raise Malformed("Invalid CBOR length")
        items = []
        while (item := self.value(depth + 1)) is not _BREAK:
            items.append(item)
        if major == 4:
            return items
        wanted = bytes if major == 2 else str
        if not all(type(item) is wanted for item in items):
            raise Malformed("A chunk of a CBOR string has another type")
        return wanted().join(items)

    def _tagged(self, tag: int, depth: int) -> Any:
        value = self._item(depth)
        if tag == 1 and type(value) in (int, float):
            try:
                return Timestamp(value)
            except OverflowError:
                raise Malformed("Timestamp is out of range") from None
        if tag in (2, 3) and type(value) is bytes and len(value) <= 64:
            number = int.from_bytes(value, "big")
            return number if tag == 2 else -1 - number
        raise Malformed(f"CBOR tag {tag} is not allowed here")

    def _simple(self, info: int) -> Any:
        if info == 20:
            return False
        if info == 21:
            return True
        if info in (22, 23):
            return None
        if info == 25:
            return struct.unpack(">e", self._take(2))[0]
        if info == 26:
            return struct.unpack(">f", self._take(4))[0]
        if info == 27:
            return struct.unpack(">d", self._take(8))[0]
        if info == 31:
            return _BREAK
        raise Malformed("Invalid CBOR simple value")


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("CBOR text is not UTF-8") from None


def dumps(value: Any) -> bytes:
    """CBOR of None, booleans, numbers, text, bytes, `Timestamp`, lists and maps."""
    out = bytearray()
    _encode(out, value)
    return bytes(out)


def _head(out: bytearray, major: int, size: int) -> None:
    if size < 24:
        out.append(major << 5 | size)
    elif size < 1 << 8:
        out += bytes((major << 5 | 24, size))
    elif size < 1 << 16:
        out += struct.pack(">BH", major << 5 | 25, size)
    elif size < 1 << 32:
        out += struct.pack(">BI", major << 5 | 26, size)
    else:
        out += struct.pack(">BQ", major << 5 | 27, size)


def _encode(out: bytearray, value: Any) -> None:
    if isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        _head(out, 3, len(raw))
        out += raw
    elif value is None or isinstance(value, bool):
        out.append({None: 0xF6, True: 0xF5, False: 0xF4}[value])
    elif isinstance(value, int):
        _encode_int(out, value)
    elif isinstance(value, Timestamp):
        out.append(0xC1)
        seconds = float(value)
        _encode(out, int(seconds) if seconds.is_integer() else seconds)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xFB, value)
    elif isinstance(value, bytes | bytearray):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, dict):
        _head(out, 5, len(value))
        for key, item in value.items():
            _encode(out, str(key))
            _encode(out, item)
    elif isinstance(value, list | tuple):
        _head(out, 4, len(value))
        for item in value:
            _encode(out, item)
    else:
        raise TypeError(f"{type(value).__name__} is no CBOR")


def _encode_int(out: bytearray, value: int) -> None:
    if 0 <= value < 1 << 64:
        _head(out, 0, value)
    elif -(1 << 64) <= value < 0:
        _head(out, 1, -1 - value)
    else:
        raw = value if value > 0 else -1 - value
        out.append(0xC2 if value > 0 else 0xC3)
        _encode(out, raw.to_bytes((raw.bit_length() + 7) // 8, "big"))
