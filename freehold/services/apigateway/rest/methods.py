"""Methods of REST APIs and the responses that they declare."""

from __future__ import annotations

import re

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway.rest import tree
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
from freehold.services.apigateway.rest.responses import Responses, check_status
from freehold.services.apigateway.rest.state import Draft, Shape, not_found

NAMES = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
NOT_DONE = ("apiKeyRequired", "requestValidatorId", "authorizationScopes")
KEPT = ("authorizationType", "authorizerId", "operationName", "requestParameters", "requestModels")
_PARAMETER = re.compile(r"method\.request\.(querystring|path|header|multivaluequerystring|multivalueheader)\..+")
_RESPONSE_PARAMETER = re.compile(r"method\.response\.header\..+")
PATCHABLE = Patchable(
    ("/authorizationType", "/authorizerId", "/operationName", "/requestModels/{type}", "/requestParameters/{name}"),
    truths=("requestParameters",),
    needed=("authorizationType",),
)


def require(draft: Draft, request: Request) -> Shape:
    """The method that a request names. Raises NotFoundException."""
    method: Shape | None = tree.require(draft, request["resourceId"])["resourceMethods"].get(request["httpMethod"])
    if method is None:
        raise not_found("Method")
    return method


def check(draft: Draft, method: Shape) -> None:
    """Refuse a method that could not be authorized as it says."""
    if method["httpMethod"] not in NAMES:
        raise bad(f"Invalid HttpMethod specified. Valid options are {','.join(NAMES)}")
    kind = method["authorizationType"]
    if kind == "COGNITO_USER_POOLS":
        raise not_implemented("the authorization type COGNITO_USER_POOLS of REST APIs")
    if kind not in ("NONE", "AWS_IAM", "CUSTOM"):
        raise bad("Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS")
    if kind == "CUSTOM" and method.get("authorizerId", "") not in draft.authorizers:
        raise bad(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
            "requires a valid authorizer."
        )
    for name in method.get("requestParameters", {}):
        if not _PARAMETER.fullmatch(name):
            raise bad_mapping(name)
    _check_models(draft, method.get("requestModels", {}))


def _check_models(draft: Draft, by_type: dict[str, str]) -> None:
    for model in by_type.values():
        if model not in draft.models and model not in ("Empty", "Error"):
            raise bad(f"Invalid model identifier specified: {model}")


def new_method(request: Request) -> Shape:
    """A method without integration."""
    method: Shape = {"httpMethod": request["httpMethod"].upper(), "apiKeyRequired": False} | kept(request, KEPT)
    if method["authorizationType"] in ("NONE", "AWS_IAM"):
        method.pop("authorizerId", None)
    return method


async def put_method(call: Call, request: Request) -> Shape:
    refuse("PutMethod", request, NOT_DONE)
    method = new_method(request)

    def change(draft: Draft) -> Shape:
        resource = tree.require(draft, request["resourceId"])
        if method["httpMethod"] in resource["resourceMethods"]:
            raise Fault("ConflictException", "Method already exists for this resource")
        check(draft, method)
        resource["resourceMethods"][method["httpMethod"]] = method
        return method

    return await edit(call, request, change)


async def get_method(call: Call, request: Request) -> Shape:
    return require(await draft(call, request), request)


async def update_method(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        method = require(draft, request)
        for patch in operations:
            match patch.path:
                case ("apiKeyRequired",) if not patch.truth:
                    method["apiKeyRequired"] = False
                case ("apiKeyRequired" | "requestValidatorId" as member,) if patch.op != "remove":
                    raise not_implemented(f"{member} of apigateway:UpdateMethod")
                case _:
                    PATCHABLE.apply(method, patch)
        check(draft, method)
        return method

    return await edit(call, request, change)


async def delete_method(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        require(draft, request)
        del tree.require(draft, request["resourceId"])["resourceMethods"][request["httpMethod"]]
        return {}

    return await edit(call, request, change)


def check_response(draft: Draft, response: Shape) -> None:
    """Refuse a method response that API Gateway refuses."""
    check_status(response)
    for name in response.get("responseParameters", {}):
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise bad_mapping(name)
    _check_models(draft, response.get("responseModels", {}))


RESPONSES = Responses(
    "methodResponses",
    require,
    lambda draft, request, response: check_response(draft, response),
    Patchable(("/responseModels/{type}", "/responseParameters/{name}"), truths=("responseParameters",)),
)


async def put_method_response(call: Call, request: Request) -> Shape:
    response = kept(request, ("statusCode", "responseParameters", "responseModels"))

    def change(draft: Draft) -> Shape:
        responses = require(draft, request).setdefault("methodResponses", {})
        if request["statusCode"] in responses:
            raise Fault("ConflictException", "Response already exists for this resource")
        check_response(draft, response)
        responses[request["statusCode"]] = response
        return response

    return await edit(call, request, change)


async def get_method_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.get(call, request)


async def update_method_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.update(call, request)


async def delete_method_response(call: Call, request: Request) -> Shape:
    return await RESPONSES.delete(call, request)
