"""May this request reach its route? JWT, Lambda and IAM authorization of HTTP APIs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Cause
from freehold.ports.platform import Platform
from freehold.services.apigateway import functions, outbound, policies
from freehold.services.apigateway.http import events
from freehold.services.apigateway.http.compiled import Compiled, Route, Stage
from freehold.services.apigateway.incoming import Incoming
from freehold.wire import sigv4

AUTHORIZER_SECONDS = 10.0
SOURCE = "apigateway.amazonaws.com"
MAX_DECISIONS = 10_000


class Refused(Exception):
    """The request is answered with this status: 401, 403 or 500."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Decision:
    """What a Lambda authorizer said: a policy document, or a plain yes or no; and context for the integration."""

    allowed: bool
    document: Any
    context: dict[str, Any]

    def permits(self, arn: str) -> bool:
        return policies.allows(self.document, arn) if self.document is not None else self.allowed


async def authorize(
    platform: Platform, compiled: Compiled, stage: Stage, route: Route, incoming: Incoming
) -> dict[str, Any] | None:
    """The `authorizer` of the request context, or None on open routes. Raises Refused."""
    kind = route.shape.get("AuthorizationType", "NONE")
    if kind == "NONE":
        return None
    if kind == "AWS_IAM":
        return await _iam(platform, incoming)
    assert route.authorizer is not None
    if kind == "JWT":
        return await _jwt(platform, route, incoming)
    return await _function(platform, compiled, stage, route, incoming)


async def _jwt(platform: Platform, route: Route, incoming: Incoming) -> dict[str, Any]:
    from freehold.services.apigateway import jwt  # at first use: its cryptography takes 50 ms to import

    assert route.authorizer is not None
    token = source_value(route.authorizer["IdentitySource"][0], incoming, route.key, {})
    if not token:
        raise Refused(401)
    settings, wanted = route.authorizer["JwtConfiguration"], route.shape.get("AuthorizationScopes", [])
    try:
        claims = await jwt.claims_of(
            platform, outbound.client(platform), token, settings["Issuer"], settings["Audience"]
        )
        jwt.check_scopes(claims, wanted)
    except jwt.Invalid:
        raise Refused(401) from None
    except jwt.Insufficient:
        raise Refused(403) from None
    return {"jwt": {"claims": {name: _claim(value) for name, value in claims.items()}, "scopes": wanted or None}}


def _claim(value: Any) -> str:
    """Claims reach functions as strings; lists as `[a b]`."""
    if isinstance(value, list):
        return f"[{' '.join(map(str, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def source_value(source: str, incoming: Incoming, route_key: str, variables: dict[str, str]) -> str:
    """The value of an identity source, empty where the request has none."""
    kind, _, name = source.removeprefix("$").partition(".")
    if kind == "request":
        where, _, name = name.partition(".")
        if where == "header":
            return incoming.headers.get(name.lower(), "")
        return ",".join(incoming.query.get(name, []))
    if kind == "stageVariables":
        return variables.get(name, "")
    known = {
        "routeKey": route_key,
        "stage": incoming.stage,
        "apiId": incoming.api_id,
        "httpMethod": incoming.method,
        "path": incoming.raw_path,
        "identity.sourceIp": incoming.source_ip,
    }
    return known.get(name, "")


def method_arn(compiled: Compiled, incoming: Incoming) -> str:
    """`arn:aws:execute-api:region:account:api/stage/METHOD/path`."""
    path = f"{incoming.api_id}/{incoming.stage}/{incoming.method}/{incoming.path.lstrip('/')}"
    return arns.make("execute-api", compiled.owner.region, compiled.owner.account, path)


async def _function(
    platform: Platform, compiled: Compiled, stage: Stage, route: Route, incoming: Incoming
) -> dict[str, Any]:
    authorizer = route.authorizer
    assert authorizer is not None
    sources = authorizer.get("IdentitySource", [])
    values = [source_value(source, incoming, route.key, stage.variables) for source in sources]
    if not all(values):
        raise Refused(401)
    arn = method_arn(compiled, incoming)
    ttl = authorizer.get("AuthorizerResultTtlInSeconds", 0)
    key, now = (authorizer["AuthorizerId"], *values), platform.clock.monotonic()
    cached = compiled.decisions.get(key) if ttl else None
    if cached is not None and cached[0] > now:
        decision = cached[1]
        assert isinstance(decision, Decision)
    else:
        decision = await _ask(platform, compiled, stage, route, incoming, values, arn)
        if ttl:
            if len(compiled.decisions) >= MAX_DECISIONS:
                compiled.decisions.clear()
            compiled.decisions[key] = (now + ttl, decision)
    if not decision.permits(arn):
        raise Refused(403)
    return {"lambda": decision.context}


async def _ask(
    platform: Platform,
    compiled: Compiled,
    stage: Stage,
    route: Route,
    incoming: Incoming,
    values: list[str],
    arn: str,
) -> Decision:
    authorizer = route.authorizer
    assert authorizer is not None
    if authorizer["AuthorizerPayloadFormatVersion"] == "2.0":
        event = events.version_2(incoming, route.key, stage.variables, None, with_body=False)
        event |= {"type": "REQUEST", "routeArn": arn, "identitySource": values or None}
    else:
        event = events.version_1(incoming, route.key, stage.variables, None)
        del event["body"], event["isBase64Encoded"]
        joined = ",".join(values)
        event |= {"type": "REQUEST", "methodArn": arn, "identitySource": joined, "authorizationToken": joined}
    function = functions.arn_of(functions.with_variables(authorizer["AuthorizerUri"], stage.variables)) or ""
    try:
        invoked = await asyncio.wait_for(
            platform.functions.invoke(
                function, orjson.dumps(event), cause=Cause(incoming.trace), source=SOURCE, source_arn=arn
            ),
            AUTHORIZER_SECONDS,
        )
    except (Fault, TimeoutError):
        raise Refused(500) from None
    if invoked.function_error is not None or not isinstance(invoked.payload, bytes):
        raise Refused(500)
    return _decision(orjson.loads(invoked.payload), simple=bool(authorizer.get("EnableSimpleResponses")))


def _decision(answer: Any, *, simple: bool) -> Decision:
    if not isinstance(answer, dict):
        raise Refused(500)
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise Refused(500)
    if simple:
        if not isinstance(answer.get("isAuthorized"), bool):
            raise Refused(500)
        return Decision(answer["isAuthorized"], None, context)
    if "principalId" not in answer or not isinstance(answer.get("policyDocument"), dict):
        raise Refused(500)
    return Decision(False, answer["policyDocument"], {"principalId": answer["principalId"]} | context)


async def _iam(platform: Platform, incoming: Incoming) -> dict[str, Any]:
    """AWS_IAM: a signature by a known key; which actions it may do is enforced with IAM's own issue."""
    http = incoming.asked.http
    try:
        signature = sigv4.read_signature(http)
        if signature is None or signature.service != "execute-api":
            raise Refused(403)
        credential = await platform.identity.credential(signature.access_key, signature.token)
        if platform.settings.guarded:
            if credential is None:
                raise Refused(403)
            sigv4.verify(http, signature, credential.secret_access_key, wall=platform.clock.wall())
    except sigv4.AuthFailure:
        raise Refused(403) from None
    principal = credential.principal if credential else None
    return {
        "iam": {
            "accessKey": signature.access_key,
            "accountId": principal.account if principal else incoming.account,
            "callerId": principal.user_id if principal else incoming.account,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": principal.arn if principal else f"arn:aws:iam::{incoming.account}:root",
            "userId": principal.user_id if principal else incoming.account,
        }
    }
