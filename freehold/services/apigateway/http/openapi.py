"""HTTP APIs from OpenAPI definitions, and back: ImportApi, ReimportApi, ExportApi.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from freehold.kit.faults import not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.rules.http_routes import DEFAULT
from freehold.services.apigateway import definitions
from freehold.services.apigateway.http import apis, authorizers, integrations, routes, state
from freehold.services.apigateway.http.common import Request, bad, draft, edit, new_id, space
from freehold.services.apigateway.http.state import Draft, Shape
from freehold.store.base import Tx

X = "x-amazon-apigateway-"
METHODS = {name.lower(): name for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")}
METHODS[f"{X}any-method"] = "ANY"
TOP_LEVEL = {f"{X}cors", f"{X}importexport-version", f"{X}integrations", f"{X}tag-value"}
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
CORS_MEMBERS = {
    "allowOrigins": "AllowOrigins",
    "allowMethods": "AllowMethods",
    "allowHeaders": "AllowHeaders",
    "exposeHeaders": "ExposeHeaders",
    "allowCredentials": "AllowCredentials",
    "maxAge": "MaxAge",
}


async def parse(text: str) -> dict[str, Any]:
    """An OpenAPI 3 document in JSON or YAML. Raises BadRequestException."""
    try:
        document = await definitions.read_beside(text)
    except definitions.BadDefinition:
        raise bad("Unable to parse API definition because of a malformed definition") from None
    if not str(document.get("openapi", "")).startswith("3.0"):
        raise bad("Invalid OpenAPI input: HTTP APIs are defined in OpenAPI 3.0")
    return document


def build(document: dict[str, Any], fresh: Draft, make_id: Callable[[], str]) -> None:
    """Fill a draft from a document: authorizers, integrations, routes, CORS. Raises BadRequestException, NotImplemented."""
    for name in document:
        if name.startswith(X) and name not in TOP_LEVEL:
            raise not_implemented(f"{name} in the OpenAPI definition of an HTTP API")
    info = document.get("info") or {}
    fresh.api.setdefault("Name", info.get("title", ""))
    for member, key in (("version", "Version"), ("description", "Description")):
        if member in info:
            fresh.api[key] = str(info[member])
    if not fresh.api["Name"]:
        raise bad("An API needs a title in the info section of its definition")
    cors = document.get(f"{X}cors")
    if cors is not None:
        fresh.api["CorsConfiguration"] = _cors(cors)
        apis.check_cors(fresh.api["CorsConfiguration"])
    fresh.routes, fresh.integrations, fresh.authorizers = {}, {}, {}
    schemes = _schemes(document, fresh, make_id)
    for path, item in (document.get("paths") or {}).items():
        for method, operation in item.items():
            if method in METHODS:
                _operation(document, fresh, schemes, path, METHODS[method], operation or {}, make_id)
            elif method.startswith("x-"):
                raise not_implemented(f"{method} in the path {path} of an HTTP API's definition")


def _cors(section: Any) -> Shape:
    if not isinstance(section, dict):
        raise bad("Invalid CORS section in the API definition")
    for name in section:
        if name not in CORS_MEMBERS:
            raise bad(f"Unknown member {name} in {X}cors")
    listed = {}
    for name, member in CORS_MEMBERS.items():
        if name in section:
            value = section[name]
            plural = name not in ("allowCredentials", "maxAge")
            listed[member] = [value] if plural and isinstance(value, str) else value
    return listed


def _schemes(document: dict[str, Any], fresh: Draft, make_id: Callable[[], str]) -> dict[str, Shape]:
    """Security schemes by name, those with an authorizer made into one."""
    found: dict[str, Shape] = {}
    components = document.get("components") or {}
    for name, scheme in (components.get("securitySchemes") or {}).items():
        settings = scheme.get(f"{X}authorizer")
        if settings is None:
            continue
        authorizer = _authorizer(name, settings) | {"AuthorizerId": make_id()}
        authorizers.check(authorizer)
        fresh.authorizers[authorizer["AuthorizerId"]] = authorizer
        found[name] = authorizer
    return found


def _authorizer(name: str, settings: dict[str, Any]) -> Shape:
    kind = str(settings.get("type", "")).upper()
    if kind not in ("JWT", "REQUEST"):
        raise bad(f"Invalid authorizer type {settings.get('type')} of the security scheme {name}")
    source = settings.get("identitySource", [])
    sources = [part.strip() for part in source.split(",")] if isinstance(source, str) else list(source)
    shape: Shape = {"Name": name, "AuthorizerType": kind, "IdentitySource": sources}
    if kind == "JWT":
        jwt = settings.get("jwtConfiguration") or {}
        shape["JwtConfiguration"] = {"Issuer": jwt.get("issuer", ""), "Audience": jwt.get("audience", [])}
        return shape
    for member in ("authorizerCredentials", "identityValidationExpression"):
        if settings.get(member):
            raise not_implemented(f"{member} of {X}authorizer")
    shape["AuthorizerUri"] = settings.get("authorizerUri", "")
    shape["AuthorizerPayloadFormatVersion"] = str(settings.get("authorizerPayloadFormatVersion", "1.0"))
    shape["EnableSimpleResponses"] = bool(settings.get("enableSimpleResponses", False))
    # An imported authorizer without a time caches for 300 s where it has an identity source.
    default = 300 if sources else 0
    shape["AuthorizerResultTtlInSeconds"] = int(settings.get("authorizerResultTtlInSeconds", default))
    return shape


def _operation(
    document: dict[str, Any],
    fresh: Draft,
    schemes: dict[str, Shape],
    path: str,
    method: str,
    operation: dict[str, Any],
    make_id: Callable[[], str],
) -> None:
    for name in operation:
        if name.startswith(X) and name != f"{X}integration":
            raise not_implemented(f"{name} in {method} {path} of an HTTP API's definition")
    default = path == "/$default" or operation.get("isDefaultRoute")
    route: Shape = {"RouteId": make_id(), "RouteKey": DEFAULT if default else f"{method} {path}"}
    if "operationId" in operation:
        route["OperationName"] = str(operation["operationId"])[:64]
    section = operation.get(f"{X}integration")
    if section is not None:
        integration = _integration(document, section, f"{method} {path}") | {"IntegrationId": make_id()}
        fresh.integrations[integration["IntegrationId"]] = integration
        route["Target"] = f"integrations/{integration['IntegrationId']}"
    _secure(route, operation.get("security", document.get("security", [])), schemes, document)
    routes.check(fresh, route)
    fresh.routes[route["RouteId"]] = route


def _integration(document: dict[str, Any], section: dict[str, Any], where: str) -> Shape:
    if "$ref" in section:
        name = str(section["$ref"]).rpartition("/")[2]
        shared = (document.get("components") or {}).get(f"{X}integrations") or {}
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


def _secure(route: Shape, security: list[dict[str, Any]], schemes: dict[str, Shape], document: dict[str, Any]) -> None:
    for requirement in security or []:
        for name, scopes in requirement.items():
            if name == "NONE":
                # SAM's word for a route that its API's default authorizer does not guard.
                return
            if name not in schemes:
                declared = (document.get("components") or {}).get("securitySchemes", {}).get(name, {})
                if str(declared.get(f"{X}authtype", "")).lower() == "awssigv4":
                    route["AuthorizationType"] = "AWS_IAM"
                    return
                raise bad(f"The security scheme {name} of {route['RouteKey']} has no {X}authorizer")
            authorizer = schemes[name]
            route["AuthorizerId"] = authorizer["AuthorizerId"]
            route["AuthorizationType"] = "JWT" if authorizer["AuthorizerType"] == "JWT" else "CUSTOM"
            if scopes:
                route["AuthorizationScopes"] = list(scopes)
            return


def _refuse(request: Request, operation: str) -> None:
    if request.get("Basepath", "ignore") != "ignore":
        raise not_implemented(f"Basepath of apigatewayv2:{operation}")


async def import_api(call: Call, request: Request) -> Shape:
    _refuse(request, "ImportApi")
    fresh = apis.new_draft(call, {})
    fresh.api.pop("Name", None)
    build(await parse(request["Body"]), fresh, lambda: new_id(call))
    where = space(call)

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        return apis.described(call, fresh)

    return await once.transact(call, body)


async def reimport_api(call: Call, request: Request) -> Shape:
    _refuse(request, "ReimportApi")
    document = await parse(request["Body"])
    # Ids are chosen here: the change below may run twice.
    pool = [new_id(call) for _ in range(2_000)]

    def change(old: Draft) -> Shape:
        unused = iter(pool)
        old.api.pop("Name", None)
        old.api.pop("CorsConfiguration", None)
        build(document, old, lambda: next(unused))
        return apis.described(call, old)

    return await edit(call, request["ApiId"], change)


async def export_api(call: Call, request: Request) -> Shape:
    if request["Specification"] != "OAS30":
        raise bad("Invalid Specification specified: OAS30 is the only one")
    found = await draft(call, request)
    if "StageName" in request:
        where = space(call)

        def body(tx: Tx) -> Draft:
            stage = state.require_stage(tx, where, request["ApiId"], request["StageName"])
            return state.find_deployment(tx, where, request["ApiId"], stage.get("DeploymentId", "")).draft

        found = await call.platform.store.read(body)  # type: ignore[arg-type]
    document = exported(found, extensions=request.get("IncludeExtensions", True))
    if request["OutputType"] == "YAML":
        import yaml

        return {"body": yaml.safe_dump(document, sort_keys=False).encode()}
    return {"body": orjson.dumps(document, option=orjson.OPT_INDENT_2)}


def exported(found: Draft, *, extensions: bool) -> dict[str, Any]:
    """The definition of a draft, which imports to the same draft."""
    paths: dict[str, Any] = {}
    lower = {name: key for key, name in METHODS.items()}
    for route in found.routes.values():
        method, _, path = route["RouteKey"].partition(" ")
        operation: dict[str, Any] = {
            "responses": {"default": {"description": f"Default response for {route['RouteKey']}"}}
        }
        if method == DEFAULT:
            method, path = "ANY", "/$default"
            operation["isDefaultRoute"] = True
        integration = found.integrations.get(route.get("Target", "").rpartition("/")[2])
        if extensions and integration is not None:
            operation[f"{X}integration"] = {
                "type": integration["IntegrationType"].lower(),
                **{name: integration[member] for name, member in INTEGRATION_MEMBERS.items() if member in integration},
            }
        authorizer = found.authorizers.get(route.get("AuthorizerId", ""))
        if authorizer is not None:
            operation["security"] = [{authorizer["Name"]: route.get("AuthorizationScopes", [])}]
        paths.setdefault(path, {})[lower[method]] = operation
    document: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {"title": found.api["Name"], "version": found.api.get("Version", "")},
        "paths": paths,
    }
    if extensions and "CorsConfiguration" in found.api:
        cors = found.api["CorsConfiguration"]
        document[f"{X}cors"] = {name: cors[member] for name, member in CORS_MEMBERS.items() if member in cors}
    if extensions and found.authorizers:
        document["components"] = {
            "securitySchemes": {a["Name"]: _exported_scheme(a) for a in found.authorizers.values()}
        }
    return document


def _exported_scheme(authorizer: Shape) -> dict[str, Any]:
    settings: dict[str, Any] = {"identitySource": ",".join(authorizer.get("IdentitySource", []))}
    if authorizer["AuthorizerType"] == "JWT":
        jwt = authorizer["JwtConfiguration"]
        settings |= {"type": "jwt", "jwtConfiguration": {"issuer": jwt["Issuer"], "audience": jwt["Audience"]}}
        return {"type": "oauth2", f"{X}authorizer": settings}
    settings |= {
        "type": "request",
        "authorizerUri": authorizer["AuthorizerUri"],
        "authorizerPayloadFormatVersion": authorizer["AuthorizerPayloadFormatVersion"],
        "authorizerResultTtlInSeconds": authorizer.get("AuthorizerResultTtlInSeconds", 0),
        "enableSimpleResponses": authorizer.get("EnableSimpleResponses", False),
    }
    return {"type": "apiKey", "name": "Authorization", "in": "header", f"{X}authorizer": settings}
