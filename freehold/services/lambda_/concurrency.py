"""PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency, GetAccountSettings."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import ledgers, limits, rows, state
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.names import FunctionName, parse_function
from freehold.services.lambda_.rows import Keys
from freehold.store.base import ReadTx, Tx


def whole_function(call: Call, request: dict[str, Any]) -> FunctionName:
    """The function that a request addresses; versions and aliases are refused."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    if name.qualifier:
        raise Fault(
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN.",
            Type="User",
        )
    return name


def reserve(tx: Tx, name: FunctionName, amount: int | None, stamp: str, *, alone: bool) -> None:
    """Reserve concurrency for a function (None: give it back); at least 100 stay for the others. Unless this node is `alone`
    all nodes take note."""
    keys = state.keys_of(name)
    function = state.require_function(tx, name)
    reserved = rows.counts.get(tx, keys.reserved()) or {}
    reserved.pop(name.name, None)
    if amount is not None:
        if limits.CONCURRENCY - sum(reserved.values()) - amount < limits.MIN_UNRESERVED:
            raise Fault(
                "InvalidParameterValueException",
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{limits.MIN_UNRESERVED}].",
                Type="User",
            )
        reserved[name.name] = amount
    if not alone:
        ledgers.changed(tx, name[:3], function.reserved, amount)
    function.reserved = amount
    rows.counts.put(tx, keys.reserved(), reserved)
    rows.functions.put(tx, keys.function(name.name), function)
    state.touch(tx, name, stamp)
    tx.wake(events.wake_key(events.shard_of(*name[:3])))


async def _reserve(call: Call, name: FunctionName, amount: int | None) -> None:
    stamp, alone = call.platform.ids.hex(16), call.platform.duties.members.alone
    await call.platform.store.transact(lambda tx: reserve(tx, name, amount, stamp, alone=alone))
    await engine_of(call.platform).refresh_reserved(name.account, name.region)


async def put_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Keep so many concurrent executions for a function, and give it no more."""
    amount = request["ReservedConcurrentExecutions"]
    await _reserve(call, whole_function(call, request), amount)
    return {"ReservedConcurrentExecutions": amount}


async def delete_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let a function share the account's concurrency again."""
    await _reserve(call, whole_function(call, request), None)
    return {}


async def get_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What is reserved; nothing where nothing is."""
    name = whole_function(call, request)
    function = await call.platform.store.read(lambda tx: state.require_function(tx, name))
    return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}


async def get_account_settings(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Limits and usage of this account in this region."""
    keys = Keys(call.account, call.region)

    def body(tx: ReadTx) -> tuple[int, int, int]:
        versions = [rows.versions.load(raw) for _, raw in state.scan_all(tx, *keys.all_versions())]
        layers = [rows.layer_versions.load(raw) for _, raw in state.scan_all(tx, *keys.all_layer_versions())]
        size = sum(version.code_size for version in versions) + sum(layer.size for layer in layers)
        count = sum(1 for version in versions if version.number == 0)
        return size, count, sum((rows.counts.get(tx, keys.reserved()) or {}).values())

    size, count, reserved = await call.platform.store.read_many(body)
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.MAX_CODE_STORAGE,
            "CodeSizeUnzipped": limits.MAX_UNZIPPED,
            "CodeSizeZipped": limits.MAX_ZIPPED,
            "ConcurrentExecutions": limits.CONCURRENCY,
            "UnreservedConcurrentExecutions": limits.CONCURRENCY - reserved,
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": count},
    }
