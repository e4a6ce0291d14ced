"""Authorizers of REST APIs: Lambda functions that see a token or the whole request."""

from __future__ import annotations

import re

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.apigateway import functions
from freehold.services.apigateway.rest.common import Patchable, Request, bad, draft, edit, kept, new_id, paged, patches
from freehold.services.apigateway.rest.state import Draft, Shape, not_found

KEPT = (
    "authType",
    "authorizerCredentials",
    "authorizerResultTtlInSeconds",
    "authorizerUri",
    "identitySource",
    "identityValidationExpression",
    "name",
    "type",
)
PATCHABLE = Patchable(
    tuple(f"/{name}" for name in KEPT),
    numbers=("authorizerResultTtlInSeconds",),
    needed=("authorizerResultTtlInSeconds", "name", "type"),
)
DEFAULT_TTL, MAX_TTL = 300, 3_600
_SOURCE = re.compile(r"method\.request\.(header|querystring)\.[^ ,]+|(context|stageVariables)\.[^ ,]+")


def sources(authorizer: Shape) -> list[str]:
    """The identity sources of an authorizer."""
    return [part.strip() for part in authorizer.get("identitySource", "").split(",") if part.strip()]


def check(authorizer: Shape) -> None:
    """Refuse an authorizer that could not decide. Raises BadRequestException, NotImplemented."""
    kind = authorizer["type"]
    if kind == "COGNITO_USER_POOLS":
        raise not_implemented("authorizers of type COGNITO_USER_POOLS of REST APIs")
    if kind not in ("TOKEN", "REQUEST"):
        raise bad(f"Invalid authorizer type specified: {kind}")
    if functions.arn_of(authorizer.get("authorizerUri") or "") is None:
        raise bad("Invalid Authorizer URI: it must be the URI of a Lambda function")
    ttl = authorizer.setdefault("authorizerResultTtlInSeconds", DEFAULT_TTL)
    if not 0 <= ttl <= MAX_TTL:
        raise bad(f"Authorizer result TTL must be between 0 and {MAX_TTL} seconds")
    found = sources(authorizer)
    if kind == "TOKEN" and (len(found) != 1 or not found[0].startswith("method.request.header.")):
        raise bad("Invalid mapping expression specified: a TOKEN authorizer takes one header as its identity source")
    if kind == "REQUEST" and not found and ttl:
        raise bad("Identity source is required when authorization caching is enabled")
    for source in found:
        if not _SOURCE.fullmatch(source):
            raise bad(f"Invalid mapping expression specified: {source}")
    if authorizer.get("identityValidationExpression"):
        try:
            re.compile(authorizer["identityValidationExpression"])
        except re.error:
            raise bad("Invalid identity validation expression specified") from None


async def create_authorizer(call: Call, request: Request) -> Shape:
    if request.get("providerARNs") or request.get("jwtConfiguration"):
        raise not_implemented("providerARNs and jwtConfiguration of apigateway:CreateAuthorizer")
    authorizer: Shape = {"authType": "custom"} | kept(request, KEPT) | {"id": new_id(call)}
    check(authorizer)

    def change(draft: Draft) -> Shape:
        if any(other["name"] == authorizer["name"] for other in draft.authorizers.values()):
            raise bad(
                f"Authorizer name must be unique. Authorizer {authorizer['name']} already exists in this RestApi."
            )
        draft.authorizers[authorizer["id"]] = authorizer
        return authorizer

    return await edit(call, request, change)


def _require(draft: Draft, identifier: str) -> Shape:
    authorizer = draft.authorizers.get(identifier)
    if authorizer is None:
        raise not_found("Authorizer")
    return authorizer


async def get_authorizer(call: Call, request: Request) -> Shape:
    return _require(await draft(call, request), request["authorizerId"])


async def get_authorizers(call: Call, request: Request) -> Shape:
    return paged(request, list((await draft(call, request)).authorizers.values()))


async def update_authorizer(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        authorizer = _require(draft, request["authorizerId"])
        for patch in operations:
            PATCHABLE.apply(authorizer, patch)
        check(authorizer)
        return authorizer

    return await edit(call, request, change)


async def delete_authorizer(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        identifier = request["authorizerId"]
        _require(draft, identifier)
        for resource in draft.resources.values():
            for method in resource["resourceMethods"].values():
                if method.get("authorizerId") == identifier:
                    raise Fault(
                        "ConflictException",
                        f"Cannot delete authorizer '{identifier}'. Authorizer is referenced by method "
                        f"'{method['httpMethod']}' of resource '{resource['path']}'",
                    )
        del draft.authorizers[identifier]
        return {}

    return await edit(call, request, change)
