"""Order-preserving tuples: keys of the store.

`pack` turns strings, bytes, ints and None into bytes which sort as the tuples sort, element by element, so that a packed
prefix is a prefix of the packed whole. The encoding follows the tuple layer of FoundationDB (type code, escaped NUL).
"""

from __future__ import annotations

Part = str | bytes | int | None

_NONE, _BYTES, _STR, _INT_ZERO = 0x00, 0x01, 0x02, 0x14


def pack(*parts: Part) -> bytes:
    """The key of a tuple. Ints may take up to 8 bytes of magnitude."""
    out = bytearray()
    for part in parts:
        if type(part) is str:
            out.append(_STR)
            raw = part.encode("utf-8", "surrogatepass")
            out += raw.replace(b"\x00", b"\x00\xff") if b"\x00" in raw else raw
            out.append(0)
        elif type(part) is int:
            _pack_int(out, part)
        elif type(part) is bytes:
            out.append(_BYTES)
            out += part.replace(b"\x00", b"\x00\xff")
            out.append(0)
        elif part is None:
            out.append(_NONE)
        else:
            raise TypeError(f"cannot pack {type(part).__name__}")
    return bytes(out)


def _pack_int(out: bytearray, value: int) -> None:
    size = (value.bit_length() + 7) >> 3
    if size > 8:
        raise OverflowError("an integer in a key takes at most 8 bytes")
    if value >= 0:
        out.append(_INT_ZERO + size)
        out += value.to_bytes(size, "big")
    else:
        out.append(_INT_ZERO - size)
        out += (value + (1 << (8 * size)) - 1).to_bytes(size, "big")


def unpack(key: bytes) -> tuple[Part, ...]:
    """The tuple of a key made by `pack`."""
    parts: list[Part] = []
    at, end = 0, len(key)
    while at < end:
        code = key[at]
        at += 1
        if code in (_STR, _BYTES):
            raw, at = _terminated(key, at)
            parts.append(raw.decode("utf-8", "surrogatepass") if code == _STR else raw)
        elif code == _NONE:
            parts.append(None)
        elif code >= _INT_ZERO:
            size = code - _INT_ZERO
            parts.append(int.from_bytes(key[at : at + size], "big"))
            at += size
        else:
            size = _INT_ZERO - code
            parts.append(int.from_bytes(key[at : at + size], "big") - (1 << (8 * size)) + 1)
            at += size
    return tuple(parts)


def _terminated(key: bytes, at: int) -> tuple[bytes, int]:
    start = at
    while True:
        at = key.index(0, at)
        if at + 1 < len(key) and key[at + 1] == 0xFF:
            at += 2
            continue
        return key[start:at].replace(b"\x00\xff", b"\x00"), at + 1


def after(prefix: bytes) -> bytes:
    """The first key that sorts after every key with this prefix: `scan(prefix, after(prefix))` reads them all."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        raise ValueError("every key has this prefix")
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def span(*parts: Part) -> tuple[bytes, bytes]:
    """Start and end of all keys below a tuple.

    What follows begins with a type code. 0xff stands there only where a last text or bytes goes on with a NUL: such a key
    is below another tuple.
    """
    prefix = pack(*parts)
    return prefix, prefix + b"\xff"
