"""HTTP APIs from OpenAPI definitions, and back: ImportApi, ReimportApi, ExportApi.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.kit.faults import not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.rules.http_routes import DEFAULT
from freehold.services.apigateway import definitions
from freehold.services.apigateway.http import apis, authorizers, state
from freehold.services.apigateway.http.common import Request, bad, edit, space
from freehold.services.apigateway.http.operations import INTEGRATION_MEMBERS, METHODS, Reader, X
from freehold.services.apigateway.http.state import Draft, Shape
from freehold.store.base import ReadTx, Tx

TOP_LEVEL = {f"{X}cors", f"{X}importexport-version", f"{X}integrations", f"{X}tag-value"}
CORS_MEMBERS = {
    "allowOrigins": "AllowOrigins",
    "allowMethods": "AllowMethods",
    "allowHeaders": "AllowHeaders",
    "exposeHeaders": "ExposeHeaders",
    "allowCredentials": "AllowCredentials",
    "maxAge": "MaxAge",
}


def parse(text: str) -> dict[str, Any]:
    """An OpenAPI 3 document in JSON or YAML. Raises BadRequestException."""
    try:
        document = definitions.read(text)
    except definitions.BadDefinition:
        raise bad("Unable to parse API definition because of a malformed definition") from None
    if not str(document.get("openapi", "")).startswith("3.0"):
        raise bad("Invalid OpenAPI input: HTTP APIs are defined in OpenAPI 3.0")
    return document


def build(document: dict[str, Any], fresh: Draft, make_id: Callable[[], str]) -> None:
    """Fill a new draft from a document: authorizers, integrations, routes, CORS. Raises BadRequestException,
    ConflictException, NotImplemented."""
    for name in document:
        if name.startswith(X) and name not in TOP_LEVEL:
            raise not_implemented(f"{name} in the OpenAPI definition of an HTTP API")
    info = document.get("info") or {}
    fresh.api["Name"] = info.get("title", "")
    for member, key in (("version", "Version"), ("description", "Description")):
        if member in info:
            fresh.api[key] = str(info[member])
    if not fresh.api["Name"]:
        raise bad("An API needs a title in the info section of its definition")
    cors = document.get(f"{X}cors")
    if cors is not None:
        fresh.api["CorsConfiguration"] = _cors(cors)
        apis.check_cors(fresh.api["CorsConfiguration"])
    reader = Reader(document, fresh, _schemes(document, fresh, make_id), make_id)
    for path, item in (document.get("paths") or {}).items():
        for method, operation in item.items():
            if method in METHODS:
                reader.route(path, METHODS[method], operation or {})
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


def _refuse(request: Request, operation: str) -> None:
    if request.get("Basepath", "ignore") != "ignore":
        raise not_implemented(f"Basepath of apigatewayv2:{operation}")


async def _read(call: Call, request: Request) -> Draft:
    """What a request's definition describes: of the API itself, what it says and no more."""
    text, make_id = request["Body"], definitions.id_maker(call.platform.ids, 7)

    def work() -> Draft:
        fresh = Draft({})
        build(parse(text), fresh, make_id)
        state.ROWS.fit(fresh)
        return fresh

    return await definitions.beside(len(text), work)


async def import_api(call: Call, request: Request) -> Shape:
    _refuse(request, "ImportApi")
    fresh, where = await _read(call, request), space(call)
    fresh.api = apis.new_draft(call, fresh.api).api

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        return apis.described(call, fresh)

    return await once.transact(call, body)


async def reimport_api(call: Call, request: Request) -> Shape:
    _refuse(request, "ReimportApi")
    fresh = await _read(call, request)

    def change(old: Draft) -> Shape:
        old.api.pop("CorsConfiguration", None)
        old.api |= fresh.api
        old.routes, old.integrations, old.authorizers = fresh.routes, fresh.integrations, fresh.authorizers
        return apis.described(call, old)

    return await edit(call, request["ApiId"], change)


async def export_api(call: Call, request: Request) -> Shape:
    if request["Specification"] != "OAS30":
        raise bad("Invalid Specification specified: OAS30 is the only one")
    where = space(call)

    def body(tx: ReadTx) -> Draft:
        found = state.find(tx, where, request["ApiId"])
        if "StageName" not in request:
            return found
        stage = state.require_stage(tx, where, request["ApiId"], request["StageName"])
        return state.find_deployment(tx, where, request["ApiId"], stage.get("DeploymentId", "")).draft

    found = await call.platform.store.read(body)
    document = exported(found, extensions=request.get("IncludeExtensions", True))
    return {"body": await definitions.write(document, as_yaml=request["OutputType"] == "YAML")}


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
