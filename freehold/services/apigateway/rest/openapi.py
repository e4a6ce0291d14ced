"""REST APIs from Swagger 2.0 and OpenAPI 3.0 definitions: ImportRestApi, PutRestApi.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import copy
from typing import Any

import orjson

from freehold.kit.faults import not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway import definitions
from freehold.services.apigateway.rest import apis, authorizers, gateway_responses, models, state, tree
from freehold.services.apigateway.rest.common import Request, bad, edit, new_id, space
from freehold.services.apigateway.rest.operations import METHODS, Reader, X
from freehold.services.apigateway.rest.state import Draft, Shape
from freehold.store.base import Tx

TOP_LEVEL = {
    f"{X}api-key-source",
    f"{X}binary-media-types",
    f"{X}endpoint-configuration",
    f"{X}gateway-responses",
    f"{X}importexport-version",
    f"{X}policy",
    f"{X}tag-value",
}
MERGE, OVERWRITE = "merge", "overwrite"


async def parse(body: bytes) -> dict[str, Any]:
    """A definition in JSON or YAML. Raises BadRequestException."""
    try:
        document = await definitions.read_beside(body.decode())
    except (UnicodeDecodeError, definitions.BadDefinition) as problem:
        raise bad(f"Invalid OpenAPI input: the definition is {problem}") from None
    if str(document.get("swagger")) != "2.0" and not str(document.get("openapi", "")).startswith("3.0"):
        raise bad("Invalid OpenAPI input: REST APIs are defined in Swagger 2.0 or OpenAPI 3.0")
    return document


def build(call: Call, document: dict[str, Any]) -> Draft:
    """The draft that a document describes. Raises BadRequestException, NotImplemented."""
    for name in document:
        if name.startswith(X) and name not in TOP_LEVEL:
            raise not_implemented(f"{name} in the definition of a REST API")
    fresh = apis.new_draft(call, _api(document))
    for kind, response in (document.get(f"{X}gateway-responses") or {}).items():
        shape = {"responseType": kind} | {
            key: value for key, value in (response or {}).items() if key in ("responseParameters", "responseTemplates")
        }
        if (response or {}).get("statusCode") is not None:
            shape["statusCode"] = str(response["statusCode"])
        gateway_responses.check(shape)
        fresh.gateway_responses[kind] = shape
    _models(call, document, fresh)
    _schemes(call, document, fresh)
    reader = Reader(document, fresh)
    for path, item in (document.get("paths") or {}).items():
        if not str(path).startswith("/"):
            raise bad(f"Invalid path specified: {path}")
        resource = _resource(call, fresh, str(path))
        for key, operation in (item or {}).items():
            if key in METHODS:
                reader.method(resource, METHODS[key], operation or {}, (item or {}).get("parameters") or [])
            elif key.startswith(X):
                raise not_implemented(f"{key} in the path {path} of a REST API's definition")
    apis.check(fresh.api)
    return fresh


def _api(document: dict[str, Any]) -> Shape:
    info = document.get("info") or {}
    api: Shape = {"name": str(info.get("title") or "")}
    if not api["name"]:
        raise bad("Invalid OpenAPI input: the definition needs a title in its info section")
    for member in ("version", "description"):
        if info.get(member) is not None:
            api[member] = str(info[member])
    if document.get(f"{X}binary-media-types"):
        api["binaryMediaTypes"] = [str(kind) for kind in document[f"{X}binary-media-types"]]
    if document.get(f"{X}policy"):
        api["policy"] = orjson.dumps(document[f"{X}policy"]).decode()
    if document.get(f"{X}api-key-source"):
        api["apiKeySource"] = document[f"{X}api-key-source"]
    for member, value in (document.get(f"{X}endpoint-configuration") or {}).items():
        if member != "disableExecuteApiEndpoint":
            raise not_implemented(f"{member} of {X}endpoint-configuration")
        api["disableExecuteApiEndpoint"] = bool(value)
    return api


def _models(call: Call, document: dict[str, Any], fresh: Draft) -> None:
    schemas = document.get("definitions") or (document.get("components") or {}).get("schemas") or {}
    for name, schema in schemas.items():
        text = orjson.dumps(schema).decode()
        fresh.models[name] = models.new_model(str(name), "application/json", text, new_id(call))


def _schemes(call: Call, document: dict[str, Any], fresh: Draft) -> None:
    """Security schemes that carry an authorizer become one."""
    schemes = document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
    for name, scheme in schemes.items():
        settings = scheme.get(f"{X}authorizer")
        if settings is None:
            continue
        kind = str(settings.get("type", "")).upper()
        authorizer: Shape = {"id": new_id(call), "name": name, "type": kind}
        authorizer["authType"] = scheme.get(f"{X}authtype", "custom")
        for member in (
            "authorizerCredentials",
            "authorizerResultTtlInSeconds",
            "authorizerUri",
            "identitySource",
            "identityValidationExpression",
        ):
            if settings.get(member) is not None:
                authorizer[member] = settings[member]
        if kind == "TOKEN":
            # The scheme itself says where the token is.
            authorizer.setdefault("identitySource", f"method.request.header.{scheme.get('name', 'Authorization')}")
        authorizers.check(authorizer)
        fresh.authorizers[authorizer["id"]] = authorizer


def _resource(call: Call, fresh: Draft, path: str) -> Shape:
    """The resource at a path, made with what is above it."""
    by_path = {resource["path"]: resource for resource in fresh.resources.values()}
    resource: Shape = by_path["/"]
    for part in path.strip("/").split("/") if path.strip("/") else []:
        below = f"{resource['path'].rstrip('/')}/{part}"
        resource = by_path.get(below) or tree.add(fresh, resource["id"], part, new_id(call))
    return resource


def _check_parameters(request: Request, document: dict[str, Any], operation: str) -> Shape:
    """What the query parameters of an import change of the API itself."""
    changed: Shape = {}
    for name, value in request.get("parameters", {}).items():
        if name == "basepath":
            if value != "ignore" and document.get("basePath", "/") != "/":
                raise not_implemented(f"basepath {value} of apigateway:{operation}")
        elif name == "endpointConfigurationTypes":
            changed["endpointConfiguration"] = {"types": [value], "ipAddressType": "ipv4"}
        elif name not in ("ignore", "mode", "failonwarnings"):
            raise not_implemented(f"the parameter {name} of apigateway:{operation}")
    apis.check({"name": "-", "endpointConfiguration": {"types": ["EDGE"]}} | changed)
    return changed


async def import_rest_api(call: Call, request: Request) -> Shape:
    document = await parse(await _bytes(request["body"]))
    fresh = build(call, document)
    fresh.api |= _check_parameters(request, document, "ImportRestApi")
    where = space(call)

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        return apis.described(fresh)

    return await once.transact(call, body)


async def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


async def put_rest_api(call: Call, request: Request) -> Shape:
    document = await parse(await _bytes(request["body"]))
    built = build(call, document)
    given = _api(document) | _check_parameters(request, document, "PutRestApi")
    mode = request.get("mode", MERGE)

    def change(draft: Draft) -> Shape:
        fresh = _renamed(draft, copy.deepcopy(built))
        draft.api.update(given)
        if mode == OVERWRITE:
            for member in ("description", "version", "binaryMediaTypes", "policy"):
                if member not in given:
                    draft.api.pop(member, None)
            draft.resources, draft.authorizers = fresh.resources, fresh.authorizers
            draft.gateway_responses, draft.models = fresh.gateway_responses, fresh.models
        else:
            _merge(draft, fresh)
        return apis.described(draft)

    return await edit(call, request, change)


def _renamed(old: Draft, fresh: Draft) -> Draft:
    """Resources and authorizers that were there keep their ids: by path, by name."""
    ids = {r["path"]: r["id"] for r in old.resources.values()}
    names = {fresh_one["id"]: ids.get(fresh_one["path"], fresh_one["id"]) for fresh_one in fresh.resources.values()}
    known = {a["name"]: a["id"] for a in old.authorizers.values()}
    authorizer_names = {a["id"]: known.get(a["name"], a["id"]) for a in fresh.authorizers.values()}
    for resource in fresh.resources.values():
        resource["id"] = names[resource["id"]]
        if "parentId" in resource:
            resource["parentId"] = names[resource["parentId"]]
        for method in resource["resourceMethods"].values():
            if "authorizerId" in method:
                method["authorizerId"] = authorizer_names[method["authorizerId"]]
            if "methodIntegration" in method:
                method["methodIntegration"]["cacheNamespace"] = resource["id"]
    for authorizer in fresh.authorizers.values():
        authorizer["id"] = authorizer_names[authorizer["id"]]
    fresh.resources = {resource["id"]: resource for resource in fresh.resources.values()}
    fresh.authorizers = {authorizer["id"]: authorizer for authorizer in fresh.authorizers.values()}
    return fresh


def _merge(draft: Draft, fresh: Draft) -> None:
    """What the definition has wins; what it does not mention stays."""
    for identifier, resource in fresh.resources.items():
        existing = draft.resources.setdefault(identifier, resource)
        existing["resourceMethods"] = existing["resourceMethods"] | resource["resourceMethods"]
    draft.authorizers |= fresh.authorizers
    draft.gateway_responses |= fresh.gateway_responses
    draft.models |= fresh.models
