"""Rows of items: four bytes (flags, size as AWS counts it), then the item in the JSON of the wire.

An item that is answered whole is copied from its row into the response without being read. JSON can be seven times what
AWS counts (a list of many nulls); a row that would be too large for the store is compressed.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import orjson

from freehold.rules.dynamodb.paths import Projection
from freehold.rules.dynamodb.values import Item, Measure, size_of_item

HEAD = 4
_BINARY = 1
_COMPRESSED = 2
_LARGE = 900_000
"""Bytes of JSON from which on a row is compressed: below the store's MAX_VALUE, above what 400 KB of binaries take."""


def _base64(value: Any) -> str:
    if type(value) is bytes:
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is no attribute value")


def encode(item: Item, measure: Measure) -> bytes:
    """The row of an item that was measured."""
    return _row(item, _BINARY if measure.binary else 0, measure.size)


def encode_part(part: Item, whole: bytes) -> bytes:
    """The row of a part of an item; `whole` is the item's own row."""
    return _row(part, whole[0] & _BINARY, size_of_item(part))


def _row(item: Item, flags: int, size: int) -> bytes:
    json = orjson.dumps(item, default=_base64)
    if len(json) > _LARGE:
        json = zlib.compress(json, 1)
        flags |= _COMPRESSED
    return (flags << 24 | size).to_bytes(HEAD, "big") + json


def _json(row: bytes) -> bytes:
    return zlib.decompress(row[HEAD:]) if row[0] & _COMPRESSED else row[HEAD:]


def size(row: bytes) -> int:
    """Bytes of a row's item as AWS counts them."""
    return int.from_bytes(row[1:HEAD], "big")


def decode(row: bytes) -> Item:
    """The item of a row."""
    item: Item = orjson.loads(_json(row))
    if row[0] & _BINARY:
        for value in item.values():
            _decode_binary(value)
    return item


def _decode_binary(value: dict[str, Any]) -> None:
    ((kind, content),) = value.items()
    if kind == "B":
        value["B"] = base64.b64decode(content)
    elif kind == "BS":
        value["BS"] = [base64.b64decode(member) for member in content]
    elif kind == "M":
        for element in content.values():
            _decode_binary(element)
    elif kind == "L":
        for element in content:
            _decode_binary(element)


def fragment(row: bytes) -> orjson.Fragment:
    """The item of a row as JSON that goes into a response as it is."""
    return orjson.Fragment(_json(row))


def fragments(rows: list[bytes]) -> orjson.Fragment:
    """The items of rows as a JSON list."""
    return orjson.Fragment(b"[" + b",".join([_json(row) for row in rows]) + b"]")


def shown(row: bytes, *, on_the_wire: bool, projection: Projection | None = None) -> Any:
    """The item of a row as an answer holds it: raw JSON for callers on the wire, values for internal callers."""
    if projection is not None:
        return projection.apply(decode(row))
    return fragment(row) if on_the_wire else decode(row)
