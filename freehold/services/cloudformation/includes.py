"""The transform AWS::Include: pieces of templates kept in S3."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.rules.templates import document as documents
from freehold.rules.templates.functions import Scope, evaluate
from freehold.services.cloudformation.origin import Origin, fetch_object

NAME = "AWS::Include"
MAX_INCLUDES = 100


async def include(origin: Origin, value: Any, scope: Scope) -> Any:
    """`value` with every {"Fn::Transform": {"Name": "AWS::Include", ...}} replaced by the object's content."""
    return await _walk(origin, value, scope, [MAX_INCLUDES])


async def include_top(
    origin: Origin, document: dict[str, Any], transform: dict[str, Any], scope: Scope
) -> dict[str, Any]:
    """The content of a top-level include, merged into the document."""
    fragment = await _fragment(origin, transform, scope)
    if not isinstance(fragment, dict):
        raise Fault("ValidationError", f"Transform {NAME} failed with: the included text is no object")
    merged = dict(document)
    for key, item in fragment.items():
        held = merged.get(key)
        merged[key] = {**item, **held} if isinstance(held, dict) and isinstance(item, dict) else merged.get(key, item)
    return merged


async def _walk(origin: Origin, value: Any, scope: Scope, left: list[int]) -> Any:
    if isinstance(value, list):
        return [await _walk(origin, item, scope, left) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: await _walk(origin, item, scope, left) for key, item in value.items() if key != "Fn::Transform"}
    if "Fn::Transform" not in value:
        return out
    transforms = value["Fn::Transform"]
    for transform in transforms if isinstance(transforms, list) else [transforms]:
        left[0] -= 1
        if left[0] < 0:
            raise Fault("ValidationError", f"Transform {NAME} failed with: more than {MAX_INCLUDES} includes")
        fragment = await _fragment(origin, transform, scope)
        if not isinstance(fragment, dict):
            return fragment
        out = {**fragment, **out}
    return out


async def _fragment(origin: Origin, transform: Any, scope: Scope) -> Any:
    name = transform.get("Name") if isinstance(transform, dict) else transform
    if name != NAME:
        raise not_implemented(f"the transform {name}")
    location = evaluate((transform.get("Parameters") or {}).get("Location"), scope)
    if not isinstance(location, str):
        raise Fault(
            "ValidationError",
            f"Transform {NAME} failed with: The location parameter is not a valid S3 uri.",
        )
    return documents.parse(await fetch_object(origin, location))
