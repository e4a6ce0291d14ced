"""coerce: input of internal calls, whose values come from templates and state machines rather than from a parser.

CloudFormation takes `"128"` for a number and `5` for a string, as AWS's does. What has another type after that is refused
by name, so that validation and handlers see the model's types and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from freehold.kit.faults import Fault
from freehold.wire.base import Operation as AnyOperation
from freehold.wire.models import Operation
from freehold.wire.protocols import text, timestamps
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape

Coerce = Callable[[Any, str], Any]

_WORDS = {"integer": "Integer", "long": "Long", "float": "Double", "double": "Double", "boolean": "Boolean"}
_READ: dict[str, Callable[[str], Any]] = {
    "Integer": text.read_integer,
    "Long": text.read_long,
    "Double": text.read_float,
    "Boolean": text.read_boolean,
}
_LIMIT = {"Integer": text.INTEGER, "Long": text.LONG}


def coerce(operation: AnyOperation, params: dict[str, Any]) -> dict[str, Any]:
    """`params` with the types of the operation's model; None counts as absent.

    Raises Fault ValidationException (the service's code for invalid input) for a value that cannot be read as its type,
    and for a member that the operation does not have.
    """
    concrete = cast(Operation, operation)
    shape = concrete.input
    if shape is None:
        return {}
    cache = concrete.service.compiled
    convert = cache.get(("coerce", shape.name)) or _structure(shape, cache)
    try:
        coerced: dict[str, Any] = convert(params, "")
    except Malformed as malformed:
        raise Fault(concrete.service.patch.validation.code, str(malformed), status=400) from None
    return coerced


def _refuse(path: str, wanted: str) -> Malformed:
    return Malformed(f"Value of {path} must be of type {wanted}")


def _of(shape: Shape, cache: dict[Any, Any]) -> Coerce:
    if shape.document or shape.event_stream:
        return lambda value, path: value
    if shape.type == "structure":
        found: Coerce | None = cache.get(("coerce", shape.name))
        return found or _structure(shape, cache)
    if shape.type == "list":
        return _list(_of(shape.element, cache))
    if shape.type == "map":
        return _map(_of(shape.value, cache))
    if shape.type == "blob":
        return _blob
    if shape.type == "timestamp":
        return _timestamp
    return _string if shape.type in ("string", "character") else _scalar(shape.type)


def _structure(shape: Shape, cache: dict[Any, Any]) -> Coerce:
    members: dict[str, Coerce] = {}

    def convert(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(path, "Map")
        prefix = path + "." if path else ""
        out = {}
        for name, item in value.items():
            if item is None:
                continue
            convert_member = members.get(name)
            if convert_member is None:
                raise Malformed(f"Unknown parameter {prefix}{name}")
            out[name] = convert_member(item, prefix + name)
        return out

    cache["coerce", shape.name] = convert
    for name, member in shape.members.items():
        members[name] = _of(member, cache)
    return convert


def _list(convert_element: Coerce) -> Coerce:
    def convert(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _refuse(path, "List")
        return [convert_element(item, f"{path}.{index}") for index, item in enumerate(value) if item is not None]

    return convert


def _map(convert_value: Coerce) -> Coerce:
    def convert(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(path, "Map")
        return {str(key): convert_value(item, f"{path}.{key}") for key, item in value.items() if item is not None}

    return convert


def _string(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise _refuse(path, "String")


def _scalar(type_name: str) -> Coerce:
    wanted = _WORDS[type_name]
    read, limit = _READ[wanted], _LIMIT.get(wanted)

    def convert(value: Any, path: str) -> Any:
        if isinstance(value, str):
            try:
                return read(value)
            except Malformed:
                raise _refuse(path, wanted) from None
        if isinstance(value, bool) != (wanted == "Boolean") or not isinstance(value, int | float):
            raise _refuse(path, wanted)
        if limit is not None:
            if not -limit <= value < limit or int(value) != value:
                raise _refuse(path, wanted)
            return int(value)
        return value

    return convert


def _blob(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | AsyncIterator):
        return value
    raise _refuse(path, "Blob")


def _timestamp(value: Any, path: str) -> float:
    try:
        if isinstance(value, str):
            return timestamps.from_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timestamps.from_number(value)
    except Malformed:
        pass
    raise _refuse(path, "Timestamp")
