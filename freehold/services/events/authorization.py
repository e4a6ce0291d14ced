"""What a connection adds to a request: its authorization, and headers, query parameters and body of its own.

OAuth tokens are fetched from the connection's authorization endpoint and kept in memory until shortly before they
expire; an answer of 401 or 407 drops them (CreateConnection: "OAUTH tokens are refreshed when a 401 or 407 response is
returned").
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from freehold.services.events.destination_rows import Connection
from freehold.work.outgoing import Pool, Unreached
from freehold.work.sealing import Sealer

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TOKEN_TIMEOUT_S = 5.0
EARLY_S = 60.0
"""A token that expires within this time is fetched anew, if it lives longer than twice that at all."""
UNKNOWN_LIFE_S = 300.0


class Unauthorized(Exception):
    """The connection has no authorization, or its authorization endpoint gives none; `str()` says why. `again`: it may
    later, the endpoint could not be asked or had an error of its own."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(slots=True)
class Extra:
    """What goes onto a request."""

    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Token:
    sealed: bytes
    """The connection's parameters for which it was given: an update makes it stale."""
    header: str
    expires: float
    """Wall seconds."""


def sealer(platform: Platform) -> Sealer:
    """The sealer of connections' secrets."""
    found = platform.own.get("events.sealer")
    if found is None:
        found = platform.own["events.sealer"] = Sealer(platform.store, platform.ids)
    assert isinstance(found, Sealer)
    return found


def pool(platform: Platform) -> Pool:
    """The connections of EventBridge."""
    return platform.outgoing.pool("events")


async def parameters(platform: Platform, account: str, region: str, row: Connection) -> dict[str, Any]:
    """The connection's parameters with their secrets. Raises Unauthorized."""
    if row.sealed is None:
        raise Unauthorized(f"Connection {row.name} is not authorized.")
    opened: dict[str, Any] = orjson.loads(
        await sealer(platform).open(account, region, row.arn(account, region), row.sealed)
    )
    return opened


async def extra(platform: Platform, account: str, region: str, row: Connection) -> Extra:
    """What the connection adds to a request. Raises Unauthorized."""
    given = await parameters(platform, account, region, row)
    added = _http_parameters(given.get("InvocationHttpParameters", {}))
    if row.type == "BASIC":
        basic = given["BasicAuthParameters"]
        added.headers["Authorization"] = _basic(basic["Username"], basic["Password"])
    elif row.type == "API_KEY":
        key = given["ApiKeyAuthParameters"]
        added.headers[key["ApiKeyName"]] = key["ApiKeyValue"]
    else:
        added.headers["Authorization"] = await _token(platform, account, region, row, given["OAuthParameters"])
    return added


def _http_parameters(given: dict[str, Any]) -> Extra:
    def named(member: str) -> dict[str, str]:
        return {each["Key"]: each.get("Value", "") for each in given.get(member, []) if each.get("Key")}

    return Extra(named("HeaderParameters"), named("QueryStringParameters"), named("BodyParameters"))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def forget_token(platform: Platform, arn: str) -> None:
    """The endpoint did not take the token."""
    platform.own.setdefault("events.tokens", {}).pop(arn, None)


async def _token(platform: Platform, account: str, region: str, row: Connection, given: dict[str, Any]) -> str:
    """The Authorization header by OAuth; fetched once, however many calls ask for it."""
    arn, sealed = row.arn(account, region), row.sealed or b""
    tokens: dict[str, _Token] = platform.own.setdefault("events.tokens", {})
    locks: dict[str, asyncio.Lock] = platform.own.setdefault("events.token locks", {})
    async with locks.setdefault(arn, asyncio.Lock()):
        known = tokens.get(arn)
        if known is None or known.sealed != sealed or known.expires <= platform.clock.wall():
            header, life = await fetch_token(platform, given)
            early = EARLY_S if life > 2 * EARLY_S else 0.0
            known = tokens[arn] = _Token(sealed, header, platform.clock.wall() + life - early)
    return known.header


async def fetch_token(platform: Platform, given: dict[str, Any]) -> tuple[str, float]:
    """An Authorization header from the authorization endpoint and the seconds it lives. Raises Unauthorized.

    The client's id and secret go into the form of the request (or its query, by GET), as RFC 6749, 2.3.1 has it.
    """
    client, added = given["ClientParameters"], _http_parameters(given.get("OAuthHttpParameters", {}))
    form = {
        "grant_type": "client_credentials",
        "client_id": client["ClientID"],
        "client_secret": client["ClientSecret"],
        **added.body,
    }
    method, query = given["HttpMethod"], dict(added.query)
    headers, body = {"Accept": "application/json", **added.headers}, b""
    if method == "GET":
        query |= form
    else:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        body = urlencode(form).encode()
    try:
        answer = await pool(platform).send(
            method, with_query(given["AuthorizationEndpoint"], query), headers, body, seconds=TOKEN_TIMEOUT_S
        )
    except Unreached as unreached:
        raise Unauthorized(f"The authorization endpoint could not be asked: {unreached}.", again=True) from None
    if not 200 <= answer.status < 300:
        raise Unauthorized(f"The authorization endpoint answered {answer.status}.", again=answer.status >= 500)
    return _read_token(answer.body)


def _read_token(body: bytes) -> tuple[str, float]:
    try:
        said = orjson.loads(body)
        token, life = said["access_token"], said.get("expires_in")
        seconds = UNKNOWN_LIFE_S if life is None else max(0.0, float(life))
        kind = said.get("token_type") or "Bearer"
        if not isinstance(token, str) or not isinstance(kind, str):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unauthorized("The authorization endpoint answered without an access token.") from None
    return f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}", seconds


def with_query(url: str, query: dict[str, str]) -> str:
    """The URL with further query parameters."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
