"""Authorizers of HTTP APIs: JWT and Lambda (REQUEST)."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.apigateway import functions
from freehold.services.apigateway.http.common import Request, bad, draft, edit, kept, new_id, paged, refuse
from freehold.services.apigateway.http.state import Draft, Shape, not_found

NOT_DONE = ("AuthorizerCredentialsArn", "IdentityValidationExpression")
KEPT = (
    "AuthorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds",
    "AuthorizerType",
    "AuthorizerUri",
    "EnableSimpleResponses",
    "IdentitySource",
    "JwtConfiguration",
    "Name",
)
SOURCES = ("$request.header.", "$request.querystring.", "$context.", "$stageVariables.")


def check(authorizer: Shape) -> None:
    """Refuse an authorizer that could not decide."""
    sources = authorizer.get("IdentitySource", [])
    for source in sources:
        if not source.startswith(SOURCES):
            raise bad(f"Invalid mapping expression specified: {source}")
    if authorizer["AuthorizerType"] == "JWT":
        settings = authorizer.get("JwtConfiguration") or {}
        if not settings.get("Issuer") or not settings.get("Audience"):
            raise bad("JwtConfiguration with Issuer and Audience is required for JWT authorizers")
        if not settings["Issuer"].startswith(("https://", "http://")):
            raise bad(f"Invalid issuer: {settings['Issuer']}. Issuer must have a valid URL")
        if len(sources) != 1:
            raise bad("JWT authorizers take one identity source")
        return
    if functions.arn_of(authorizer.get("AuthorizerUri", "")) is None:
        raise bad("Invalid Authorizer URI: it must be the URI of a Lambda function")
    version = authorizer.get("AuthorizerPayloadFormatVersion")
    if version not in ("1.0", "2.0"):
        raise bad("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    if authorizer.get("EnableSimpleResponses") and version != "2.0":
        raise bad("EnableSimpleResponses is supported for authorizer payload format version 2.0 only")
    if authorizer.get("AuthorizerResultTtlInSeconds") and not sources:
        raise bad("An identity source is required when results are cached")


async def create_authorizer(call: Call, request: Request) -> Shape:
    refuse("CreateAuthorizer", request, NOT_DONE)
    check(request)
    authorizer = kept(request, KEPT) | {"AuthorizerId": new_id(call, 6)}

    def change(draft: Draft) -> Shape:
        if any(other["Name"] == authorizer["Name"] for other in draft.authorizers.values()):
            raise bad(f"Authorizer name must be unique. Authorizer {authorizer['Name']} already exists in this Api.")
        draft.authorizers[authorizer["AuthorizerId"]] = authorizer
        return authorizer

    return await edit(call, request["ApiId"], change)


def _require(draft: Draft, identifier: str) -> Shape:
    authorizer = draft.authorizers.get(identifier)
    if authorizer is None:
        raise not_found("Authorizer", identifier)
    return authorizer


async def get_authorizer(call: Call, request: Request) -> Shape:
    return _require(await draft(call, request), request["AuthorizerId"])


async def get_authorizers(call: Call, request: Request) -> Shape:
    return paged(request, list((await draft(call, request)).authorizers.values()))


async def update_authorizer(call: Call, request: Request) -> Shape:
    refuse("UpdateAuthorizer", request, NOT_DONE)

    def change(draft: Draft) -> Shape:
        authorizer = _require(draft, request["AuthorizerId"])
        authorizer.update(kept(request, KEPT))
        check(authorizer)
        return authorizer

    return await edit(call, request["ApiId"], change)


async def delete_authorizer(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        identifier = request["AuthorizerId"]
        _require(draft, identifier)
        if any(route.get("AuthorizerId") == identifier for route in draft.routes.values()):
            raise Fault(
                "ConflictException", f"Cannot delete authorizer '{identifier}'. Authorizer is referenced by Route"
            )
        del draft.authorizers[identifier]
        return {}

    return await edit(call, request["ApiId"], change)


async def reset_authorizers_cache(call: Call, request: Request) -> Shape:
    """Bumping the API's version drops what the front door compiled, cached decisions with it."""
    return await edit(call, request["ApiId"], lambda _: {})
