"""JSON values by shape: readers that check and convert, writers that convert only where JSON differs from Python.

A reader takes what `orjson.loads` gave; a writer gives what `orjson.dumps(..., default=base64)` takes. A shape whose
values are JSON already (strings, numbers, bytes) has no writer: they pass as they are, `orjson.Fragment` included.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson

from freehold.wire.protocols import timestamps
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.protocols.text import INTEGER, LONG, read_blob
from freehold.wire.shapes import Shape

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]
Cache = dict[Any, Any]

_NAMES = {
    "integer": "Integer",
    "long": "Long",
    "float": "Float",
    "double": "Double",
    "boolean": "Boolean",
    "blob": "Blob",
}
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def kind(value: Any) -> str:
    """What a JSON value is, in the words of AWS's parser."""
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    if value is None:
        return "NULL_VALUE"
    return "NUMBER_VALUE"


def mismatch(value: Any, wanted: str) -> Malformed:
    """A value of another type than the shape's."""
    if isinstance(value, dict):
        return Malformed("Start of structure or map found where not expected")
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    return Malformed(f"{kind(value)} cannot be converted to {wanted}")


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise mismatch(value, "String")


def _read_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise mismatch(value, "Boolean")


def _integer_reader(name: str, limit: int) -> Reader:
    def read(value: Any) -> int:
        if (type(value) is int or type(value) is float) and -limit <= value < limit:
            return int(value)
        raise mismatch(value, name)

    return read


def _float_reader(name: str) -> Reader:
    def read(value: Any) -> float:
        if type(value) is float or type(value) is int:
            return value
        special = _SPECIAL.get(value) if type(value) is str else None
        if special is None:
            raise mismatch(value, name)
        return special

    return read


def _read_blob(value: Any) -> bytes:
    if type(value) is str:
        return read_blob(value)
    raise mismatch(value, "Blob")


def _read_timestamp(value: Any) -> float:
    if type(value) is int or type(value) is float:
        return timestamps.from_number(value)
    if type(value) is str:
        return timestamps.from_text(value)
    raise mismatch(value, "Timestamp")


def _read_document(value: Any) -> Any:
    return value


_SCALARS: dict[str, Reader] = {
    "string": _read_string,
    "character": _read_string,
    "boolean": _read_boolean,
    "integer": _integer_reader("Integer", INTEGER),
    "long": _integer_reader("Long", LONG),
    "float": _float_reader("Float"),
    "double": _float_reader("Double"),
    "blob": _read_blob,
    "timestamp": _read_timestamp,
}
_PLAIN: dict[str, type] = {"string": str, "character": str, "boolean": bool}
"""Of any value they are right; numbers have a range."""


def reader(shape: Shape, cache: Cache) -> Reader:
    """How to read a value of this shape. Null members are absent; unknown members are ignored."""
    scalar = _SCALARS.get(shape.type)
    if scalar is not None:
        return scalar
    if shape.document:
        return _read_document
    if shape.type == "list":
        return _list_reader(shape, cache)
    if shape.type == "map":
        return _map_reader(shape, cache)
    found: Reader | None = cache.get(("json-in", shape.name))
    return found or _structure_reader(shape, cache)


def _structure_reader(shape: Shape, cache: Cache) -> Reader:
    members: dict[str, tuple[str, type | None, Reader]] = {}
    plains = _plains(shape, cache)

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _not_a_structure(value)
        for key, item in value.items():
            if plains.get(key) is not type(item):
                break
        else:  # nothing to convert, to rename or to leave out
            return value
        out = {}
        for key, item in value.items():
            if item is not None and (member := members.get(key)) is not None:
                name, plain, read_member = member
                out[name] = item if type(item) is plain else read_member(item)
        return out

    cache["json-in", shape.name] = read
    for name, member in shape.members.items():
        if member.location is None:
            members[member.wire_name or name] = (name, _PLAIN.get(member.type), reader(member, cache))
    return read


def _plains(shape: Shape, cache: Cache) -> dict[str, type]:
    """The members of a structure that are the same in JSON and in Python, and what they are."""
    found: dict[str, type] | None = cache.get(("json-plain", shape.name))
    if found is None:
        found = cache["json-plain", shape.name] = {
            name: _PLAIN[member.type]
            for name, member in shape.members.items()
            if member.location is None and member.type in _PLAIN and member.wire_name in (None, name)
        }
    return found


def _not_a_structure(value: Any) -> Malformed:
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    return Malformed("Unexpected value type in payload")


def _list_reader(shape: Shape, cache: Cache) -> Reader:
    element = shape.element
    read_element, plain = _null_as_empty(element, reader(element, cache)), _PLAIN.get(element.type)

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Malformed(_wanted_list(value))
        return [item if type(item) is plain else read_element(item) for item in value]

    return read


def _null_as_empty(shape: Shape, read: Reader) -> Reader:
    """Null in the place of a structure is an empty one, as DynamoDB takes it ("Supplied AttributeValue is empty")."""
    if shape.type != "structure" or shape.document:
        return read
    return lambda value: read({} if value is None else value)


def _wanted_list(value: Any) -> str:
    if isinstance(value, dict):
        return "Start of structure or map found where not expected"
    return f"{kind(value)} cannot be converted to List"


def _map_reader(shape: Shape, cache: Cache) -> Reader:
    value_shape = shape.value
    read_item, plain = reader(value_shape, cache), _PLAIN.get(value_shape.type)
    if value_shape.type == "structure" and not value_shape.document:
        return _structures_reader(read_item, _plains(value_shape, cache))

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _not_a_map(value)
        return {
            key: item if type(item) is plain else read_item(item) for key, item in value.items() if item is not None
        }

    return read


def _structures_reader(read_item: Reader, plains: dict[str, type]) -> Reader:
    """How to read a map of structures. Those with nothing to convert stay as they are, without a call for each: an item's
    attributes are the hottest values there are."""

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _not_a_map(value)
        changed = {}
        for key, item in value.items():
            if type(item) is dict:
                for name, inner in item.items():
                    if plains.get(name) is not type(inner):
                        break
                else:
                    continue
            changed[key] = read_item({} if item is None else item)
        return {**value, **changed} if changed else value

    return read


def _not_a_map(value: Any) -> Malformed:
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    return Malformed(f"{kind(value)} cannot be converted to Map")


# --- writing


def base64_default(value: Any) -> Any:
    """orjson's way out: bytes become base64."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is no JSON")


def dumps(value: Any) -> bytes:
    """JSON with bytes as base64."""
    return orjson.dumps(value, default=base64_default)


def _write_float(value: float) -> Any:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _time_writer(format: str) -> Writer:
    if format == timestamps.EPOCH:
        return timestamps.to_number
    return timestamps.to_http if format == timestamps.HTTP else timestamps.to_iso


def writer(shape: Shape, cache: Cache, default_time: str = timestamps.EPOCH) -> Writer | None:
    """How to turn a result of this shape into JSON; None where it is JSON already."""
    if shape.type == "timestamp":
        return _time_writer(shape.traits.get("timestampFormat", default_time))
    if shape.type in ("float", "double"):
        return _write_float
    if shape.type not in ("list", "map", "structure") or shape.document:
        return None
    if shape.type == "structure":
        key = ("json-out", default_time, shape.name)
        if key not in cache:
            cache[key] = None if verbatim(shape, set()) else _structure_writer(shape, cache, default_time)
        found: Writer | None = cache[key]
        return found
    if shape.type == "list":
        write_element = writer(shape.element, cache, default_time)
        return None if write_element is None else _list_writer(write_element)
    write_value = writer(shape.value, cache, default_time)
    return None if write_value is None else _map_writer(write_value)


def verbatim(shape: Shape, seen: set[str]) -> bool:
    """Is every value below this shape JSON already, under the names of its members?"""
    if shape.type in ("timestamp", "float", "double"):
        return False
    if shape.type == "list":
        return verbatim(shape.element, seen)
    if shape.type == "map":
        return verbatim(shape.value, seen)
    if shape.type != "structure" or shape.document or shape.name in seen:
        return True
    seen.add(shape.name)
    return all(
        (member.wire_name or name) == name and not member.in_head and verbatim(member, seen)
        for name, member in shape.members.items()
    )


def _structure_writer(shape: Shape, cache: Cache, default_time: str) -> Writer:
    members: dict[str, tuple[str, Writer | None]] = {}

    def write(value: dict[str, Any]) -> Any:
        if type(value) is not dict:
            return value
        out = {}
        for name, item in value.items():
            if item is not None and (member := members.get(name)) is not None:
                key, write_member = member
                out[key] = item if write_member is None else write_member(item)
        return out

    cache["json-out", default_time, shape.name] = write
    members.update(members_out(shape, cache, default_time))
    return write


def members_out(shape: Shape, cache: Cache, default_time: str) -> dict[str, tuple[str, Writer | None]]:
    """Wire name and writer of the members that travel in the body."""
    return {
        name: (member.wire_name or name, writer(member, cache, default_time))
        for name, member in shape.members.items()
        if not member.in_head
    }


def _list_writer(write_element: Writer) -> Writer:
    def write(value: Any) -> Any:
        if type(value) is orjson.Fragment:
            return value
        return [None if item is None else write_element(item) for item in value]

    return write


def _map_writer(write_value: Writer) -> Writer:
    def write(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {key: None if item is None else write_value(item) for key, item in value.items()}

    return write
