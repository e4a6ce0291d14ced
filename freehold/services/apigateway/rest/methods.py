"""Methods of REST APIs and the responses that they declare."""

from __future__ import annotations

import re

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway.rest import tree
from freehold.services.apigateway.rest.common import Request, bad, draft, edit, kept, patches, refuse
from freehold.services.apigateway.rest.state import Draft, Shape, not_found

NAMES = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
NOT_DONE = ("apiKeyRequired", "requestValidatorId", "authorizationScopes")
KEPT = ("authorizationType", "authorizerId", "operationName", "requestParameters", "requestModels")
_PARAMETER = re.compile(r"method\.request\.(querystring|path|header|multivaluequerystring|multivalueheader)\..+")
_RESPONSE_PARAMETER = re.compile(r"method\.response\.header\..+")
_STATUS = re.compile(r"[1-5]\d\d")


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
            raise bad(f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{name}]")
    for model in method.get("requestModels", {}).values():
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
                case ("authorizationType" | "authorizerId" | "operationName" as member,):
                    if patch.op == "remove":
                        method.pop(member, None)
                    else:
                        method[member] = patch.value
                case ("requestParameters", name):
                    _entry(method, "requestParameters", patch.op, name, value=patch.op != "remove" and patch.truth)
                case ("requestModels", name):
                    _entry(method, "requestModels", patch.op, name, value=patch.value)
                case ("apiKeyRequired",) if not patch.truth:
                    method["apiKeyRequired"] = False
                case ("apiKeyRequired" | "requestValidatorId" as member,) if patch.op != "remove":
                    raise not_implemented(f"{member} of apigateway:UpdateMethod")
                case _:
                    raise patch.refused(
                        (
                            "/authorizationType",
                            "/authorizerId",
                            "/operationName",
                            "/requestModels/{type}",
                            "/requestParameters/{name}",
                        )
                    )
        check(draft, method)
        return method

    return await edit(call, request, change)


def _entry(shape: Shape, member: str, op: str, name: str, *, value: object) -> None:
    values = shape.setdefault(member, {})
    if op == "remove":
        values.pop(name, None)
    else:
        values[name] = value


async def delete_method(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        require(draft, request)
        del tree.require(draft, request["resourceId"])["resourceMethods"][request["httpMethod"]]
        return {}

    return await edit(call, request, change)


def check_response(draft: Draft, response: Shape) -> None:
    """Refuse a method response that API Gateway refuses."""
    if not _STATUS.fullmatch(str(response["statusCode"])):
        raise bad("Invalid Response status code specified")
    for name in response.get("responseParameters", {}):
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise bad(f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{name}]")
    for model in response.get("responseModels", {}).values():
        if model not in draft.models and model not in ("Empty", "Error"):
            raise bad(f"Invalid model identifier specified: {model}")


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


def _require_response(method: Shape, status: str) -> Shape:
    response: Shape | None = method.get("methodResponses", {}).get(status)
    if response is None:
        raise Fault("NotFoundException", "Invalid Response status code specified")
    return response


async def get_method_response(call: Call, request: Request) -> Shape:
    return _require_response(require(await draft(call, request), request), request["statusCode"])


async def update_method_response(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        response = _require_response(require(draft, request), request["statusCode"])
        for patch in operations:
            match patch.path:
                case ("responseParameters", name):
                    _entry(response, "responseParameters", patch.op, name, value=patch.op != "remove" and patch.truth)
                case ("responseModels", name):
                    _entry(response, "responseModels", patch.op, name, value=patch.value)
                case _:
                    raise patch.refused(("/responseModels/{type}", "/responseParameters/{name}"))
        check_response(draft, response)
        return response

    return await edit(call, request, change)


async def delete_method_response(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        method = require(draft, request)
        _require_response(method, request["statusCode"])
        del method["methodResponses"][request["statusCode"]]
        return {}

    return await edit(call, request, change)
