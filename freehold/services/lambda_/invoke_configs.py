"""Put-, Update-, Get-, List- and DeleteFunctionEventInvokeConfig: asynchronous invocations of a function, a version, an
alias. A change acts on events that are under way: each attempt goes by what is set when it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.asynchronous import destinations
from freehold.services.lambda_.model import InvokeConfig
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.services.lambda_.paging import page
from freehold.store.base import ReadTx, Tx

_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


def _name(call: Call, request: dict[str, Any]) -> FunctionName:
    """The address, always with a qualifier: the function itself is $LATEST."""
    name = parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    return name if name.qualifier else name._replace(qualifier=LATEST)


def _missing(name: FunctionName) -> Fault:
    return Fault(
        "ResourceNotFoundException", f"The function {name.qualified_arn} doesn't have an EventInvokeConfig", Type="User"
    )


def _destination(given: dict[str, Any], side: str) -> str | None:
    return (given.get(side) or {}).get("Destination") or None


def _replaced(name: FunctionName, request: dict[str, Any], now: float) -> InvokeConfig:
    given = request.get("DestinationConfig") or {}
    return InvokeConfig(
        name.qualifier,
        now,
        request.get("MaximumRetryAttempts"),
        request.get("MaximumEventAgeInSeconds"),
        _destination(given, "OnSuccess"),
        _destination(given, "OnFailure"),
    )


def _updated(old: InvokeConfig, request: dict[str, Any], now: float) -> InvokeConfig:
    """The settings that the request names; a side of DestinationConfig that it does not name stays."""
    new = msgspec.structs.replace(old, modified=now)
    if request.get("MaximumRetryAttempts") is not None:
        new.retries = request["MaximumRetryAttempts"]
    if request.get("MaximumEventAgeInSeconds") is not None:
        new.max_age_s = request["MaximumEventAgeInSeconds"]
    given = request.get("DestinationConfig") or {}
    if "OnSuccess" in given:
        new.on_success = _destination(given, "OnSuccess")
    if "OnFailure" in given:
        new.on_failure = _destination(given, "OnFailure")
    return new


async def _write(
    call: Call, request: dict[str, Any], change: Callable[[InvokeConfig | None], InvokeConfig]
) -> dict[str, Any]:
    name = _name(call, request)
    if all(request.get(setting) is None for setting in _SETTINGS):
        raise Fault(
            "InvalidParameterValueException",
            "You must specify at least one error handling or destination setting.",
            Type="User",
        )
    version = await call.platform.store.read(lambda tx: state.require_version(tx, name))
    given = request.get("DestinationConfig") or {}
    for side in ("OnSuccess", "OnFailure"):
        if target := _destination(given, side):
            await destinations.check(call, name, version.role, target, failure=side == "OnFailure")
    key, stamp = state.keys_of(name).invoke_config(name.name, name.qualifier), call.platform.ids.hex(16)

    def body(tx: Tx) -> InvokeConfig:
        state.require_version(tx, name)
        config = change(rows.invoke_configs.get(tx, key))
        rows.invoke_configs.put(tx, key, config)
        state.touch(tx, name, stamp)
        return config

    config = await call.platform.store.transact(body)
    return config.describe(name.arn)


async def put_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Everything anew: what the request leaves out goes back to Lambda's default."""
    name, now = _name(call, request), call.platform.clock.now()
    return await _write(call, request, lambda _: _replaced(name, request, now))


async def update_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Some of the settings of an address that has any."""
    name, now = _name(call, request), call.platform.clock.now()

    def change(old: InvokeConfig | None) -> InvokeConfig:
        if old is None:
            raise _missing(name)
        return _updated(old, request, now)

    return await _write(call, request, change)


async def get_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What is set for one address."""
    name = _name(call, request)

    def body(tx: ReadTx) -> InvokeConfig:
        state.require_version(tx, name)
        config = rows.invoke_configs.get(tx, state.keys_of(name).invoke_config(name.name, name.qualifier))
        if config is None:
            raise _missing(name)
        return config

    config = await call.platform.store.read(body)
    return config.describe(name.arn)


async def list_function_event_invoke_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What is set for a function, its versions and its aliases."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)

    def body(tx: ReadTx) -> tuple[list[InvokeConfig], str | None]:
        state.require_function(tx, name)
        found, marker = page(tx, state.keys_of(name).invoke_configs(name.name), request)
        return [rows.invoke_configs.load(raw) for _, raw in found], marker

    configs, marker = await call.platform.store.read(body)
    shown = [config.describe(name.arn) for config in configs]
    return {"FunctionEventInvokeConfigs": shown} | ({"NextMarker": marker} if marker else {})


async def delete_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Back to Lambda's defaults."""
    name, stamp = _name(call, request), call.platform.ids.hex(16)
    key = state.keys_of(name).invoke_config(name.name, name.qualifier)

    def body(tx: Tx) -> None:
        state.require_version(tx, name)
        if tx.get(key) is None:
            raise _missing(name)
        tx.delete(key)
        state.touch(tx, name, stamp)

    await call.platform.store.transact(body)
    return {}
