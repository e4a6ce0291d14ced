"""Amazon API Gateway: HTTP APIs (apigatewayv2)."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.apigateway import outbound
from freehold.services.apigateway.http import apis, authorizers, integrations, openapi, resources, routes, serve, stages


def http_arn(call: Call) -> str:
    """`arn:aws:apigateway:region::/apis/...` of what the call's path names."""
    path = "/apis"
    for member, noun in (
        ("ApiId", ""),
        ("RouteId", "/routes"),
        ("IntegrationId", "/integrations"),
        ("AuthorizerId", "/authorizers"),
        ("StageName", "/stages"),
        ("DeploymentId", "/deployments"),
    ):
        if member in call.params:
            path += f"{noun}/{call.params[member]}"
    return f"arn:aws:apigateway:{call.region}::{path}"


HTTP = Manifest(
    model="apigatewayv2",
    handlers=(apis, openapi, routes, integrations, authorizers, stages),
    types=resources.TYPES,
    arn=http_arn,
    prefix="apigateway",
    hosts={"execute-api": serve.serve},
    stop=outbound.close,
)
MANIFESTS = (HTTP,)
