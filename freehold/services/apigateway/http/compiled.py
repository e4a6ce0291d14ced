"""An HTTP API as the front door needs it, compiled once per version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from freehold.rules.http_routes import Routes
from freehold.services.apigateway import access_log, functions, index
from freehold.services.apigateway.buckets import TokenBucket
from freehold.services.apigateway.http import state
from freehold.services.apigateway.http.cors import Cors
from freehold.services.apigateway.http.state import Draft, Shape, Space
from freehold.store.base import ReadTx

ACCOUNT_RATE, ACCOUNT_BURST = 10_000.0, 5_000
"""API Gateway's documented default quota per account and region; routes without limits of their own share the stage's."""
Line = Callable[[Mapping[str, str]], str]


@dataclass(slots=True)
class Route:
    """One route of one stage, with all that it leads to."""

    key: str
    shape: Shape
    integration: Shape | None
    authorizer: Shape | None
    function: str | None
    timeout: float
    bucket: TokenBucket


@dataclass(slots=True)
class Stage:
    """One stage: the routes of its deployment and its own settings."""

    name: str
    routes: Routes[Route]
    variables: dict[str, str]
    cors: Cors | None
    log_group: str | None
    log_line: Line | None


@dataclass(slots=True)
class Compiled:
    """An API with its stages."""

    version: bytes
    owner: index.Owner
    api: Shape
    stages: dict[str, Stage]
    names: frozenset[str]
    decisions: dict[tuple[str, ...], tuple[float, object]] = field(default_factory=dict)
    """Cached decisions of Lambda authorizers: identity -> (monotonic expiry, decision)."""


def load(tx: ReadTx, api_id: str, owner: index.Owner, version: bytes, now: float) -> Compiled:
    """Compile an API with its stages."""
    space = Space(owner.account, owner.region)
    draft = state.find(tx, space, api_id)
    stages = {}
    for shape in state.stages(tx, space, api_id):
        if "DeploymentId" in shape:
            deployed = state.find_deployment(tx, space, api_id, shape["DeploymentId"]).draft
            stages[shape["StageName"]] = _stage(shape, deployed, draft, now)
    return Compiled(version, owner, draft.api, stages, frozenset(stages))


def _stage(shape: Shape, deployed: Draft, draft: Draft, now: float) -> Stage:
    variables = shape.get("StageVariables", {})
    shared = TokenBucket(ACCOUNT_RATE, ACCOUNT_BURST, now)
    default = shape.get("DefaultRouteSettings", {})
    if "ThrottlingRateLimit" in default or "ThrottlingBurstLimit" in default:
        shared = _bucket(default, now)
    routes = []
    for route in deployed.routes.values():
        settings = shape.get("RouteSettings", {}).get(route["RouteKey"], {})
        own = "ThrottlingRateLimit" in settings or "ThrottlingBurstLimit" in settings
        routes.append(
            (route["RouteKey"], _route(route, deployed, variables, _bucket(settings, now) if own else shared))
        )
    # CORS belongs to the API, and changes of it need no deployment.
    cors = draft.api.get("CorsConfiguration")
    log = shape.get("AccessLogSettings")
    return Stage(
        shape["StageName"],
        Routes(routes),
        variables,
        Cors(cors) if cors else None,
        access_log.log_group(log["DestinationArn"]) if log else None,
        access_log.compile_format(log["Format"]) if log else None,
    )


def _bucket(settings: Shape, now: float) -> TokenBucket:
    rate = settings.get("ThrottlingRateLimit", ACCOUNT_RATE)
    return TokenBucket(rate, settings.get("ThrottlingBurstLimit", ACCOUNT_BURST), now)


def _route(route: Shape, deployed: Draft, variables: dict[str, str], bucket: TokenBucket) -> Route:
    integration = deployed.integrations.get(route.get("Target", "").rpartition("/")[2])
    function = None
    if integration is not None and integration["IntegrationType"] == "AWS_PROXY" and "IntegrationUri" in integration:
        function = functions.arn_of(functions.with_variables(integration["IntegrationUri"], variables))
    return Route(
        route["RouteKey"],
        route,
        integration,
        deployed.authorizers.get(route.get("AuthorizerId", "")),
        function,
        (integration or {}).get("TimeoutInMillis", 30_000) / 1000,
        bucket,
    )
