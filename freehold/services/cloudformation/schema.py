"""Properties against the schema of a resource type: refused by name, or converted as CloudFormation converts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.resources import ANY, BOOLEAN, INTEGER, STRING, Choice, Map, ResourceType, Schema
from freehold.rules.templates.functions import UNKNOWN
from freehold.rules.templates.parameters import text


def check(resource_type: ResourceType, properties: dict[str, Any], logical_id: str) -> dict[str, Any]:
    """The converted properties. UNKNOWN values pass. Raises Fault, by name, before anything is created."""
    checked = _Check(resource_type.name, logical_id)
    missing = sorted(name for name in resource_type.required if name not in properties)
    result: dict[str, Any] = checked.convert(properties, resource_type.properties, "")
    if missing:
        listed = ", ".join(f"#: required key [{name}] not found" for name in missing)
        raise Fault(
            "ValidationError", f"Properties validation failed for resource {logical_id} with message:\n{listed}"
        )
    return result


class _Check:
    def __init__(self, type_name: str, logical_id: str) -> None:
        self._type, self._logical_id = type_name, logical_id

    def convert(self, value: Any, schema: Schema, path: str) -> Any:
        if value is UNKNOWN or schema is ANY:
            return value
        if isinstance(schema, Mapping):
            return self._object(value, schema, path)
        if isinstance(schema, list):
            # CloudFormation takes a single value for a list of one.
            items = value if isinstance(value, list) else [value]
            return [self.convert(item, schema[0], f"{path}.{index}") for index, item in enumerate(items)]
        if isinstance(schema, Map):
            if not isinstance(value, dict):
                raise self._wrong(path, "JSONObject", value)
            return {key: self.convert(item, schema.values, f"{path}.{key}") for key, item in value.items()}
        if isinstance(schema, Choice):
            return self._choice(value, schema, path)
        return self._scalar(value, schema, path)

    def _object(self, value: Any, schema: Mapping[str, Schema], path: str) -> Any:
        if not isinstance(value, dict):
            raise self._wrong(path, "JSONObject", value)
        out = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else key
            if key not in schema:
                raise not_implemented(f"property {where} of {self._type} (logical id {self._logical_id})")
            out[key] = self.convert(item, schema[key], where)
        return out

    def _choice(self, value: Any, schema: Choice, path: str) -> Any:
        for allowed in schema.values:
            if value == allowed and isinstance(value, bool) == isinstance(allowed, bool):
                return allowed
            if not isinstance(value, dict | list) and text(value) == text(allowed):
                return allowed
        raise not_implemented(f"{value!r} of property {path} of {self._type} (logical id {self._logical_id})")

    def _scalar(self, value: Any, schema: Schema, path: str) -> Any:
        if isinstance(value, dict | list):
            raise self._wrong(path, {STRING: "String", BOOLEAN: "Boolean"}.get(schema, "Number"), value)
        if isinstance(value, str) and "{{resolve:" in value:
            return value
        if schema is STRING:
            return text(value)
        if schema is BOOLEAN:
            lowered = text(value).lower()
            if lowered not in ("true", "false"):
                raise self._wrong(path, "Boolean", value)
            return lowered == "true"
        try:
            number = float(value)
            whole = number.is_integer()
        except (ValueError, OverflowError) as error:
            raise self._wrong(path, "Integer" if schema is INTEGER else "Number", value) from error
        if schema is INTEGER and not whole:
            raise self._wrong(path, "Integer", value)
        return int(number) if whole else number

    def _wrong(self, path: str, expected: str, value: Any) -> Fault:
        found = "JSONObject" if isinstance(value, dict) else "JSONArray" if isinstance(value, list) else "String"
        pointer = path.replace(".", "/")
        return Fault(
            "ValidationError",
            f"Properties validation failed for resource {self._logical_id} with message:\n"
            f"#/{pointer}: expected type: {expected}, found: {found}",
        )


def changed_paths(old: Any, new: Any, path: str = "") -> set[str]:
    """Dotted paths at which two property trees differ; lists are compared whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        paths: set[str] = set()
        for key in old.keys() | new.keys():
            where = f"{path}.{key}" if path else key
            if key not in old or key not in new:
                paths.add(where)
            else:
                paths |= changed_paths(old[key], new[key], where)
        return paths
    return set() if old is new or old == new else {path}


def needs_replacement(resource_type: ResourceType, paths: set[str]) -> bool:
    """Does a change at these paths need a new physical resource?"""
    if resource_type.update is None:
        return bool(paths)
    return any(
        path == rule or path.startswith(rule + ".") or rule.startswith(path + ".")
        for path in paths
        for rule in resource_type.replace
    )
