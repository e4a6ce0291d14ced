"""CBOR values by shape: JSON's readers, but for blobs (bytes as they are), times (tag 1) and floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.wire.protocols import jsonvalues, timestamps
from freehold.wire.protocols.cborvalues import Timestamp
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]
Cache = dict[Any, Any]


def _read_blob(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    raise Malformed("Expected a byte string")


def _read_float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return value
    raise Malformed("Expected a number")


def _read_timestamp(value: Any) -> float:
    if isinstance(value, Timestamp) or type(value) in (int, float):
        return timestamps.from_number(float(value))
    raise Malformed("Expected a timestamp")


_SCALARS: dict[str, Reader] = {
    "blob": _read_blob,
    "float": _read_float,
    "double": _read_float,
    "timestamp": _read_timestamp,
}


def reader(shape: Shape, cache: Cache) -> Reader:
    """How to read a value of this shape."""
    if shape.type in _SCALARS:
        return _SCALARS[shape.type]
    if shape.type == "structure" and not shape.document:
        found: Reader | None = cache.get(("cbor-in", shape.name))
        return found or _structure_reader(shape, cache)
    if shape.type == "list":
        read_element = reader(shape.element, cache)
        return lambda value: [read_element(item) for item in _of(value, list)]
    if shape.type == "map":
        read_value = reader(shape.value, cache)
        return lambda value: {key: read_value(item) for key, item in _of(value, dict).items() if item is not None}
    return jsonvalues.reader(shape, cache)


def _of(value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise Malformed("Expected a list" if wanted is list else "Expected a map")
    return value


def _structure_reader(shape: Shape, cache: Cache) -> Reader:
    members: dict[str, Reader] = {}

    def read(value: Any) -> dict[str, Any]:
        return {
            name: members[name](item) for name, item in _of(value, dict).items() if item is not None and name in members
        }

    cache["cbor-in", shape.name] = read
    for name, member in shape.members.items():
        members[name] = reader(member, cache)
    return read


def writer(shape: Shape, cache: Cache) -> Writer:
    """How to turn a result of this shape into what `cborvalues.dumps` takes."""
    if shape.type == "timestamp":
        return lambda value: Timestamp(timestamps.to_number(value))
    if shape.type in ("float", "double"):
        return float
    if shape.type == "blob":
        return lambda value: value.encode() if isinstance(value, str) else bytes(value)
    if shape.type == "structure" and not shape.document:
        found: Writer | None = cache.get(("cbor-out", shape.name))
        return found or _structure_writer(shape, cache)
    if shape.type == "list":
        write_element = writer(shape.element, cache)
        return lambda value: [None if item is None else write_element(item) for item in value]
    if shape.type == "map":
        write_value = writer(shape.value, cache)
        return lambda value: {key: None if item is None else write_value(item) for key, item in value.items()}
    return _as_is


def _as_is(value: Any) -> Any:
    return value


def _structure_writer(shape: Shape, cache: Cache) -> Writer:
    members: dict[str, Writer] = {}

    def write(value: dict[str, Any]) -> dict[str, Any]:
        return {name: members[name](item) for name, item in value.items() if item is not None and name in members}

    cache["cbor-out", shape.name] = write
    for name, member in shape.members.items():
        members[name] = writer(member, cache)
    return write
