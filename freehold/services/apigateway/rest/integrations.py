"""Integrations of REST APIs: Lambda proxy, HTTP proxy and MOCK; the responses of MOCK."""

from __future__ import annotations

import re

from freehold.kit.faults import not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway import functions
from freehold.services.apigateway.rest import methods, mock
from freehold.services.apigateway.rest.common import (
    Patchable,
    Request,
    bad,
    bad_mapping,
    draft,
    edit,
    kept,
    patches,
    refuse,
)
from freehold.services.apigateway.rest.responses import Responses, check_status, no_response
from freehold.services.apigateway.rest.state import Draft, Shape, not_found

NOT_DONE = ("connectionId", "cacheKeyParameters", "tlsConfig", "integrationTarget")
KEPT = (
    "cacheNamespace",
    "contentHandling",
    "credentials",
    "passthroughBehavior",
    "requestParameters",
    "requestTemplates",
    "timeoutInMillis",
    "type",
    "uri",
)
PASSTHROUGH = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
MIN_TIMEOUT, MAX_TIMEOUT = 50, 29_000
"""Milliseconds; the documented default quota (regional APIs may ask AWS for more)."""
PATCHABLE = Patchable(
    (
        "/contentHandling",
        "/credentials",
        "/httpMethod",
        "/passthroughBehavior",
        "/requestParameters/{name}",
        "/requestTemplates/{type}",
        "/timeoutInMillis",
        "/uri",
    ),
    numbers=("timeoutInMillis",),
    needed=("passthroughBehavior", "timeoutInMillis"),
)
_TARGET = re.compile(r"integration\.request\.(header|querystring|path)\..+")
_SOURCE = re.compile(r"'[^']*'|method\.request\.(header|querystring|path)\..+|(context|stageVariables)\..+")
_RESPONSE_SOURCE = re.compile(r"'[^']*'|(context|stageVariables)\..+")


def new_integration(request: Request, resource_id: str) -> Shape:
    """An integration with the members that every one has."""
    shape: Shape = {
        "cacheKeyParameters": [],
        "cacheNamespace": resource_id,
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": MAX_TIMEOUT,
    }
    if "integrationHttpMethod" in request:
        shape["httpMethod"] = request["integrationHttpMethod"]
    return shape | kept(request, KEPT)


def check(integration: Shape) -> None:
    """Refuse an integration that could not be performed. Raises BadRequestException, NotImplemented."""
    kind = integration["type"]
    if kind not in ("AWS_PROXY", "HTTP_PROXY", "MOCK"):
        if kind in ("AWS", "HTTP"):
            raise not_implemented(f"integrations of type {kind} of REST APIs (mapping templates)")
        raise bad("Invalid integration type specified. Valid options are HTTP, AWS, MOCK, HTTP_PROXY, AWS_PROXY")
    if integration.get("connectionType", "INTERNET") != "INTERNET":
        raise not_implemented("private integrations (connectionType VPC_LINK)")
    if integration.get("responseTransferMode", "BUFFERED") != "BUFFERED":
        raise not_implemented("streamed responses (responseTransferMode STREAM)")
    if integration["passthroughBehavior"] not in PASSTHROUGH:
        raise bad(f"Invalid passthrough behavior specified. Valid options are {', '.join(PASSTHROUGH)}")
    if not MIN_TIMEOUT <= integration["timeoutInMillis"] <= MAX_TIMEOUT:
        raise bad("Timeout should be between 50 ms and 29000 ms")
    if kind == "MOCK":
        _check_mock(integration)
        return
    if integration.get("contentHandling", "CONVERT_TO_TEXT") != "CONVERT_TO_TEXT":
        raise not_implemented("contentHandling CONVERT_TO_BINARY of proxy integrations of REST APIs")
    if integration.get("httpMethod") not in methods.NAMES:
        raise bad("Enumeration value for HttpMethod must be non-empty")
    if kind == "AWS_PROXY":
        _check_function(integration)
    else:
        _check_http(integration)


def _check_mock(integration: Shape) -> None:
    if integration.get("contentHandling"):
        raise not_implemented("contentHandling of MOCK integrations")
    for template in integration.get("requestTemplates", {}).values():
        mock.status_of(template)


def _check_function(integration: Shape) -> None:
    uri = integration.get("uri") or ""
    if "/response-streaming-invocations" in uri:
        raise not_implemented("streamed responses of Lambda proxy integrations of REST APIs")
    if functions.arn_of(uri) is None:
        raise bad(
            f"Invalid ARN specified in the request: {uri}"
            if uri.startswith("arn:")
            else "AWS ARN for integration must contain path or action"
        )
    if integration["httpMethod"] != "POST":
        raise bad("Lambda functions are invoked with POST: the HTTP method of the integration must be POST")


def _check_http(integration: Shape) -> None:
    uri = integration.get("uri") or ""
    if not uri.startswith(("http://", "https://")):
        raise bad("Invalid HTTP endpoint specified for URI")
    if integration.get("credentials"):
        raise not_implemented("credentials of HTTP integrations of REST APIs")
    for target, source in integration.get("requestParameters", {}).items():
        if not _TARGET.fullmatch(target) or not _SOURCE.fullmatch(source):
            raise bad_mapping(target)


def check_response(integration: Shape, response: Shape) -> None:
    """Refuse an integration response that could not be rendered. Proxy integrations have theirs ignored, as on AWS."""
    check_status(response)
    if integration["type"] != "MOCK":
        return
    if response.get("contentHandling"):
        raise not_implemented("contentHandling of integration responses")
    for template in response.get("responseTemplates", {}).values():
        mock.check_constant(template)
    for name, source in response.get("responseParameters", {}).items():
        if not name.startswith("method.response.header.") or not _RESPONSE_SOURCE.fullmatch(source):
            raise bad_mapping(source)
    try:
        re.compile(response.get("selectionPattern") or "")
    except re.error:
        raise bad("Invalid selection pattern specified") from None


async def put_integration(call: Call, request: Request) -> Shape:
    refuse("PutIntegration", request, NOT_DONE)
    integration = new_integration(request, request["resourceId"])
    check(integration | kept(request, ("connectionType", "responseTransferMode")))

    def change(draft: Draft) -> Shape:
        method = methods.require(draft, request)
        method["methodIntegration"] = integration
        return integration

    return await edit(call, request, change)


def require(draft: Draft, request: Request) -> Shape:
    """The integration that a request names. Raises NotFoundException."""
    integration: Shape | None = methods.require(draft, request).get("methodIntegration")
    if integration is None:
        raise not_found("Integration")
    return integration


async def get_integration(call: Call, request: Request) -> Shape:
    return require(await draft(call, request), request)


async def update_integration(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        integration = require(draft, request)
        for patch in operations:
            PATCHABLE.apply(integration, patch)
        check(integration)
        return integration

    return await edit(call, request, change)


async def delete_integration(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        require(draft, request)
        del methods.require(draft, request)["methodIntegration"]
        return {}

    return await edit(call, request, change)


RESPONSE = ("statusCode", "selectionPattern", "responseParameters", "responseTemplates", "contentHandling")
RESPONSES = Responses(
    "integrationResponses",
    require,
    lambda draft, request, response: check_response(require(draft, request), response),
    Patchable(("/responseParameters/{name}", "/responseTemplates/{type}", "/selectionPattern")),
)


async def put_integration_response(call: Call, request: Request) -> Shape:
    response = kept(request, RESPONSE)

    def change(draft: Draft) -> Shape:
        integration = require(draft, request)
        check_response(integration, response)
        declared = methods.require(draft, request).get("methodResponses", {})
        if request["statusCode"] not in declared:
            raise no_response()
        known = declared[request["statusCode"]].get("responseParameters", {})
        for name in response.get("responseParameters", {}):
            if name not in known:
                raise bad(f"Invalid mapping expression parameter specified: {name}")
        integration.setdefault("integrationResponses", {})[request["statusCode"]] = response
        return response

    return await edit(call, request, change)


async def get_integration_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.get(call, request)


async def update_integration_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.update(call, request)


async def delete_integration_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.delete(call, request)
