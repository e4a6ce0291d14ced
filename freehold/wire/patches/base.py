"""Patch: facts about a service that its model does not hold. One file per service, each fact with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MIB = 1024 * 1024
DEFAULT_MAX_BODY = 10 * MIB
UNLIMITED = 1 << 63


@dataclass(frozen=True, slots=True)
class Validation:
    """How a service refuses input that its model does not allow.

    - `code`: of the fault ("ValidationException", "ValidationError", "BadRequestException", ...).
    - `style`: "detected" is the common "1 validation error detected: Value ..."; "missing" checks only required members,
      one at a time, with `missing` as template; "schema" checks a document for required elements and the words they may
      hold, and nothing else; "none" leaves everything to the service.
    - `patterns`: the whole message for a pattern that is not met, by pattern, with `{member}`.
    - `skip`: scalar shapes that the service checks by itself, in words of its own.
    - `missing`: message for an absent required member, with `{member}`; `missing_code` its code if another.
    """

    code: str = "ValidationException"
    style: str = "detected"
    missing: str = ""
    missing_code: str | None = None
    patterns: Mapping[str, str] = field(default_factory=dict)
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class QueryNames:
    """Names of the older query protocol of a service whose model has moved to JSON.

    `members`: element name by (structure, member); `elements`: name of a list's elements, `keys`: names of a map's key
    and value, by shape.
    """

    members: Mapping[tuple[str, str], str] = field(default_factory=dict)
    elements: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.members or self.elements or self.keys)


@dataclass(frozen=True, slots=True)
class Patch:
    """Facts missing from a service's model.

    - `protocols`: accepted beyond those that the model lists.
    - `max_body` by operation, else `default_max_body`: bytes.
    - `statuses`: HTTP status by error code, where the model is silent or wrong.
    - `query_codes`: code of the query protocol by error shape name (also for `x-amzn-query-error`).
    - `type_prefixes`: what stands before `#Code` in the `__type` of a JSON error; "" is the default for the service.
    - `hidden`: operations that never match, because AWS serves them at another address or they are superseded.
    - `namespace`: XML namespace where the model has none.
    - `malformed`: code of the fault for a body that is no JSON.
    - `roots`: name of the root element of an operation's result, where it is not the shape's.
    - `bare`: operations whose result is one member, written as the text of the root element itself.
    - `media_types`: Content-Type of a payload by (structure, member), where the model names none.
    - `lengths`: fewest and most characters by string shape, where only its name and documentation tell them.
    """

    protocols: tuple[str, ...] = ()
    default_max_body: int = DEFAULT_MAX_BODY
    max_body: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    query_codes: Mapping[str, str] = field(default_factory=dict)
    query_names: QueryNames = field(default_factory=QueryNames)
    type_prefixes: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    namespace: str = ""
    roots: Mapping[str, str] = field(default_factory=dict)
    bare: frozenset[str] = frozenset()
    validation: Validation = field(default_factory=Validation)
    crc32: bool = False
    malformed: str = "SerializationException"
    media_types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    lengths: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def max_body_of(self, operation: str) -> int:
        """Bytes of body that the operation accepts."""
        return self.max_body.get(operation, self.default_max_body)

    def with_media_types(self, shapes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The shapes with the media types of payloads on them."""
        if not self.media_types:
            return shapes
        changed = dict(shapes)
        for (structure, member), media_type in self.media_types.items():
            raw = changed[structure]
            members = {**raw["members"], member: {**raw["members"][member], "mediaType": media_type}}
            changed[structure] = {**raw, "members": members}
        return changed

    def with_lengths(self, shapes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The shapes with the lengths of strings on them."""
        limited = {name: {**shapes[name], "min": low, "max": high} for name, (low, high) in self.lengths.items()}
        return {**shapes, **limited} if limited else shapes

    def with_query_names(self, shapes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The shapes with the names of the query protocol on them."""
        changed = dict(shapes)
        for (structure, member), name in self.query_names.members.items():
            raw = changed[structure]
            members = {**raw["members"], member: {**raw["members"][member], "locationName": name}}
            changed[structure] = {**raw, "members": members}
        for shape, name in self.query_names.elements.items():
            raw = changed[shape]
            changed[shape] = {**raw, "member": {**raw["member"], "locationName": name}}
        for shape, (key, value) in self.query_names.keys.items():
            raw = changed[shape]
            changed[shape] = {
                **raw,
                "key": {**raw["key"], "locationName": key},
                "value": {**raw["value"], "locationName": value},
            }
        return changed
