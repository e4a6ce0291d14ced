"""CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.model import Alias
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.services.lambda_.paging import page
from freehold.store.base import ReadTx, Tx


def _name(call: Call, request: dict[str, Any]) -> FunctionName:
    """The alias that a request addresses."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    return name._replace(qualifier=request.get("Name", ""))


def require_alias(tx: ReadTx, name: FunctionName) -> Alias:
    """The alias, or ResourceNotFoundException."""
    alias = state.find_alias(tx, name)
    if alias is None:
        raise state.alias_not_found(name)
    return alias


def check_routes(tx: ReadTx, name: FunctionName, number: int, routes: dict[str, float]) -> None:
    """At most one more version, another than the alias's own, both published; a weight between 0 and 1."""
    state.require_version(tx, name._replace(qualifier=str(number) if number else LATEST))
    if not routes:
        return
    if len(routes) > 1:
        raise _invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if number == 0:
        raise _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    for version, weight in routes.items():
        if not state.is_number(version):
            raise _invalid(f"Invalid function version {version} in AdditionalVersionWeights")
        if version == str(number):
            raise _invalid(
                f"Invalid function version {version}. Function version {version} is already included in routing "
                "configuration."
            )
        if not 0.0 <= weight <= 1.0:
            raise _invalid(f"Invalid weight {weight} of function version {version}: it must be between 0.0 and 1.0")
        state.require_version(tx, name._replace(qualifier=version))


def _invalid(message: str) -> Fault:
    return Fault("InvalidParameterValueException", message, Type="User")


def _number(version: str) -> int:
    return 0 if version == LATEST else int(version)


def _routes(request: dict[str, Any]) -> dict[str, float]:
    weights = (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return {version: float(weight) for version, weight in weights.items()}


async def create_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A name for a version, or for two by weight."""
    name = _name(call, request)
    if state.is_number(name.qualifier):
        raise _invalid(f"Invalid alias name: {name.qualifier}")
    ids = call.platform.ids
    number = _number(request["FunctionVersion"])
    alias = Alias(name.qualifier, number, ids.uuid(), request.get("Description", ""), _routes(request))
    stamp = ids.hex(16)

    def body(tx: Tx) -> None:
        state.require_function(tx, name._replace(qualifier=""))
        check_routes(tx, name, alias.version, alias.routes)
        if state.find_alias(tx, name) is not None:
            raise Fault("ResourceConflictException", f"Alias already exists: {name.qualified_arn}", Type="User")
        rows.aliases.put(tx, state.keys_of(name).alias(name.name, alias.name), alias)
        state.touch(tx, name, stamp)

    await call.platform.store.transact(body)
    return alias.describe(name.arn)


async def get_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """An alias by name."""
    name = _name(call, request)
    alias = await call.platform.store.read(lambda tx: require_alias(tx, name))
    return alias.describe(name.arn)


async def update_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Point an alias elsewhere, change its weights or its description."""
    name = _name(call, request)
    stamp, revision = call.platform.ids.hex(16), call.platform.ids.uuid()

    def body(tx: Tx) -> Alias:
        alias = require_alias(tx, name)
        state.check_revision(request.get("RevisionId"), alias.revision)
        if request.get("FunctionVersion"):
            alias.version = _number(request["FunctionVersion"])
        if request.get("Description") is not None:
            alias.description = request["Description"]
        if request.get("RoutingConfig") is not None:
            alias.routes = _routes(request)
        check_routes(tx, name, alias.version, alias.routes)
        alias.revision = revision
        rows.aliases.put(tx, state.keys_of(name).alias(name.name, alias.name), alias)
        state.touch(tx, name, stamp)
        return alias

    alias = await call.platform.store.transact(body)
    return alias.describe(name.arn)


async def delete_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Remove an alias with its policy and URL. Removing one that is not there succeeds, as on AWS."""
    name = _name(call, request)
    stamp = call.platform.ids.hex(16)

    def body(tx: Tx) -> None:
        state.require_function(tx, name._replace(qualifier=""))
        if state.find_alias(tx, name) is None:
            return
        keys = state.keys_of(name)
        tx.delete(keys.alias(name.name, name.qualifier))
        tx.delete(keys.policy(name.name, name.qualifier))
        tx.delete(keys.invoke_config(name.name, name.qualifier))
        url = rows.urls.get(tx, keys.url(name.name, name.qualifier))
        if url is not None:
            tx.delete(keys.url(name.name, name.qualifier))
            tx.delete(rows.url_owner_key(url.id))
        state.touch(tx, name, stamp)

    await call.platform.store.transact(body)
    return {}


async def list_aliases(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The aliases of a function, or of one of its versions."""
    name = _name(call, request)
    wanted = request.get("FunctionVersion")

    def body(tx: ReadTx) -> tuple[list[Alias], str | None]:
        state.require_function(tx, name)
        found, marker = page(tx, state.keys_of(name).aliases(name.name), request)
        return [rows.aliases.load(raw) for _, raw in found], marker

    aliases, marker = await call.platform.store.read_many(body)
    shown = [alias.describe(name.arn) for alias in aliases if wanted is None or _uses(alias, wanted)]
    return {"Aliases": shown} | ({"NextMarker": marker} if marker else {})


def _uses(alias: Alias, version: str) -> bool:
    return alias.version == _number(version) or version in alias.routes
