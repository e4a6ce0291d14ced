"""APIs: create, quick-create, read, change, delete; CORS and tags."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway import deletion, index
from freehold.services.apigateway.http import state
from freehold.services.apigateway.http.common import Request, bad, draft, edit, kept, new_id, paged, refuse, space
from freehold.services.apigateway.http.integrations import check as check_integration
from freehold.services.apigateway.http.routes import check_key
from freehold.services.apigateway.http.state import Draft, Shape
from freehold.store.base import ReadTx, Tx

NOT_DONE = ("CredentialsArn", "DisableSchemaValidation")
KEPT = ("Name", "Description", "CorsConfiguration", "DisableExecuteApiEndpoint", "Version", "Tags")
SELECTION = "$request.method $request.path"
API_KEY_SELECTION = "$request.header.x-api-key"


def endpoint_of(call: Call, api_id: str) -> str:
    """Where the API answers, in a form that the caller can resolve (docs/operations.md)."""
    base = urlsplit(call.base_url)
    host = base.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return f"{base.scheme}://{api_id}.execute-api.localhost:{base.port or 80}"
    return f"{call.base_url}/_apis/{api_id}"


def described(call: Call, draft: Draft) -> Shape:
    """The shape of an API."""
    return draft.api | {"ApiEndpoint": endpoint_of(call, draft.api["ApiId"])}


def new_draft(call: Call, shape: Shape) -> Draft:
    """A draft with the members that every API has."""
    api = {
        "ApiKeySelectionExpression": API_KEY_SELECTION,
        "CreatedDate": call.platform.clock.now(),
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": SELECTION,
        "Tags": {},
    }
    return Draft(api | {"ApiId": new_id(call, 10)} | shape)


async def create_api(call: Call, request: Request) -> Shape:
    if request["ProtocolType"] != "HTTP":
        raise not_implemented("WebSocket APIs (ProtocolType of apigatewayv2:CreateApi)")
    _check(request, "CreateApi")
    fresh = new_draft(call, kept(request, KEPT))
    where, stage = space(call), None
    if "Target" in request:
        stage = _quick_create(call, fresh, request)
    elif "RouteKey" in request:
        raise bad("Target is required when RouteKey is specified")
    deployment = new_id(call, 6)

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        if stage is not None:
            state.put_stage(tx, where, fresh.api["ApiId"], stage)
            state.edit(tx, where, fresh.api["ApiId"], lambda d: {}, deployment, fresh.api["CreatedDate"])
        return described(call, fresh)

    return await once.transact(call, body)


def _quick_create(call: Call, fresh: Draft, request: Request) -> Shape:
    """A catch-all route, its integration and a stage that deploys itself, from Target alone."""
    target = request["Target"]
    function = target.startswith("arn:")
    integration: Shape = {
        "IntegrationId": new_id(call),
        "IntegrationType": "AWS_PROXY" if function else "HTTP_PROXY",
        "IntegrationUri": target,
        "IntegrationMethod": "POST" if function else "ANY",
        "PayloadFormatVersion": "2.0" if function else "1.0",
        "ConnectionType": "INTERNET",
        "TimeoutInMillis": 30_000,
        "ApiGatewayManaged": True,
    }
    check_integration(integration)
    key = request.get("RouteKey", "$default")
    check_key(key)
    route: Shape = {
        "RouteId": new_id(call),
        "RouteKey": key,
        "Target": f"integrations/{integration['IntegrationId']}",
        "AuthorizationType": "NONE",
        "ApiKeyRequired": False,
        "ApiGatewayManaged": True,
    }
    fresh.integrations[integration["IntegrationId"]] = integration
    fresh.routes[route["RouteId"]] = route
    now = fresh.api["CreatedDate"]
    stage: Shape = {
        "StageName": "$default",
        "AutoDeploy": True,
        "CreatedDate": now,
        "LastUpdatedDate": now,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "RouteSettings": {},
        "StageVariables": {},
        "Tags": {},
        "ApiGatewayManaged": True,
    }
    return stage


def _check(request: Request, operation: str) -> None:
    refuse(operation, request, NOT_DONE)
    if request.get("RouteSelectionExpression", SELECTION).replace("${", "$").replace("}", "") != SELECTION:
        raise bad(f"Invalid RouteSelectionExpression specified. HTTP APIs take {SELECTION} only.")
    if request.get("ApiKeySelectionExpression", API_KEY_SELECTION) != API_KEY_SELECTION:
        raise not_implemented(f"ApiKeySelectionExpression of apigatewayv2:{operation}")
    if request.get("IpAddressType", "ipv4") != "ipv4":
        raise not_implemented(f"IpAddressType dualstack of apigatewayv2:{operation}")
    check_cors(request.get("CorsConfiguration"))


def check_cors(cors: Shape | None) -> None:
    """Refuse CORS settings that API Gateway refuses."""
    if cors and cors.get("AllowCredentials") and "*" in cors.get("AllowOrigins", []):
        raise bad("Invalid CORS configuration: allowCredentials is not allowed together with the wildcard origin")


async def get_api(call: Call, request: Request) -> Shape:
    return described(call, await draft(call, request))


async def get_apis(call: Call, request: Request) -> Shape:
    where = space(call)

    def body(tx: ReadTx) -> list[Draft]:
        found: list[Draft] = []
        while True:
            rows = state.page(tx, where, found[-1].api["ApiId"] if found else "", 200)
            found.extend(rows)
            if len(rows) < 200:
                return found

    drafts = await call.platform.store.read_many(body)
    return paged(request, [described(call, one) for one in drafts])


async def update_api(call: Call, request: Request) -> Shape:
    _check(request, "UpdateApi")
    refuse("UpdateApi", request, ("Target", "RouteKey"))

    def change(draft: Draft) -> Shape:
        draft.api.update(kept(request, KEPT))
        return described(call, draft)

    return await edit(call, request["ApiId"], change)


async def delete_api(call: Call, request: Request) -> Shape:
    await deletion.delete(call, index.HTTP, request["ApiId"])
    return {}


async def delete_cors_configuration(call: Call, request: Request) -> Shape:
    def change(draft: Draft) -> Shape:
        draft.api.pop("CorsConfiguration", None)
        return {}

    return await edit(call, request["ApiId"], change)


def _tagged(arn: str) -> tuple[str, str | None]:
    """`arn:aws:apigateway:region::/apis/{id}[/stages/{name}]` -> (api id, stage name)."""
    parts = unquote(arn).rpartition("::")[2].strip("/").split("/")
    if len(parts) == 2 and parts[0] == "apis":
        return parts[1], None
    if len(parts) == 4 and parts[0] == "apis" and parts[2] == "stages":
        return parts[1], parts[3]
    raise Fault("NotFoundException", f"Invalid resource ARN specified {arn}")


async def _retag(call: Call, arn: str, add: dict[str, str], remove: list[str]) -> Shape:
    tagged, where = _tagged(arn), space(call)
    await call.platform.store.transact(lambda tx: state.retag(tx, where, tagged, "Tags", add, remove))
    return {}


async def tag_resource(call: Call, request: Request) -> Shape:
    return await _retag(call, request["ResourceArn"], request.get("Tags", {}), [])


async def untag_resource(call: Call, request: Request) -> Shape:
    return await _retag(call, request["ResourceArn"], {}, request["TagKeys"])


async def get_tags(call: Call, request: Request) -> Shape:
    api_id, stage_name = _tagged(request["ResourceArn"])
    where = space(call)

    def body(tx: ReadTx) -> Shape:
        draft = state.find(tx, where, api_id)
        return draft.api if stage_name is None else state.require_stage(tx, where, api_id, stage_name)

    return {"Tags": (await call.platform.store.read(body)).get("Tags", {})}
