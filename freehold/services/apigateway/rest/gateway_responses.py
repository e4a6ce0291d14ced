"""Gateway responses: what a REST API answers where no integration does, and how its owner changes that.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import re

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.apigateway.rest.common import (
    Patchable,
    Request,
    bad,
    bad_mapping,
    draft,
    edit,
    kept,
    paged,
    patches,
)
from freehold.services.apigateway.rest.state import Draft, Shape

DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
STATUS: dict[str, str | None] = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}
PATCHABLE = Patchable(("/responseParameters/{name}", "/responseTemplates/{type}", "/statusCode"))
_SOURCE = re.compile(r"'[^']*'|method\.request\.(header|querystring|path)\..+|(context|stageVariables)\..+")
_TARGET = re.compile(r"gatewayresponse\.header\.[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def check(response: Shape) -> None:
    """Refuse a gateway response that could not be rendered. Raises BadRequestException."""
    if response["responseType"] not in STATUS:
        raise bad(f"Invalid response type specified: {response['responseType']}")
    status = response.get("statusCode")
    if status is not None and not re.fullmatch(r"[1-5]\d\d", str(status)):
        raise bad("Invalid status code specified")
    for target, source in response.get("responseParameters", {}).items():
        if not _TARGET.fullmatch(target) or not _SOURCE.fullmatch(source):
            raise bad_mapping(target)


def described(draft: Draft, kind: str) -> Shape:
    """The shape of a gateway response, the default one where there is none of its own."""
    own = draft.gateway_responses.get(kind)
    base: Shape = {
        "defaultResponse": own is None,
        "responseParameters": {},
        "responseTemplates": {"application/json": DEFAULT_TEMPLATE},
        "responseType": kind,
    }
    if STATUS[kind] is not None:
        base["statusCode"] = STATUS[kind]
    return base | (own or {})


def _known(kind: str) -> str:
    if kind not in STATUS:
        raise Fault("NotFoundException", "Invalid response type specified")
    return kind


async def put_gateway_response(call: Call, request: Request) -> Shape:
    response = kept(request, ("responseType", "statusCode", "responseParameters", "responseTemplates"))
    check(response)

    def change(draft: Draft) -> Shape:
        draft.gateway_responses[response["responseType"]] = response
        return described(draft, response["responseType"])

    return await edit(call, request, change)


async def get_gateway_response(call: Call, request: Request) -> Shape:
    return described(await draft(call, request), _known(request["responseType"]))


async def get_gateway_responses(call: Call, request: Request) -> Shape:
    found = await draft(call, request)
    return paged(request, [described(found, kind) for kind in STATUS])


async def update_gateway_response(call: Call, request: Request) -> Shape:
    operations, kind = patches(request), _known(request["responseType"])

    def change(draft: Draft) -> Shape:
        response = draft.gateway_responses.setdefault(kind, {"responseType": kind})
        for patch in operations:
            PATCHABLE.apply(response, patch)
        check(response)
        return described(draft, kind)

    return await edit(call, request, change)


async def delete_gateway_response(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        if draft.gateway_responses.pop(_known(request["responseType"]), None) is None:
            raise Fault("NotFoundException", "Gateway response type not defined on api")
        return {}

    return await edit(call, request, change)
