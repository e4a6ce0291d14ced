"""May this request reach its route? JWT, Lambda and IAM authorization of HTTP APIs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from freehold.kit import arns
from freehold.ports.platform import Platform
from freehold.rules.resource_policies import ALLOW, Policy
from freehold.services.apigateway import functions, invoking, policies, signed
from freehold.services.apigateway.http import events
from freehold.services.apigateway.http.compiled import Compiled, Route, Stage
from freehold.services.apigateway.incoming import Incoming

AUTHORIZER_SECONDS = 10.0
MAX_DECISIONS = 10_000


class Refused(Exception):
    """The request is answered with this status: 401, 403 or 500."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Decision:
    """What a Lambda authorizer said: a policy, or a plain yes or no; and context for the integration."""

    allowed: bool
    policy: Policy | None
    context: dict[str, Any]

    def permits(self, arn: str, source_ip: str) -> bool:
        if self.policy is None:
            return self.allowed
        return policies.decide(self.policy, arn, source_ip) == ALLOW


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
        claims = await jwt.claims_of(platform, token, settings["Issuer"], settings["Audience"])
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
    if not decision.permits(arn, incoming.source_ip):
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
        payload = await invoking.invoke(
            platform, function, event, trace=incoming.trace, source_arn=arn, seconds=AUTHORIZER_SECONDS
        )
    except invoking.Uninvoked:
        raise Refused(500) from None
    return _decision(payload, simple=bool(authorizer.get("EnableSimpleResponses")))


def _decision(payload: bytes, *, simple: bool) -> Decision:
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Refused(500) from None
    if not isinstance(answer, dict):
        raise Refused(500)
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise Refused(500)
    if simple:
        if not isinstance(answer.get("isAuthorized"), bool):
            raise Refused(500)
        return Decision(answer["isAuthorized"], None, context)
    policy = policies.compiled(answer.get("policyDocument"))
    if policy is None or "principalId" not in answer:
        raise Refused(500)
    return Decision(False, policy, {"principalId": answer["principalId"]} | context)


async def _iam(platform: Platform, incoming: Incoming) -> dict[str, Any]:
    try:
        signer = await signed.signer(platform, incoming.asked.http, incoming.account)
    except signed.Unsigned:
        raise Refused(403) from None
    return {
        "iam": {
            "accessKey": signer.access_key,
            "accountId": signer.account,
            "callerId": signer.user_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": signer.arn,
            "userId": signer.user_id,
        }
    }
