"""Scalars as text: what travels in headers, query strings, labels, forms and XML."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import orjson

from freehold.wire.protocols import timestamps
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape

Reader = Callable[[str], Any]
Writer = Callable[[Any], str]

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:\d{1,400}\.?\d{0,400}|\.\d{1,400})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def integer_reader(name: str, limit: int) -> Reader:
    """Reads whole numbers from `-limit` to `limit - 1`: Smithy's integer has 32 bits, its long 64."""

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not -limit <= (value := int(text)) < limit:
            raise Malformed(f"Value '{text[:64]}' cannot be converted to {name}")
        return value

    return read


INTEGER, LONG = 1 << 31, 1 << 63
read_integer, read_long = integer_reader("an Integer", INTEGER), integer_reader("a Long", LONG)


def read_float(text: str) -> float:
    """A number, `NaN`, `Infinity` or `-Infinity`."""
    special = _SPECIAL.get(text)
    if special is not None:
        return special
    if not _FLOAT.fullmatch(text):
        raise Malformed(f"Value '{text[:64]}' cannot be converted to a Double")
    return float(text)


def read_boolean(text: str) -> bool:
    """`true` or `false`, in any case, as AWS's Java reads them."""
    lower = text.lower()
    if lower == "true":
        return True
    if lower == "false":
        return False
    raise Malformed(f"Value '{text[:64]}' cannot be converted to a Boolean")


def read_blob(text: str) -> bytes:
    """Base64, strictly."""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed("Invalid base64 data") from None


def read_lenient_blob(text: str) -> bytes:
    """Base64 as XML writes it: white space allowed."""
    return read_blob("".join(text.split()))


def read_jsonvalue(text: str) -> Any:
    """JSON in base64, as headers carry it."""
    try:
        return orjson.loads(read_blob(text))
    except orjson.JSONDecodeError:
        raise Malformed("Invalid JSON value") from None


def write_float(value: float) -> str:
    """A number as Java would read it back."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def write_boolean(value: bool) -> str:
    """`true` or `false`."""
    return "true" if value else "false"


def write_blob(value: bytes | str) -> str:
    """Base64 of bytes (of text: its UTF-8)."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")


def write_jsonvalue(value: Any) -> str:
    """JSON in base64, as headers carry it."""
    return base64.b64encode(value.encode() if isinstance(value, str) else orjson.dumps(value)).decode("ascii")


_READERS: dict[str, Reader] = {
    "integer": read_integer,
    "long": read_long,
    "float": read_float,
    "double": read_float,
    "boolean": read_boolean,
    "blob": read_lenient_blob,
    "timestamp": timestamps.from_text,
    "string": str,
    "character": str,
}
_WRITERS: dict[str, Writer] = {
    "integer": lambda value: str(int(value)),
    "long": lambda value: str(int(value)),
    "float": write_float,
    "double": write_float,
    "boolean": write_boolean,
    "blob": write_blob,
    "string": str,
    "character": str,
}
_TIMES: dict[str, Writer] = {
    timestamps.ISO: timestamps.to_iso,
    timestamps.ISO_MILLIS: timestamps.to_iso_millis,
    timestamps.EPOCH: timestamps.to_epoch,
    timestamps.HTTP: timestamps.to_http,
}


def reader_of(shape: Shape) -> Reader:
    """How to read a scalar of this shape from text."""
    if shape.traits.get("jsonvalue"):
        return read_jsonvalue
    return _READERS[shape.type]


def writer_of(shape: Shape, default_time: str) -> Writer:
    """How to write a scalar of this shape as text; timestamps in the shape's format, else `default_time`."""
    if shape.traits.get("jsonvalue"):
        return write_jsonvalue
    if shape.type == "timestamp":
        return time_writer(shape, default_time)
    return _WRITERS[shape.type]


def time_writer(shape: Shape, default: str) -> Writer:
    """How to write a timestamp of this shape."""
    return _TIMES[shape.traits.get("timestampFormat", default)]
