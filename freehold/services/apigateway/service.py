"""Amazon API Gateway: HTTP APIs (apigatewayv2) and REST APIs (apigateway). Both answer behind one door."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.apigateway import check, deletion, door
from freehold.services.apigateway.http import apis, authorizers, integrations, openapi, resources, routes, stages
from freehold.services.apigateway.port import AddressesPort
from freehold.services.apigateway.rest import apis as rest_apis
from freehold.services.apigateway.rest import authorizers as rest_authorizers
from freehold.services.apigateway.rest import export as rest_export
from freehold.services.apigateway.rest import gateway_responses as rest_gateway_responses
from freehold.services.apigateway.rest import integrations as rest_integrations
from freehold.services.apigateway.rest import methods as rest_methods
from freehold.services.apigateway.rest import models as rest_models
from freehold.services.apigateway.rest import openapi as rest_openapi
from freehold.services.apigateway.rest import resources as rest_resources
from freehold.services.apigateway.rest import stages as rest_stages
from freehold.services.apigateway.rest import tree as rest_tree


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


def rest_arn(call: Call) -> str:
    """`arn:aws:apigateway:region::/restapis/...` of what the call's path names."""
    if call.operation.name.endswith("Account"):
        return f"arn:aws:apigateway:{call.region}::/account"
    path = "/restapis"
    for member, noun in (
        ("restApiId", ""),
        ("resourceId", "/resources"),
        ("httpMethod", "/methods"),
        ("stageName", "/stages"),
        ("deploymentId", "/deployments"),
        ("authorizerId", "/authorizers"),
        ("responseType", "/gatewayresponses"),
        ("modelName", "/models"),
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
    hosts={"execute-api": door.serve},
    ports=lambda platform: {"addresses": AddressesPort(platform)},
)
REST = Manifest(
    model="apigateway",
    handlers=(
        rest_apis,
        rest_openapi,
        rest_export,
        rest_tree,
        rest_methods,
        rest_integrations,
        rest_authorizers,
        rest_gateway_responses,
        rest_models,
        rest_stages,
    ),
    types=rest_resources.TYPES,
    arn=rest_arn,
    prefix="apigateway",
    timers={deletion.SWEEP: deletion.sweep},
    check=check.check,
)
MANIFESTS = (HTTP, REST)
