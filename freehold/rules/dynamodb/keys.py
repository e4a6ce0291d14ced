"""Keys as bytes: order-preserving sort keys, fixed-size spread of partition keys.

- `sort_bytes` orders as DynamoDB orders sort keys: strings by UTF-8 bytes, binaries by unsigned bytes, numbers by value.
- `closed` makes sort bytes self-delimiting without losing their order, growing by an eighth at most, whatever they
  contain: an index row is closed sort bytes followed by what tells rows apart.
- `spread` is the place of a partition key: a digest, so that partitions lie scattered, as on AWS, and parallel scan
  segments are ranges of it; and so that a 2,048-byte partition key needs no more room than a short one.
"""

from __future__ import annotations

from hashlib import blake2b

from freehold.rules.dynamodb import numbers
from freehold.rules.dynamodb.values import Value

SPREAD = 20
_BEGUN = {kind: blake2b(digest_size=SPREAD, person=kind.encode()) for kind in ("S", "N", "B")}
"""A digest of each type, to be copied: that takes half as long as to begin one."""
_GROUP = 8


def sort_bytes(value: Value) -> bytes:
    """The ordering bytes of a scalar key value."""
    ((kind, content),) = value.items()
    if kind == "S":
        return bytes(content, "utf-8")
    if kind == "N":
        return numbers.encode(content)
    return bytes(content)


def spread(value: Value) -> bytes:
    """20 bytes that stand for a partition key."""
    ((kind, content),) = value.items()
    raw = content if kind == "B" else content.encode()
    spread = _BEGUN[kind].copy()
    spread.update(raw)
    return spread.digest()


def digest(raw: bytes) -> bytes:
    """20 bytes that stand for any bytes."""
    return blake2b(raw, digest_size=SPREAD).digest()


def closed(raw: bytes) -> bytes:
    """Self-delimiting bytes which order as `raw` does.

    Groups of eight bytes, each followed by 255 where more follows, else by the number of bytes used of it; the last
    group is padded with zeros.
    """
    if len(raw) <= _GROUP:
        return raw.ljust(_GROUP, b"\x00") + bytes((len(raw),))
    out = bytearray()
    last = (len(raw) - 1) // _GROUP * _GROUP
    for at in range(0, last, _GROUP):
        out += raw[at : at + _GROUP]
        out.append(255)
    rest = raw[last:]
    out += rest.ljust(_GROUP, b"\x00")
    out.append(len(rest))
    return bytes(out)


def closed_prefix(raw: bytes) -> bytes:
    """What the `closed` form of every string with the prefix `raw` begins with; of those not less than `raw`, no other."""
    pieces = [raw[at : at + _GROUP] for at in range(0, len(raw), _GROUP)]
    return b"\xff".join(pieces)


def segment(index: int, total: int) -> tuple[bytes, bytes | None]:
    """The range of `spread` that belongs to one of `total` parallel scan segments; None: no upper bound."""
    start = (index << 32) // total
    end = ((index + 1) << 32) // total
    return start.to_bytes(4, "big"), None if end >> 32 else end.to_bytes(4, "big")
