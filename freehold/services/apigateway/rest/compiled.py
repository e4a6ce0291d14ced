"""A REST API as the front door needs it, compiled once per version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from freehold.kit import arns
from freehold.rules.http_routes import Routes
from freehold.rules.resource_policies import Policy, compile_policy
from freehold.services.apigateway import access_log, functions, index
from freehold.services.apigateway.buckets import TokenBucket
from freehold.services.apigateway.rest import state
from freehold.services.apigateway.rest.state import Draft, Shape, Space
from freehold.store.base import ReadTx

ACCOUNT_RATE, ACCOUNT_BURST = 10_000.0, 5_000
"""API Gateway's documented default quota per account and region."""
_REST = re.compile(r"\Aexecute-api:/(.*)", re.S)
Line = Callable[[Mapping[str, str]], str]


@dataclass(slots=True)
class Method:
    """One method of one resource, with all that it leads to."""

    name: str
    path: str
    resource_id: str
    shape: Shape
    integration: Shape
    function: str | None
    timeout: float
    authorizer: Shape | None
    bucket: TokenBucket


@dataclass(slots=True)
class Stage:
    """One stage: the API as it was deployed, and the stage's own settings."""

    name: str
    deployment_id: str
    api: Shape
    resources: Routes[dict[str, Method]]
    variables: dict[str, str]
    binary: frozenset[str]
    responses: dict[str, Shape]
    policy: Policy | None
    tracing: bool
    log_group: str | None
    log_line: Line | None

    def is_binary(self, content_type: str | None) -> bool:
        """Is a body of this type kept as bytes?"""
        if not self.binary or "*/*" in self.binary:
            return bool(self.binary)
        kind = (content_type or "").partition(";")[0].strip().lower()
        return kind in self.binary or f"{kind.partition('/')[0]}/*" in self.binary


@dataclass(slots=True)
class Compiled:
    """A REST API with its stages."""

    version: bytes
    owner: index.Owner
    name: str
    stages: dict[str, Stage]
    decisions: dict[tuple[str, ...], tuple[float, object]] = field(default_factory=dict)
    """Cached decisions of Lambda authorizers: identity -> (monotonic expiry, decision)."""


def load(tx: ReadTx, api_id: str, owner: index.Owner, version: bytes, now: float) -> Compiled:
    """Compile an API with its stages."""
    space = Space(owner.account, owner.region)
    draft = state.find(tx, space, api_id)
    stages = {}
    for shape in state.stages(tx, space, api_id):
        deployed = state.find_deployment(tx, space, api_id, shape["deploymentId"]).draft
        prefix = arns.make("execute-api", owner.region, owner.account, api_id)
        stages[shape["stageName"]] = _stage(shape, deployed, prefix, now)
    return Compiled(version, owner, draft.api["name"], stages)


def _policy(text: str | None, prefix: str) -> Policy | None:
    """A resource policy, its short resources (`execute-api:/stage/METHOD/path`) written out for this API."""
    if not text:
        return None
    document = orjson.loads(text)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    for statement in statements:
        for member in ("Resource", "NotResource"):
            if member in statement:
                given = statement[member] if isinstance(statement[member], list) else [statement[member]]
                statement[member] = [_REST.sub(lambda found: f"{prefix}/{found[1]}", one, count=1) for one in given]
    return compile_policy(orjson.dumps(document).decode())


def _stage(shape: Shape, deployed: Draft, prefix: str, now: float) -> Stage:
    variables = shape.get("variables", {})
    resources = []
    for resource in deployed.resources.values():
        methods = {
            name: _method(resource, method, deployed, variables, _bucket(shape, resource["path"], name, now))
            for name, method in resource["resourceMethods"].items()
        }
        if methods:
            resources.append((f"ANY {resource['path']}", methods))
    log = shape.get("accessLogSettings") or {}
    logged = bool(log.get("destinationArn") and log.get("format"))
    return Stage(
        shape["stageName"],
        shape["deploymentId"],
        deployed.api,
        Routes(resources),
        variables,
        frozenset(kind.lower() for kind in deployed.api.get("binaryMediaTypes", [])),
        deployed.gateway_responses,
        _policy(deployed.api.get("policy"), prefix),
        shape["tracingEnabled"],
        access_log.log_group(log["destinationArn"]) if logged else None,
        access_log.compile_format(log["format"]) if logged else None,
    )


def _bucket(stage: Shape, path: str, method: str, now: float) -> TokenBucket:
    """The most specific throttle of a method; every method has its own bucket."""
    settings = stage["methodSettings"]
    escaped = path.replace("/", "~1")
    found: Shape = {}
    for key in ("*/*", f"*/{method}", f"{escaped}/*", f"{escaped}/{method}"):
        found = found | settings.get(key, {})
    rate, burst = found.get("throttlingRateLimit", ACCOUNT_RATE), found.get("throttlingBurstLimit", ACCOUNT_BURST)
    return TokenBucket(rate, burst, now)


def _method(resource: Shape, method: Shape, deployed: Draft, variables: dict[str, str], bucket: TokenBucket) -> Method:
    integration = method["methodIntegration"]
    function = None
    if integration["type"] == "AWS_PROXY":
        function = functions.arn_of(functions.with_variables(integration["uri"], variables))
    return Method(
        method["httpMethod"],
        resource["path"],
        resource["id"],
        method,
        integration,
        function,
        integration["timeoutInMillis"] / 1000,
        deployed.authorizers.get(method.get("authorizerId", "")),
        bucket,
    )
