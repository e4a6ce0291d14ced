"""Integrations of HTTP APIs: Lambda functions, HTTP endpoints, operations of AWS services."""

from __future__ import annotations

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway import functions
from freehold.services.apigateway.http import aws_services, mapping
from freehold.services.apigateway.http.common import Request, bad, draft, edit, kept, new_id, paged, refuse
from freehold.services.apigateway.http.state import Draft, Shape, not_found

NOT_DONE = (
    "ConnectionId",
    "ContentHandlingStrategy",
    "PassthroughBehavior",
    "RequestTemplates",
    "TemplateSelectionExpression",
    "TlsConfig",
)
KEPT = (
    "CredentialsArn",
    "Description",
    "IntegrationMethod",
    "IntegrationSubtype",
    "IntegrationType",
    "IntegrationUri",
    "PayloadFormatVersion",
    "RequestParameters",
    "ResponseParameters",
    "TimeoutInMillis",
)
METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def check(integration: Shape) -> None:
    """Refuse an integration that could not be performed."""
    kind = integration["IntegrationType"]
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise bad(f"Invalid IntegrationType specified: HTTP APIs take AWS_PROXY and HTTP_PROXY, not {kind}")
    if integration.get("ConnectionType", "INTERNET") != "INTERNET":
        raise not_implemented("private integrations (ConnectionType VPC_LINK)")
    if integration.get("IntegrationSubtype"):
        aws_services.check(integration)
        return
    if integration.get("CredentialsArn"):
        raise not_implemented("CredentialsArn of HTTP APIs' integrations without an IntegrationSubtype")
    uri = integration.get("IntegrationUri")
    if not uri:
        raise bad("IntegrationUri is required")
    if kind == "AWS_PROXY":
        if functions.arn_of(uri) is None:
            raise bad(f"Invalid integration URI specified: {uri}")
        if integration.get("PayloadFormatVersion") not in ("1.0", "2.0"):
            raise bad("PayloadFormatVersion is a required parameter: 1.0 or 2.0")
    else:
        if not uri.startswith(("http://", "https://")):
            raise bad(f"Invalid HTTP endpoint specified for URI: {uri}")
        if integration.get("IntegrationMethod") not in METHODS:
            raise bad("Invalid IntegrationMethod specified for HTTP_PROXY")
        if integration.get("PayloadFormatVersion", "1.0") != "1.0":
            raise bad("HTTP_PROXY integrations take payload format version 1.0 only")
    mapping.check(integration.get("RequestParameters", {}), integration.get("ResponseParameters", {}))


def described(integration: Shape) -> Shape:
    """The shape of an integration."""
    return {"ConnectionType": "INTERNET", "TimeoutInMillis": 30_000} | integration


async def create_integration(call: Call, request: Request) -> Shape:
    refuse("CreateIntegration", request, NOT_DONE)
    check(request)
    integration = kept(request, KEPT) | {"IntegrationId": new_id(call)}

    def change(draft: Draft) -> Shape:
        draft.integrations[integration["IntegrationId"]] = integration
        return described(integration)

    return await edit(call, request["ApiId"], change)


async def get_integration(call: Call, request: Request) -> Shape:
    return described(_require(await draft(call, request), request["IntegrationId"]))


def _require(draft: Draft, identifier: str) -> Shape:
    integration = draft.integrations.get(identifier)
    if integration is None:
        raise not_found("Integration", identifier)
    return integration


async def get_integrations(call: Call, request: Request) -> Shape:
    return paged(request, [described(one) for one in (await draft(call, request)).integrations.values()])


async def update_integration(call: Call, request: Request) -> Shape:
    refuse("UpdateIntegration", request, NOT_DONE)

    def change(draft: Draft) -> Shape:
        integration = _require(draft, request["IntegrationId"])
        integration.update(kept(request, KEPT))
        check(integration)
        return described(integration)

    return await edit(call, request["ApiId"], change)


async def delete_integration(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        identifier = request["IntegrationId"]
        _require(draft, identifier)
        if any(route.get("Target") == f"integrations/{identifier}" for route in draft.routes.values()):
            raise Fault(
                "ConflictException", f"Cannot delete Integration '{identifier}'. Integration is referenced by Route"
            )
        del draft.integrations[identifier]
        return {}

    return await edit(call, request["ApiId"], change)
