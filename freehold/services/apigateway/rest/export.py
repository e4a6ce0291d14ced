"""GetExport: a stage of a REST API as a definition that imports to the same API."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway import definitions
from freehold.services.apigateway.rest import state
from freehold.services.apigateway.rest.common import Request, bad, space
from freehold.services.apigateway.rest.operations import INTEGRATION, METHODS, PLACES, X
from freehold.services.apigateway.rest.state import Draft, Shape
from freehold.store.base import ReadTx

LOWER = {name: key for key, name in METHODS.items()}
IN = {place: name for name, place in PLACES.items()}


async def get_export(call: Call, request: Request) -> Shape:
    kind, where = request["exportType"], space(call)
    if kind not in ("swagger", "oas30"):
        raise bad("Invalid export type specified. Valid options are swagger, oas30")
    wanted = request.get("parameters", {}).get("extensions", "")
    extensions = {part.strip() for part in wanted.split(",") if part.strip()}
    if extensions - {"apigateway", "integrations", "authorizers"}:
        raise not_implemented(f"extensions {wanted} of apigateway:GetExport")
    if "apigateway" in extensions:
        extensions |= {"integrations", "authorizers"}

    def body(tx: ReadTx) -> Draft:
        state.find(tx, where, request["restApiId"])
        stage = state.require_stage(tx, where, request["restApiId"], request["stageName"])
        return state.find_deployment(tx, where, request["restApiId"], stage["deploymentId"]).draft

    deployed = await call.platform.store.read(body)
    document = exported(deployed, swagger=kind == "swagger", extensions=extensions)
    accepts = request.get("accepts", "application/json")
    if "yaml" not in accepts and "json" not in accepts and "*/*" not in accepts:
        raise Fault("BadRequestException", f"Invalid content type specified: {accepts}")
    suffix = "yaml" if "yaml" in accepts else "json"
    name = f'attachment; filename="{kind}_{deployed.api["createdDate"]}.{suffix}"'
    data = await definitions.write(document, as_yaml=suffix == "yaml")
    return {"contentType": f"application/{suffix}", "contentDisposition": name, "body": data}


def exported(deployed: Draft, *, swagger: bool, extensions: set[str]) -> dict[str, Any]:
    """The definition of a deployed draft."""
    api = deployed.api
    document: dict[str, Any] = {"swagger": "2.0"} if swagger else {"openapi": "3.0.1"}
    info = {"title": api["name"], "version": api.get("version", "")}
    document["info"] = info | ({"description": api["description"]} if "description" in api else {})
    paths: dict[str, Any] = {}
    for resource in sorted(deployed.resources.values(), key=lambda one: str(one["path"])):
        if resource["resourceMethods"]:
            paths[resource["path"]] = {
                LOWER[name]: _operation(deployed, method, swagger, extensions)
                for name, method in resource["resourceMethods"].items()
            }
    document["paths"] = paths
    schemas = {name: orjson.loads(model["schema"] or "{}") for name, model in deployed.models.items()}
    schemes = _schemes(deployed, extensions)
    if swagger:
        document |= {"definitions": schemas} if schemas else {}
        document |= {"securityDefinitions": schemes} if schemes else {}
    else:
        components = {"schemas": schemas, "securitySchemes": schemes}
        document["components"] = {name: value for name, value in components.items() if value}
    if "apigateway" in extensions:
        _top_level(deployed, document)
    return document


def _top_level(deployed: Draft, document: dict[str, Any]) -> None:
    api = deployed.api
    if deployed.gateway_responses:
        document[f"{X}gateway-responses"] = {
            kind: {name: value for name, value in response.items() if name != "responseType"}
            for kind, response in deployed.gateway_responses.items()
        }
    if api.get("binaryMediaTypes"):
        document[f"{X}binary-media-types"] = api["binaryMediaTypes"]
    if api.get("policy"):
        document[f"{X}policy"] = orjson.loads(api["policy"])


def _operation(deployed: Draft, method: Shape, swagger: bool, extensions: set[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {}
    if "operationName" in method:
        operation["operationId"] = method["operationName"]
    parameters = [_parameter(name, required, swagger) for name, required in method.get("requestParameters", {}).items()]
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = {
        status: {"description": f"{status} response"} | _headers(response, swagger)
        for status, response in method.get("methodResponses", {}).items()
    }
    authorizer = deployed.authorizers.get(method.get("authorizerId", ""))
    if authorizer is not None:
        operation["security"] = [{authorizer["name"]: []}]
    elif method["authorizationType"] == "AWS_IAM":
        operation["security"] = [{"sigv4": []}]
    if "integrations" in extensions:
        operation[f"{X}integration"] = _integration(method["methodIntegration"])
    return operation


def _parameter(source: str, required: bool, swagger: bool) -> dict[str, Any]:
    place, _, name = source.removeprefix("method.request.").partition(".")
    kind = {"type": "string"}
    shape = {"name": name, "in": IN.get(place, "query"), "required": required}
    return shape | (kind if swagger else {"schema": kind})


def _headers(response: Shape, swagger: bool) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "string"}
    names = [name.removeprefix("method.response.header.") for name in response.get("responseParameters", {})]
    return {"headers": {name: kind if swagger else {"schema": kind} for name in names}} if names else {}


def _integration(integration: Shape) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": integration["type"].lower()}
    for name, member in INTEGRATION.items():
        if member in integration and member not in ("cacheNamespace", "responseTransferMode"):
            value = integration[member]
            shape[name] = value.lower() if member == "passthroughBehavior" else value
    responses = integration.get("integrationResponses", {})
    if responses:
        shape["responses"] = {
            response.get("selectionPattern") or "default": {
                name: value for name, value in response.items() if name != "selectionPattern"
            }
            for response in responses.values()
        }
    return shape


def _schemes(deployed: Draft, extensions: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for authorizer in deployed.authorizers.values():
        header = authorizer.get("identitySource", "").partition(",")[0].rpartition("method.request.header.")[2]
        token = authorizer["type"] == "TOKEN"
        scheme: dict[str, Any] = {"type": "apiKey", "name": header if token else "Unused", "in": "header"}
        if "authorizers" in extensions:
            scheme[f"{X}authtype"] = authorizer.get("authType", "custom")
            scheme[f"{X}authorizer"] = {"type": authorizer["type"].lower()} | {
                name: authorizer[name]
                for name in (
                    "authorizerCredentials",
                    "authorizerResultTtlInSeconds",
                    "authorizerUri",
                    "identitySource",
                    "identityValidationExpression",
                )
                if name in authorizer
            }
        found[authorizer["name"]] = scheme
    signed = any(
        method["authorizationType"] == "AWS_IAM"
        for resource in deployed.resources.values()
        for method in resource["resourceMethods"].values()
    )
    if signed:
        found["sigv4"] = {"type": "apiKey", "name": "Authorization", "in": "header", f"{X}authtype": "awsSigv4"}
    return found
