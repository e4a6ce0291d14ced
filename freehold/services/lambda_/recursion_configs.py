"""PutFunctionRecursionConfig, GetFunctionRecursionConfig: whether a recursive loop is stopped."""

from __future__ import annotations

from typing import Any

from freehold.ports.call import Call
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.concurrency import whole_function
from freehold.store.base import Tx


async def put_function_recursion_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Terminate (the default) or Allow."""
    name, wanted = whole_function(call, request), request["RecursiveLoop"]
    stamp = call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        function = state.require_function(tx, name)
        function.recursion = wanted
        rows.functions.put(tx, state.keys_of(name).function(name.name), function)
        state.touch(tx, name, stamp)

    await call.platform.store.transact(body)
    return {"RecursiveLoop": wanted}


async def get_function_recursion_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What a loop meets."""
    name = whole_function(call, request)
    function = await call.platform.store.read(lambda tx: state.require_function(tx, name))
    return {"RecursiveLoop": function.recursion}
