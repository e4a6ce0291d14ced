"""Connections: how EventBridge authorizes with the endpoints of API destinations.

Secrets are sealed at rest and never shown. AWS keeps them in Secrets Manager: the SecretArn has its form, and no secret
stands behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.events import authorization, destination_rows
from freehold.services.events.common import Request, Result, invalid, limit_of, start_of, token_of
from freehold.services.events.destination_rows import AUTHORIZED, AUTHORIZING, DEAUTHORIZED, Connection
from freehold.services.events.model import given
from freehold.store.base import Tx
from freehold.work.outbox import Delivery

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

AUTHORIZE = "events.authorize"
"""Outbox: ask an authorization endpoint whether it takes a connection's client."""
OAUTH = "OAUTH_CLIENT_CREDENTIALS"
_MEMBER = {"BASIC": "BasicAuthParameters", "API_KEY": "ApiKeyAuthParameters", OAUTH: "OAuthParameters"}
_HTTP_PARAMETERS = ("HeaderParameters", "QueryStringParameters", "BodyParameters")
_REQUIRED = {
    "BASIC": ("Username", "Password"),
    "API_KEY": ("ApiKeyName", "ApiKeyValue"),
    OAUTH: ("ClientParameters", "AuthorizationEndpoint", "HttpMethod"),
}


def check_endpoint(url: str, member: str) -> None:
    """Refuse what is no http or https URL. AWS takes https only."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid(f"Parameter {member} is not valid. Reason: Must be a valid HTTPS URL.")


def _no_connection(name: str) -> Fault:
    return Fault(
        "ResourceNotFoundException", f"Failed to describe the connection(s). Connection '{name}' does not exist."
    )


def _refuse(request: Request) -> None:
    if request.get("InvocationConnectivityParameters") or request.get("AuthParameters", {}).get(
        "ConnectivityParameters"
    ):
        raise not_implemented("connections to private APIs (ConnectivityParameters)")
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("customer managed keys of connections (KmsKeyIdentifier)")


def _check(kind: str, parameters: dict[str, Any]) -> None:
    """Do the parameters belong to the type, and are they whole?"""
    member = _MEMBER[kind]
    others = [name for name in _MEMBER.values() if name != member and name in parameters]
    if member not in parameters or others:
        raise invalid(f"AuthParameters must contain {member}, and only those, for the authorization type {kind}.")
    chosen = parameters[member]
    for name in _REQUIRED[kind]:
        if not chosen.get(name):
            raise invalid(f"Parameter AuthParameters.{member}.{name} is required.")
    if kind == OAUTH:
        check_endpoint(chosen["AuthorizationEndpoint"], "AuthorizationEndpoint")
        for name in ("ClientID", "ClientSecret"):
            if not chosen["ClientParameters"].get(name):
                raise invalid(f"Parameter AuthParameters.{member}.ClientParameters.{name} is required.")


def public(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters as DescribeConnection shows them, without secrets."""
    shown: dict[str, Any] = {}
    if "BasicAuthParameters" in parameters:
        shown["BasicAuthParameters"] = {"Username": parameters["BasicAuthParameters"]["Username"]}
    if "ApiKeyAuthParameters" in parameters:
        shown["ApiKeyAuthParameters"] = {"ApiKeyName": parameters["ApiKeyAuthParameters"]["ApiKeyName"]}
    if "OAuthParameters" in parameters:
        oauth = parameters["OAuthParameters"]
        shown["OAuthParameters"] = {
            "ClientParameters": {"ClientID": oauth["ClientParameters"]["ClientID"]},
            "AuthorizationEndpoint": oauth["AuthorizationEndpoint"],
            "HttpMethod": oauth["HttpMethod"],
            **(
                {"OAuthHttpParameters": _public_http(oauth["OAuthHttpParameters"])}
                if "OAuthHttpParameters" in oauth
                else {}
            ),
        }
    if "InvocationHttpParameters" in parameters:
        shown["InvocationHttpParameters"] = _public_http(parameters["InvocationHttpParameters"])
    return shown


def _public_http(parameters: dict[str, Any]) -> dict[str, Any]:
    def one(each: dict[str, Any]) -> dict[str, Any]:
        secret = bool(each.get("IsValueSecret"))
        return {name: value for name, value in each.items() if name != "Value" or not secret} | {
            "IsValueSecret": secret
        }

    return {name: [one(each) for each in parameters[name]] for name in _HTTP_PARAMETERS if name in parameters}


async def _sealed(call: Call, arn: str, parameters: dict[str, Any]) -> bytes:
    sealer = authorization.sealer(call.platform)
    return await sealer.seal(call.account, call.region, arn, orjson.dumps(parameters))


def _state(row: Connection, kind: str, now_s: float) -> None:
    """Of a connection whose parameters were just set: OAuth ones are authorized by their endpoint, after the commit."""
    row.reason = None
    row.state = AUTHORIZING if kind == OAUTH else AUTHORIZED
    row.authorized_s = None if kind == OAUTH else now_s


def _authorize_later(tx: Tx, call: Call, row: Connection, id: str) -> None:
    if row.state == AUTHORIZING:
        payload = msgspec.msgpack.encode((call.account, call.region, row.name, row.sealed))
        call.platform.outbox.add(tx, AUTHORIZE, payload, id=id, due_ms=call.platform.clock.now_ms())


def _answer(call: Call, row: Connection) -> Result:
    return {
        "ConnectionArn": row.arn(call.account, call.region),
        "ConnectionState": row.state,
        "CreationTime": row.created_s,
        "LastModifiedTime": row.modified_s,
    }


async def create_connection(call: Call, request: Request) -> Result:
    """A connection of any of the three authorization types."""
    _refuse(request)
    name, kind, parameters = request["Name"], request["AuthorizationType"], request["AuthParameters"]
    _check(kind, parameters)
    ids, now_s = call.platform.ids, call.platform.clock.now()
    secret = f"{ids.uuid()}-{ids.letters(6)}"
    row = Connection(name, ids.uuid(), kind, AUTHORIZED, now_s, now_s, secret, public(parameters))
    row.description = request.get("Description")
    row.sealed = await _sealed(call, row.arn(call.account, call.region), parameters)
    _state(row, kind, now_s)
    id = ids.uuid()

    def body(tx: Tx) -> Result:
        if destination_rows.CONNECTIONS.find(tx, call.account, call.region, name) is not None:
            raise Fault("ResourceAlreadyExistsException", f"Connection {name} already exists.")
        destination_rows.CONNECTIONS.put(tx, call.account, call.region, row)
        _authorize_later(tx, call, row, id)
        return _answer(call, row)

    return await once.transact(call, body)


async def update_connection(call: Call, request: Request) -> Result:
    """Set what the request names; parameters of the same authorization type are merged, secrets included."""
    _refuse(request)
    row, seen = await _existing(call, request["Name"])
    kind = request.get("AuthorizationType", row.type)
    parameters = None
    if "AuthParameters" in request or kind != row.type:
        old = await authorization.parameters(call.platform, call.account, call.region, row) if row.sealed else {}
        parameters = _merged(old if kind == row.type else _kept(old), request.get("AuthParameters", {}))
        _check(kind, parameters)
    now_s, id = call.platform.clock.now(), call.platform.ids.uuid()
    row.modified_s = now_s
    row.description = request.get("Description", row.description)
    if parameters is not None:
        row.type, row.shown = kind, public(parameters)
        row.sealed = await _sealed(call, row.arn(call.account, call.region), parameters)
        _state(row, kind, now_s)

    def body(tx: Tx) -> None:
        _replace(tx, call, row, seen)
        _authorize_later(tx, call, row, id)

    await call.platform.store.transact(body)
    authorized = given(LastAuthorizedTime=row.authorized_s)
    return _answer(call, row) | authorized


def _kept(old: dict[str, Any]) -> dict[str, Any]:
    """What stays when the authorization type changes."""
    return {name: value for name, value in old.items() if name == "InvocationHttpParameters"}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged member by member; everything else, lists too, is replaced."""
    merged = dict(old)
    for name, value in new.items():
        known = merged.get(name)
        merged[name] = _merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return merged


async def _existing(call: Call, name: str) -> tuple[Connection, bytes]:
    """The connection, and its row as it was read."""
    key = destination_rows.CONNECTIONS.key(call.account, call.region, name)
    value = await call.platform.store.read(lambda tx: tx.get(key))
    if value is None:
        raise _no_connection(name)
    return destination_rows.CONNECTIONS.decode(value), value


def _replace(tx: Tx, call: Call, row: Connection, seen: bytes) -> None:
    """Write the connection unless it changed since it was `seen`."""
    if tx.get(destination_rows.CONNECTIONS.key(call.account, call.region, row.name)) != seen:
        raise Fault("ConcurrentModificationException", f"Connection {row.name} was modified concurrently.")
    destination_rows.CONNECTIONS.put(tx, call.account, call.region, row)


async def deauthorize_connection(call: Call, request: Request) -> Result:
    """Take the authorization out of a connection."""
    row, seen = await _existing(call, request["Name"])
    last = row.authorized_s
    row.state, row.sealed, row.shown, row.modified_s = DEAUTHORIZED, None, {}, call.platform.clock.now()
    await call.platform.store.transact(lambda tx: _replace(tx, call, row, seen))
    return _answer(call, row) | given(LastAuthorizedTime=last)


async def delete_connection(call: Call, request: Request) -> Result:
    """Delete a connection; API destinations that use it become inactive."""
    name = request["Name"]

    def body(tx: Tx) -> Connection:
        row = destination_rows.CONNECTIONS.find(tx, call.account, call.region, name)
        if row is None:
            raise _no_connection(name)
        tx.delete(destination_rows.CONNECTIONS.key(call.account, call.region, name))
        return row

    row = await call.platform.store.transact(body)
    return _answer(call, row) | {"ConnectionState": "DELETING"} | given(LastAuthorizedTime=row.authorized_s)


async def describe_connection(call: Call, request: Request) -> Result:
    row, _ = await _existing(call, request["Name"])
    return {
        **_answer(call, row),
        **given(
            Name=row.name,
            Description=row.description,
            StateReason=row.reason,
            AuthorizationType=row.type,
            SecretArn=row.secret_arn(call.account, call.region),
            AuthParameters=row.shown,
            LastAuthorizedTime=row.authorized_s,
        ),
    }


async def list_connections(call: Call, request: Request) -> Result:
    """Connections in the order of their names."""
    limit, state = limit_of(request), request.get("ConnectionState")
    found = await call.platform.store.read(
        lambda tx: destination_rows.CONNECTIONS.page(
            tx, call.account, call.region, request.get("NamePrefix", ""), start_of(request), limit + 1
        )
    )
    shown = [
        _answer(call, row)
        | given(Name=row.name, StateReason=row.reason, AuthorizationType=row.type, LastAuthorizedTime=row.authorized_s)
        for row in found[:limit]
        if state is None or row.state == state
    ]
    result: Result = {"Connections": shown}
    if len(found) > limit:
        result["NextToken"] = token_of(found[limit - 1].name)
    return result


async def authorize(platform: Platform, delivery: Delivery) -> None:
    """Ask the authorization endpoint of a connection, and set its state by what it says."""
    account, region, name, sealed = msgspec.msgpack.decode(delivery.payload)
    row = await platform.store.read(lambda tx: destination_rows.CONNECTIONS.find(tx, account, region, name))
    if row is None or row.sealed != sealed:
        return
    reason = None
    try:
        parameters = await authorization.parameters(platform, account, region, row)
        await authorization.fetch_token(platform, parameters["OAuthParameters"])
    except authorization.Unauthorized as refused:
        reason = f"Failed to authorize the connection: {refused}"
    now_s = platform.clock.now()

    def body(tx: Tx) -> None:
        current = destination_rows.CONNECTIONS.find(tx, account, region, name)
        if current is not None and current.sealed == sealed:
            current.state, current.reason = (DEAUTHORIZED, reason[:512]) if reason else (AUTHORIZED, None)
            current.authorized_s = current.authorized_s if reason else now_s
            destination_rows.CONNECTIONS.put(tx, account, region, current)

    await platform.store.transact(body)
