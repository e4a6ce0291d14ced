"""May this request reach its method? Resource policies, IAM signatures and Lambda authorizers of REST APIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from freehold.ports.platform import Platform
from freehold.rules import resource_policies
from freehold.rules.resource_policies import ALLOW, DENY, Caller, Policy
from freehold.services.apigateway import functions, invoking, policies, signed
from freehold.services.apigateway.rest import events
from freehold.services.apigateway.rest.authorizers import sources
from freehold.services.apigateway.rest.exchange import Error, Exchange

AUTHORIZER_SECONDS = 29.0
MAX_DECISIONS = 10_000
UNAUTHORIZED = Error("UNAUTHORIZED", "Unauthorized", "UnauthorizedException")
MISCONFIGURED = Error("AUTHORIZER_CONFIGURATION_ERROR", None, "AuthorizerConfigurationException")
MISSING_TOKEN = Error(
    "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", "MissingAuthenticationTokenException"
)
SIGNATURES = {
    signed.MISSING: MISSING_TOKEN,
    signed.INVALID: Error(
        "INVALID_SIGNATURE",
        "The security token included in the request is invalid.",
        "UnrecognizedClientException",
    ),
    signed.EXPIRED: Error(
        "EXPIRED_TOKEN", "The security token included in the request is expired", "ExpiredTokenException"
    ),
}


class Refused(Exception):
    """The request ends in a gateway response."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.kind)
        self.error = error


@dataclass(frozen=True, slots=True)
class Decision:
    """What a Lambda authorizer said: a policy, and context for the integration."""

    policy: Policy
    context: dict[str, Any]


async def authorize(platform: Platform, exchange: Exchange) -> None:
    """Return where the request may pass; `exchange` then knows who asks. Raises Refused."""
    assert exchange.method is not None
    kind = exchange.method.shape["authorizationType"]
    caller = Caller("", "")
    if kind == "AWS_IAM":
        caller = await _signer(platform, exchange)
    elif kind == "CUSTOM":
        await _function(platform, exchange)
    _check_policy(exchange, caller)


def denied(*, explicit: bool) -> Error:
    """What a policy's refusal says."""
    text = "User is not authorized to access this resource"
    return Error("ACCESS_DENIED", text + (" with an explicit deny" if explicit else ""), "AccessDeniedException")


def _check_policy(exchange: Exchange, caller: Caller) -> None:
    """A resource policy must allow the call; where callers are authenticated otherwise, it must not deny it."""
    policy = exchange.stage.policy
    if policy is None:
        return
    incoming = exchange.incoming
    context = resource_policies.request_context(
        {
            "aws:SourceIp": incoming.source_ip,
            "aws:UserAgent": incoming.user_agent or None,
            "aws:Referer": incoming.headers.get("referer"),
            "aws:SecureTransport": "true",
            "aws:PrincipalArn": caller.arn or None,
            "aws:PrincipalAccount": caller.account or None,
        }
    )
    decision = policy.decide(caller, policies.INVOKE, exchange.arn, context)
    assert exchange.method is not None
    signed_in = exchange.method.shape["authorizationType"] == "AWS_IAM"
    own = signed_in and caller.account == exchange.compiled.owner.account
    if decision == ALLOW or (decision is None and own):
        return
    who = caller.arn or "anonymous"
    arn = exchange.arn
    masked = arn.replace(f":{exchange.compiled.owner.account}:", f":********{exchange.compiled.owner.account[-4:]}:", 1)
    text = f"User: {who} is not authorized to perform: {policies.INVOKE} on resource: {masked}"
    if decision == DENY:
        text += " with an explicit deny"
    raise Refused(Error("ACCESS_DENIED", text, "AccessDeniedException"))


async def _signer(platform: Platform, exchange: Exchange) -> Caller:
    try:
        signer = await signed.signer(platform, exchange.incoming.asked.http, exchange.compiled.owner.account)
    except signed.Unsigned as problem:
        raise Refused(SIGNATURES[problem.reason]) from None
    exchange.identity = {
        "accessKey": signer.access_key,
        "accountId": signer.account,
        "caller": signer.user_id,
        "user": signer.user_id,
        "userArn": signer.arn,
    }
    return Caller(signer.arn, signer.account)


def _identity(exchange: Exchange, authorizer: dict[str, Any]) -> list[str]:
    """The values of the identity sources. Raises Refused where one is missing or does not look right."""
    values = []
    for source in sources(authorizer):
        value = exchange.lookup(source)
        if not value:
            raise Refused(UNAUTHORIZED)
        values.append(value)
    expression = authorizer.get("identityValidationExpression")
    if expression and authorizer["type"] == "TOKEN" and not re.fullmatch(expression, values[0]):
        raise Refused(UNAUTHORIZED)
    return values


async def _function(platform: Platform, exchange: Exchange) -> None:
    assert exchange.method is not None
    authorizer = exchange.method.authorizer
    assert authorizer is not None
    values = _identity(exchange, authorizer)
    ttl = authorizer["authorizerResultTtlInSeconds"]
    decisions, now = exchange.compiled.decisions, platform.clock.monotonic()
    key = (exchange.stage.name, authorizer["id"], *values)
    cached = decisions.get(key) if ttl else None
    if cached is not None and cached[0] > now:
        decision = cached[1]
        assert isinstance(decision, Decision)
    else:
        decision = await _ask(platform, exchange, authorizer, values)
        if ttl:
            if len(decisions) >= MAX_DECISIONS:
                decisions.clear()
            decisions[key] = (now + ttl, decision)
    said = policies.decide(decision.policy, exchange.arn, exchange.incoming.source_ip)
    if said != ALLOW:
        raise Refused(denied(explicit=said == DENY))
    latency = round((platform.clock.monotonic() - now) * 1000)
    exchange.authorizer = decision.context | {"integrationLatency": latency}


async def _ask(platform: Platform, exchange: Exchange, authorizer: dict[str, Any], values: list[str]) -> Decision:
    if authorizer["type"] == "TOKEN":
        event = {"type": "TOKEN", "authorizationToken": values[0], "methodArn": exchange.arn}
    else:
        event = {"type": "REQUEST", "methodArn": exchange.arn} | events.request(exchange)
    function = functions.arn_of(functions.with_variables(authorizer["authorizerUri"], exchange.stage.variables)) or ""
    try:
        payload = await invoking.invoke(
            platform,
            function,
            event,
            trace=exchange.incoming.trace,
            source_arn=exchange.arn,
            seconds=AUTHORIZER_SECONDS,
        )
    except invoking.Uninvoked as problem:
        raise Refused(_failed(problem.payload)) from None
    return _decision(payload)


def _failed(payload: bytes) -> Error:
    """A function that raises "Unauthorized" says 401; any other failure is the API's fault."""
    try:
        said = orjson.loads(payload).get("errorMessage") if payload else None
    except (orjson.JSONDecodeError, AttributeError):
        said = None
    return UNAUTHORIZED if said == "Unauthorized" else MISCONFIGURED


def _decision(payload: bytes) -> Decision:
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Refused(MISCONFIGURED) from None
    policy = policies.compiled(answer.get("policyDocument")) if isinstance(answer, dict) else None
    if policy is None or "principalId" not in answer:
        raise Refused(MISCONFIGURED)
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise Refused(MISCONFIGURED)
    # Objects and arrays are not allowed in the context; numbers and booleans reach functions as strings.
    if any(isinstance(value, (dict, list)) for value in context.values()):
        raise Refused(MISCONFIGURED)
    flat = {name: _text(value) for name, value in context.items() if value is not None}
    return Decision(policy, {"principalId": answer["principalId"]} | flat)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
