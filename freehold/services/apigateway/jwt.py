"""Checking JSON Web Tokens against their issuer's keys.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html: RSA algorithms only; issuer,
audience or client_id, expiry, not-before and issued-at are checked; scopes where the route asks for them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from freehold.ports.platform import Platform
from freehold.services.apigateway import outbound
from freehold.work.outgoing import Unreached

ALGORITHMS = ["RS256", "RS384", "RS512"]
KEYS_SECONDS = 7_200
"""API Gateway may cache an issuer's keys for two hours."""
REFRESH_SECONDS = 10
"""Unknown key ids make it ask the issuer again, but not more often than this."""
FETCH_SECONDS = 5.0
MAX_DOCUMENT = 1 << 20


class Invalid(Exception):
    """The token is not acceptable: 401."""


class Insufficient(Exception):
    """The token lacks the scopes: 403."""


@dataclass(slots=True)
class _Keys:
    keys: KeySet
    ids: frozenset[str]
    fetched: float


async def claims_of(platform: Platform, token: str, issuer: str, audience: list[str]) -> dict[str, Any]:
    """The claims of a token that is good now. Raises Invalid."""
    token = token.removeprefix("Bearer ").removeprefix("bearer ").strip()
    keys = await _keys(platform, issuer, _key_id(token))
    try:
        claims = dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
    except (JoseError, ValueError) as problem:
        raise Invalid(str(problem)) from None
    _check(claims, issuer, audience, platform.clock.wall())
    return claims


def _check(claims: dict[str, Any], issuer: str, audience: list[str], now: float) -> None:
    if claims.get("iss") != issuer:
        raise Invalid("the issuer is another one")
    named = claims.get("aud", claims.get("client_id"))
    if not set(named if isinstance(named, list) else [named]) & set(audience):
        raise Invalid("the audience is another one")
    for claim in ("exp", "nbf", "iat"):
        value = claims.get(claim)
        if value is None and claim != "exp":
            continue
        if not isinstance(value, (int, float)) or (now >= value if claim == "exp" else now < value):
            raise Invalid(f"the claim {claim} does not hold")


def check_scopes(claims: dict[str, Any], wanted: list[str]) -> None:
    """One of the route's scopes must be among the token's. Raises Insufficient."""
    given = claims.get("scope", claims.get("scp", ""))
    scopes = set(given if isinstance(given, list) else str(given).split())
    if wanted and not scopes & set(wanted):
        raise Insufficient


def _key_id(token: str) -> str:

    head = token.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        raise Invalid("not a token") from None
    return str(header.get("kid", "")) if isinstance(header, dict) else ""


async def _keys(platform: Platform, issuer: str, key_id: str) -> KeySet:
    cache: dict[str, _Keys] = platform.own.setdefault("apigateway.keys", {})
    now = platform.clock.monotonic()
    found = cache.get(issuer)
    if (
        found is None
        or now - found.fetched > KEYS_SECONDS
        or (key_id not in found.ids and now - found.fetched > REFRESH_SECONDS)
    ):
        found = cache[issuer] = await _fetch(platform, issuer, now)
    return found.keys


async def _fetch(platform: Platform, issuer: str, now: float) -> _Keys:
    try:
        configuration = await _document(platform, issuer.rstrip("/") + "/.well-known/openid-configuration")
        document = await _document(platform, str(configuration["jwks_uri"]))
        keys = KeySet.import_key_set(document)  # type: ignore[arg-type]
    except (Unreached, KeyError, ValueError, JoseError) as problem:
        raise Invalid(f"the issuer's keys cannot be had: {problem}") from None
    return _Keys(keys, frozenset(str(key.get("kid", "")) for key in document["keys"]), now)


async def _document(platform: Platform, url: str) -> dict[str, Any]:
    answer = await outbound.pool(platform).send("GET", url, [], b"", seconds=FETCH_SECONDS, most=MAX_DOCUMENT)
    if answer.status != 200:
        raise ValueError(f"the issuer answered {answer.status}")
    document = orjson.loads(answer.body)
    if not isinstance(document, dict):
        raise ValueError("the issuer's document is no object")
    return document
