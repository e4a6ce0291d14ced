"""Routes of HTTP APIs."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.rules.http_routes import DEFAULT, BadRouteKey, split_key
from freehold.services.apigateway.http.common import Request, bad, draft, edit, kept, new_id, paged, refuse
from freehold.services.apigateway.http.state import Draft, Shape, not_found

NOT_DONE = (
    "ApiKeyRequired",
    "ModelSelectionExpression",
    "RequestModels",
    "RequestParameters",
    "RouteResponseSelectionExpression",
)
KEPT = ("AuthorizationScopes", "AuthorizationType", "AuthorizerId", "OperationName", "RouteKey", "Target")


def check_key(key: str) -> None:
    """Refuse what is not `$default` or `METHOD /path`."""
    if key == DEFAULT:
        return
    try:
        split_key(key)
    except BadRouteKey:
        raise bad(
            "The provided route key is not formatted properly for HTTP protocol. Format should be "
            '"<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        ) from None


def check(draft: Draft, route: Shape) -> None:
    """Refuse a route whose key is taken or whose target or authorizer is not there."""
    check_key(route["RouteKey"])
    for other in draft.routes.values():
        if other["RouteKey"] == route["RouteKey"] and other["RouteId"] != route["RouteId"]:
            raise taken(route["RouteKey"])
    check_ties(draft, route)


def taken(key: str) -> Fault:
    """Another route has this key."""
    return Fault("ConflictException", f"Route with key {key} already exists for this API")


def check_ties(draft: Draft, route: Shape) -> None:
    """Refuse a route whose target or authorizer is not there."""
    target = route.get("Target")
    if target is not None:
        kind, _, identifier = target.partition("/")
        if kind != "integrations" or identifier not in draft.integrations:
            raise bad(f"Invalid Target specified: {target}. Target must be of the form integrations/<integration id>")
    kind = route.get("AuthorizationType", "NONE")
    if kind in ("JWT", "CUSTOM"):
        authorizer = draft.authorizers.get(route.get("AuthorizerId", ""))
        wanted = {"JWT": "JWT", "CUSTOM": "REQUEST"}[kind]
        if authorizer is None or authorizer["AuthorizerType"] != wanted:
            raise bad(f"Invalid authorizer ID specified for the authorization type {kind}")
    if route.get("AuthorizationScopes") and kind != "JWT":
        raise bad("AuthorizationScopes are allowed with the JWT authorization type only")


def described(route: Shape) -> Shape:
    """The shape of a route."""
    return {"ApiKeyRequired": False, "AuthorizationType": "NONE"} | route


async def create_route(call: Call, request: Request) -> Shape:
    refuse("CreateRoute", request, NOT_DONE)
    route = kept(request, KEPT) | {"RouteId": new_id(call)}

    def change(draft: Draft) -> Shape:
        check(draft, route)
        draft.routes[route["RouteId"]] = route
        return described(route)

    return await edit(call, request["ApiId"], change)


async def get_route(call: Call, request: Request) -> Shape:
    route = (await draft(call, request)).routes.get(request["RouteId"])
    if route is None:
        raise not_found("Route", request["RouteId"])
    return described(route)


async def get_routes(call: Call, request: Request) -> Shape:
    return paged(request, [described(route) for route in (await draft(call, request)).routes.values()])


async def update_route(call: Call, request: Request) -> Shape:
    refuse("UpdateRoute", request, NOT_DONE)

    def change(draft: Draft) -> Shape:
        route = draft.routes.get(request["RouteId"])
        if route is None:
            raise not_found("Route", request["RouteId"])
        route.update(kept(request, KEPT))
        if route.get("AuthorizationType") in ("NONE", "AWS_IAM"):
            route.pop("AuthorizerId", None)
            route.pop("AuthorizationScopes", None)
        check(draft, route)
        return described(route)

    return await edit(call, request["ApiId"], change)


async def delete_route(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        if draft.routes.pop(request["RouteId"], None) is None:
            raise not_found("Route", request["RouteId"])
        return {}

    return await edit(call, request["ApiId"], change)
