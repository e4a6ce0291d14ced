"""One operation of a definition as a route of an HTTP API: integration, security."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import not_implemented
from freehold.rules.http_routes import DEFAULT
from freehold.services.apigateway.http import integrations, routes
from freehold.services.apigateway.http.common import bad
from freehold.services.apigateway.http.state import ROWS, Draft, Shape

X = "x-amazon-apigateway-"
METHODS = {name.lower(): name for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")}
METHODS[f"{X}any-method"] = "ANY"
INTEGRATION_MEMBERS = {
    "uri": "IntegrationUri",
    "httpMethod": "IntegrationMethod",
    "payloadFormatVersion": "PayloadFormatVersion",
    "timeoutInMillis": "TimeoutInMillis",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "description": "Description",
    "integrationSubtype": "IntegrationSubtype",
    "credentials": "CredentialsArn",
}
IGNORED_INTEGRATION = {"type", "connectionType", "responses", "$ref"}


class Reader:
    """Reads operations of one document into one draft, which has its authorizers: `schemes`, by security scheme."""

    def __init__(
        self, document: dict[str, Any], draft: Draft, schemes: dict[str, Shape], make_id: Callable[[], str]
    ) -> None:
        self._document, self._draft, self._schemes, self._make_id = document, draft, schemes, make_id
        self._components: dict[str, Any] = document.get("components") or {}
        self._keys: set[str] = set()
        self._room = ROWS.room()

    def route(self, path: str, method: str, operation: dict[str, Any]) -> None:
        """Add the route that an operation describes. Raises BadRequestException, ConflictException, NotImplemented."""
        for name in operation:
            if name.startswith(X) and name != f"{X}integration":
                raise not_implemented(f"{name} in {method} {path} of an HTTP API's definition")
        default = path == "/$default" or operation.get("isDefaultRoute")
        key = DEFAULT if default else f"{method} {path}"
        route: Shape = {"RouteId": self._make_id(), "RouteKey": key}
        if "operationId" in operation:
            route["OperationName"] = str(operation["operationId"])[:64]
        section = operation.get(f"{X}integration")
        if section is not None:
            integration = self._integration(section, f"{method} {path}") | {"IntegrationId": self._make_id()}
            self._room.take(integration)
            self._draft.integrations[integration["IntegrationId"]] = integration
            route["Target"] = f"integrations/{integration['IntegrationId']}"
        self._secure(route, operation.get("security", self._document.get("security", [])))
        routes.check_key(key)
        if key in self._keys:
            raise routes.taken(key)
        self._keys.add(key)
        routes.check_ties(self._draft, route)
        self._room.take(route)
        self._draft.routes[route["RouteId"]] = route

    def _integration(self, section: dict[str, Any], where: str) -> Shape:
        if "$ref" in section:
            name = str(section["$ref"]).rpartition("/")[2]
            shared = self._components.get(f"{X}integrations") or {}
            if name not in shared:
                raise bad(f"Unable to resolve the integration {section['$ref']} of {where}")
            section = shared[name]
        kind = str(section.get("type", "")).upper()
        shape: Shape = {"IntegrationType": kind, "ConnectionType": section.get("connectionType", "INTERNET")}
        for name, value in section.items():
            if name in INTEGRATION_MEMBERS:
                shape[INTEGRATION_MEMBERS[name]] = value
            elif name not in IGNORED_INTEGRATION:
                raise not_implemented(f"{name} of {X}integration in {where} of an HTTP API's definition")
        shape["PayloadFormatVersion"] = str(shape.get("PayloadFormatVersion", "1.0"))
        if kind == "HTTP_PROXY":
            shape["IntegrationMethod"] = str(shape.get("IntegrationMethod", "ANY")).upper()
        elif "IntegrationSubtype" not in shape:
            shape.setdefault("IntegrationMethod", "POST")
        integrations.check(shape)
        return shape

    def _secure(self, route: Shape, security: list[dict[str, Any]]) -> None:
        for requirement in security or []:
            for name, scopes in requirement.items():
                if name == "NONE":
                    # SAM's word for a route that its API's default authorizer does not guard.
                    return
                if name not in self._schemes:
                    declared = self._components.get("securitySchemes", {}).get(name, {})
                    if str(declared.get(f"{X}authtype", "")).lower() == "awssigv4":
                        route["AuthorizationType"] = "AWS_IAM"
                        return
                    raise bad(f"The security scheme {name} of {route['RouteKey']} has no {X}authorizer")
                authorizer = self._schemes[name]
                route["AuthorizerId"] = authorizer["AuthorizerId"]
                route["AuthorizationType"] = "JWT" if authorizer["AuthorizerType"] == "JWT" else "CUSTOM"
                if scopes:
                    route["AuthorizationScopes"] = list(scopes)
                return
