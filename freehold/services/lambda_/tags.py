"""TagResource, UntagResource, ListTags: tags of functions and of event source mappings."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.lambda_ import checks, rows, state
from freehold.services.lambda_.mappings import tags as mapping_tags
from freehold.services.lambda_.names import FunctionName, parse_function
from freehold.store.base import Tx


def _name(call: Call, arn: str) -> FunctionName:
    kind = arn.split(":")[5:6]
    if kind in (["code-signing-config"], ["capacity-provider"]):
        raise not_implemented(f"tags of Lambda's {kind[0]}")
    name = parse_function(arn, None, call.account, call.region)
    if name.qualifier:
        raise Fault(
            "InvalidParameterValueException",
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            Type="User",
        )
    return name


async def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Set tags; others stay."""
    if mapping := mapping_tags.mapping_of(call, request["Resource"]):
        return await mapping_tags.change(call, mapping, request["Tags"], ())
    name = _name(call, request["Resource"])

    def body(tx: Tx) -> None:
        function = state.require_function(tx, name)
        function.tags = function.tags | request["Tags"]
        checks.tags(function.tags)
        rows.functions.put(tx, state.keys_of(name).function(name.name), function)

    await call.platform.store.transact(body)
    return {}


async def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Remove tags by key."""
    if mapping := mapping_tags.mapping_of(call, request["Resource"]):
        return await mapping_tags.change(call, mapping, {}, request["TagKeys"])
    name = _name(call, request["Resource"])

    def body(tx: Tx) -> None:
        function = state.require_function(tx, name)
        function.tags = {key: value for key, value in function.tags.items() if key not in request["TagKeys"]}
        rows.functions.put(tx, state.keys_of(name).function(name.name), function)

    await call.platform.store.transact(body)
    return {}


async def list_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """All tags of a function or mapping."""
    if mapping := mapping_tags.mapping_of(call, request["Resource"]):
        return await mapping_tags.shown(call, mapping)
    name = _name(call, request["Resource"])
    function = await call.platform.store.read(lambda tx: state.require_function(tx, name))
    return {"Tags": dict(function.tags)}
