"""REST APIs from Swagger 2.0 and OpenAPI 3.0 definitions: ImportRestApi, PutRestApi.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from freehold.kit.faults import not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway import definitions
from freehold.services.apigateway.rest import apis, authorizers, gateway_responses, models, state, tree
from freehold.services.apigateway.rest.common import Request, bad, edit, space
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


MakeId = Callable[[], str]


def parse(body: bytes) -> dict[str, Any]:
    """A definition in JSON or YAML. Raises BadRequestException."""
    try:
        document = definitions.read(body.decode())
    except (UnicodeDecodeError, definitions.BadDefinition) as problem:
        raise bad(f"Invalid OpenAPI input: the definition is {problem}") from None
    if str(document.get("swagger")) != "2.0" and not str(document.get("openapi", "")).startswith("3.0"):
        raise bad("Invalid OpenAPI input: REST APIs are defined in Swagger 2.0 or OpenAPI 3.0")
    return document


def build(document: dict[str, Any], fresh: Draft, make_id: MakeId) -> None:
    """Fill a new draft from a document. Raises BadRequestException, LimitExceededException, NotImplemented."""
    for name in document:
        if name.startswith(X) and name not in TOP_LEVEL:
            raise not_implemented(f"{name} in the definition of a REST API")
    fresh.api |= _api(document)
    for kind, response in (document.get(f"{X}gateway-responses") or {}).items():
        shape = {"responseType": kind} | {
            key: value for key, value in (response or {}).items() if key in ("responseParameters", "responseTemplates")
        }
        if (response or {}).get("statusCode") is not None:
            shape["statusCode"] = str(response["statusCode"])
        gateway_responses.check(shape)
        fresh.gateway_responses[kind] = shape
    _models(document, fresh, make_id)
    _schemes(document, fresh, make_id)
    reader = Reader(document, fresh)
    for path, item in (document.get("paths") or {}).items():
        if not str(path).startswith("/"):
            raise bad(f"Invalid path specified: {path}")
        resource = _resource(fresh, str(path), make_id)
        for key, operation in (item or {}).items():
            if key in METHODS:
                reader.method(resource, METHODS[key], operation or {}, (item or {}).get("parameters") or [])
            elif key.startswith(X):
                raise not_implemented(f"{key} in the path {path} of a REST API's definition")
    apis.check(fresh.api)


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


def _models(document: dict[str, Any], fresh: Draft, make_id: MakeId) -> None:
    schemas = document.get("definitions") or (document.get("components") or {}).get("schemas") or {}
    for name, schema in schemas.items():
        text = orjson.dumps(schema).decode()
        fresh.models[name] = models.new_model(str(name), "application/json", text, make_id())


def _schemes(document: dict[str, Any], fresh: Draft, make_id: MakeId) -> None:
    """Security schemes that carry an authorizer become one."""
    schemes = document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
    for name, scheme in schemes.items():
        settings = scheme.get(f"{X}authorizer")
        if settings is None:
            continue
        kind = str(settings.get("type", "")).upper()
        authorizer: Shape = {"id": make_id(), "name": name, "type": kind}
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


def _resource(fresh: Draft, path: str, make_id: MakeId) -> Shape:
    """The resource at a path, made with what is above it."""
    by_path = {resource["path"]: resource for resource in fresh.resources.values()}
    resource: Shape = by_path["/"]
    for part in path.strip("/").split("/") if path.strip("/") else []:
        below = f"{resource['path'].rstrip('/')}/{part}"
        resource = by_path.get(below) or tree.add(fresh, resource["id"], part, make_id())
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


async def _read(call: Call, request: Request, operation: str) -> tuple[Draft, Shape]:
    """The draft that a request's definition describes, and what the request says of the API itself."""
    body = await _bytes(request["body"])
    fresh, make_id = apis.new_draft(call, {}), definitions.id_maker(call.platform.ids, 6)

    def work() -> tuple[Draft, Shape]:
        document = parse(body)
        build(document, fresh, make_id)
        given = _api(document) | _check_parameters(request, document, operation)
        state.ROWS.fit(fresh)
        return fresh, given

    return await definitions.beside(len(body), work)


async def import_rest_api(call: Call, request: Request) -> Shape:
    fresh, given = await _read(call, request, "ImportRestApi")
    fresh.api |= given
    where = space(call)

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        return apis.described(fresh)

    return await once.transact(call, body)


async def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


async def put_rest_api(call: Call, request: Request) -> Shape:
    built, given = await _read(call, request, "PutRestApi")
    mode = request.get("mode", MERGE)

    def change(draft: Draft) -> Shape:
        fresh = _renamed(draft, built)
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


def _renamed(old: Draft, built: Draft) -> Draft:
    """What was built, its resources and authorizers under the ids that those of the same path or name have already.

    `built` stays as it is, since a body runs more than once; only what holds an id is copied, since it can be large.
    """
    paths = {resource["path"]: resource["id"] for resource in old.resources.values()}
    ids = {resource["id"]: paths.get(resource["path"], resource["id"]) for resource in built.resources.values()}
    named = {authorizer["name"]: authorizer["id"] for authorizer in old.authorizers.values()}
    authorizer_ids = {one["id"]: named.get(one["name"]) or one["id"] for one in built.authorizers.values()}
    resources = {}
    for resource in built.resources.values():
        moved = resource | {key: ids[resource[key]] for key in ("id", "parentId") if key in resource}
        moved["resourceMethods"] = {
            name: _renamed_method(method, moved["id"], authorizer_ids)
            for name, method in resource["resourceMethods"].items()
        }
        resources[moved["id"]] = moved
    authorizers = [one | {"id": authorizer_ids[one["id"]]} for one in built.authorizers.values()]
    by_id = {authorizer["id"]: authorizer for authorizer in authorizers}
    return Draft(built.api, resources, by_id, built.gateway_responses, built.models)


def _renamed_method(method: Shape, resource_id: str, authorizer_ids: dict[str, str]) -> Shape:
    changed: Shape = {}
    if "authorizerId" in method:
        changed["authorizerId"] = authorizer_ids[method["authorizerId"]]
    if "methodIntegration" in method:
        changed["methodIntegration"] = method["methodIntegration"] | {"cacheNamespace": resource_id}
    return method | changed


def _merge(draft: Draft, fresh: Draft) -> None:
    """What the definition has wins; what it does not mention stays."""
    for identifier, resource in fresh.resources.items():
        existing = draft.resources.setdefault(identifier, resource)
        existing["resourceMethods"] = existing["resourceMethods"] | resource["resourceMethods"]
    draft.authorizers |= fresh.authorizers
    draft.gateway_responses |= fresh.gateway_responses
    draft.models |= fresh.models
