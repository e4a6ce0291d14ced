"""Function URLs: Create-, Get-, Update-, Delete- and ListFunctionUrlConfig(s)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import ALNUM_LOWER
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.model import FunctionUrl
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.services.lambda_.paging import page
from freehold.store.base import ReadTx, Tx

METHODS = frozenset({"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"})


def _name(call: Call, request: dict[str, Any]) -> FunctionName:
    name = parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    if name.qualifier == LATEST or state.is_number(name.qualifier):
        raise Fault(
            "InvalidParameterValueException",
            "Function URLs are for unqualified functions and for aliases, not for versions.",
            Type="User",
        )
    return name


def check_cors(cors: dict[str, Any]) -> None:
    """Methods that function URLs know; credentials never with a wildcard origin (the browser would refuse it)."""
    unknown = [method for method in cors.get("AllowMethods") or [] if method not in METHODS]
    if unknown:
        raise Fault(
            "ValidationException",
            f"1 validation error detected: Value '{unknown}' at 'cors.allowMethods' failed to satisfy constraint: Member "
            "must satisfy constraint: [Member must satisfy enum value set: [GET, PUT, HEAD, POST, PATCH, DELETE, *]]",
        )
    for member, most in (("AllowHeaders", 100), ("AllowMethods", 6), ("AllowOrigins", 100), ("ExposeHeaders", 100)):
        if len(cors.get(member) or []) > most:
            raise Fault("InvalidParameterValueException", f"Cors {member} has more than {most} items.", Type="User")


def show(url: FunctionUrl, call: Call) -> dict[str, Any]:
    """FunctionUrlConfig. The address resolves for who asked: by host name below localhost, else by path."""
    name = FunctionName(call.account, call.region, url.name, url.qualifier)
    shown: dict[str, Any] = {
        "FunctionUrl": address(call, url.id),
        "FunctionArn": name.qualified_arn,
        "AuthType": url.auth_type,
        "CreationTime": url.created,
        "LastModifiedTime": url.modified,
        "InvokeMode": url.invoke_mode,
    }
    if url.cors is not None:
        shown["Cors"] = url.cors
    return shown


def address(call: Call, url_id: str) -> str:
    """Where the URL answers, as this caller can reach it."""
    base = urlsplit(call.base_url)
    host = base.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        port = f":{base.port}" if base.port else ""
        return f"{base.scheme}://{url_id}.lambda-url.{call.region}.localhost{port}/"
    return f"{call.base_url}/_lambda-url/{url_id}/"


def _missing() -> Fault:
    return Fault("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


async def create_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Give a function or an alias an address of its own."""
    name = _name(call, request)
    check_cors(request.get("Cors") or {})
    ids, now = call.platform.ids, iso8601(call.platform.clock.now())
    url = FunctionUrl(
        id=ids.letters(32, ALNUM_LOWER),
        name=name.name,
        qualifier=name.qualifier,
        auth_type=request["AuthType"],
        created=now,
        modified=now,
        invoke_mode=request.get("InvokeMode", "BUFFERED"),
        cors=request.get("Cors"),
    )
    keys = state.keys_of(name)

    shown = show(url, call)
    del shown["LastModifiedTime"]

    def body(tx: Tx) -> dict[str, Any]:
        state.require_version(tx, name)
        if rows.urls.get(tx, keys.url(name.name, name.qualifier)) is not None:
            raise Fault(
                "ResourceConflictException",
                f"Failed to create function url config for [functionArn = {name.qualified_arn}]. Error message: "
                "FunctionUrlConfig exists for this Lambda function",
                Type="User",
            )
        rows.urls.put(tx, keys.url(name.name, name.qualifier), url)
        rows.url_owners.put(tx, rows.url_owner_key(url.id), (name.account, name.region, name.name, name.qualifier))
        return shown

    return await once.transact(call, body)


def _require(tx: ReadTx, name: FunctionName) -> FunctionUrl:
    state.require_version(tx, name)
    url = rows.urls.get(tx, state.keys_of(name).url(name.name, name.qualifier))
    if url is None:
        raise _missing()
    return url


async def get_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The URL of a function or alias."""
    name = _name(call, request)
    return show(await call.platform.store.read(lambda tx: _require(tx, name)), call)


async def update_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change what the request names; the address stays."""
    name = _name(call, request)
    check_cors(request.get("Cors") or {})
    now = iso8601(call.platform.clock.now())

    def body(tx: Tx) -> FunctionUrl:
        url = _require(tx, name)
        url.auth_type = request.get("AuthType", url.auth_type)
        url.invoke_mode = request.get("InvokeMode", url.invoke_mode)
        if "Cors" in request:
            url.cors = request["Cors"]
        url.modified = now
        rows.urls.put(tx, state.keys_of(name).url(name.name, name.qualifier), url)
        return url

    return show(await call.platform.store.transact(body), call)


async def delete_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take the address away; it never comes back."""
    name = _name(call, request)

    def body(tx: Tx) -> None:
        url = _require(tx, name)
        tx.delete(state.keys_of(name).url(name.name, name.qualifier))
        tx.delete(rows.url_owner_key(url.id))

    await call.platform.store.transact(body)
    return {}


async def list_function_url_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The URLs of a function and of its aliases."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)

    def body(tx: ReadTx) -> tuple[list[FunctionUrl], str | None]:
        state.require_function(tx, name)
        found, marker = page(tx, state.keys_of(name).urls(name.name), request)
        return [rows.urls.load(raw) for _, raw in found], marker

    urls, marker = await call.platform.store.read(body)
    return {"FunctionUrlConfigs": [show(url, call) for url in urls]} | ({"NextMarker": marker} if marker else {})
