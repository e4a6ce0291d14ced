"""REST APIs: create, read, change, delete; tags; the account's settings."""

from __future__ import annotations

from urllib.parse import unquote

from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.rules.resource_policies import PolicyError, compile_policy
from freehold.services.apigateway import deletion, index
from freehold.services.apigateway.rest import state
from freehold.services.apigateway.rest.common import (
    Request,
    bad,
    draft,
    edit,
    kept,
    new_id,
    paged,
    patches,
    refuse,
    space,
)
from freehold.services.apigateway.rest.state import Draft, Shape
from freehold.store.base import ReadTx, Tx

NOT_DONE = ("cloneFrom", "minimumCompressionSize", "endpointAccessMode", "securityPolicy")
KEPT = ("name", "description", "version", "binaryMediaTypes", "disableExecuteApiEndpoint", "policy", "tags")
PATHS = (
    "/apiKeySource",
    "/binaryMediaTypes/{type}",
    "/description",
    "/disableExecuteApiEndpoint",
    "/endpointConfiguration/types/{type}",
    "/name",
    "/policy",
    "/version",
)
API_STATUS = {"apiStatus": "AVAILABLE"}


def new_draft(call: Call, shape: Shape) -> Draft:
    """A draft with the members that every API has, and its root resource."""
    root = new_id(call, 10)
    api: Shape = {
        "apiKeySource": "HEADER",
        "createdDate": int(call.platform.clock.now()),
        "disableExecuteApiEndpoint": False,
        "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
        "id": new_id(call, 10),
        "rootResourceId": root,
        "tags": {},
    }
    return Draft(api | shape, {root: {"id": root, "path": "/", "resourceMethods": {}}})


def described(draft: Draft) -> Shape:
    """The shape of an API."""
    return draft.api | API_STATUS


def check(api: Shape) -> None:
    """Refuse what could not be served."""
    if not api.get("name"):
        raise bad("Invalid name specified: it must not be empty")
    if api.get("apiKeySource", "HEADER") != "HEADER":
        raise not_implemented("apiKeySource AUTHORIZER of REST APIs")
    settings = api.get("endpointConfiguration", {})
    types = settings.get("types", [])
    if "PRIVATE" in types or settings.get("vpcEndpointIds"):
        raise not_implemented("private REST APIs (endpointConfiguration)")
    if len(types) != 1 or types[0] not in ("EDGE", "REGIONAL"):
        raise bad(f"Invalid endpoint configuration type specified: {types}")
    if settings.get("ipAddressType", "ipv4") != "ipv4":
        raise not_implemented("ipAddressType dualstack of REST APIs")
    if api.get("policy"):
        try:
            compile_policy(api["policy"])
        except PolicyError as problem:
            raise bad(f"Invalid policy document. Please check the policy syntax: {problem}") from None


async def create_rest_api(call: Call, request: Request) -> Shape:
    refuse("CreateRestApi", request, NOT_DONE)
    shape = kept(request, (*KEPT, "apiKeySource"))
    fresh = new_draft(call, shape)
    if "endpointConfiguration" in request:
        fresh.api["endpointConfiguration"] |= request["endpointConfiguration"]
    check(fresh.api)
    where = space(call)

    def body(tx: Tx) -> Shape:
        state.create(tx, where, fresh)
        return described(fresh)

    return await once.transact(call, body)


async def get_rest_api(call: Call, request: Request) -> Shape:
    return described(await draft(call, request))


async def get_rest_apis(call: Call, request: Request) -> Shape:
    where = space(call)

    def body(tx: ReadTx) -> list[Draft]:
        found: list[Draft] = []
        while True:
            rows = state.page(tx, where, found[-1].api["id"] if found else "", 200)
            found.extend(rows)
            if len(rows) < 200:
                return found

    drafts = await call.platform.store.read_many(body)
    return paged(request, [described(one) for one in drafts])


async def update_rest_api(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def change(draft: Draft) -> Shape:
        api = draft.api
        for patch in operations:
            match patch.path:
                case ("name" | "description" | "version" | "policy" | "apiKeySource" as member,):
                    if patch.op == "remove":
                        api.pop(member, None)
                    else:
                        api[member] = patch.value
                case ("disableExecuteApiEndpoint",):
                    api["disableExecuteApiEndpoint"] = patch.truth
                case ("binaryMediaTypes", kind):
                    types = [one for one in api.get("binaryMediaTypes", []) if one != kind]
                    new = patch.value or kind
                    api["binaryMediaTypes"] = types if patch.op == "remove" else [*types, new]
                case ("endpointConfiguration", "types", _):
                    api["endpointConfiguration"]["types"] = [patch.value]
                case ("minimumCompressionSize",) if patch.op != "remove":
                    raise not_implemented("minimumCompressionSize of apigateway:UpdateRestApi")
                case ("minimumCompressionSize",):
                    pass
                case _:
                    raise patch.refused(PATHS)
        check(api)
        return described(draft)

    return await edit(call, request, change)


async def delete_rest_api(call: Call, request: Request) -> Shape:
    await deletion.delete(call, index.REST, request["restApiId"])
    return {}


def _tagged(arn: str) -> tuple[str, str | None]:
    """`arn:aws:apigateway:region::/restapis/{id}[/stages/{name}]` -> (api id, stage name)."""
    parts = unquote(arn).rpartition("::")[2].strip("/").split("/")
    if len(parts) == 2 and parts[0] == "restapis":
        return parts[1], None
    if len(parts) == 4 and parts[0] == "restapis" and parts[2] == "stages":
        return parts[1], parts[3]
    raise Fault("NotFoundException", f"Invalid resource ARN specified {arn}")


async def _retag(call: Call, arn: str, add: dict[str, str], remove: list[str]) -> Shape:
    tagged, where = _tagged(arn), space(call)
    await call.platform.store.transact(lambda tx: state.retag(tx, where, tagged, "tags", add, remove))
    return {}


async def tag_resource(call: Call, request: Request) -> Shape:
    return await _retag(call, request["resourceArn"], request["tags"], [])


async def untag_resource(call: Call, request: Request) -> Shape:
    return await _retag(call, request["resourceArn"], {}, request["tagKeys"])


async def get_tags(call: Call, request: Request) -> Shape:
    api_id, stage_name = _tagged(request["resourceArn"])
    where = space(call)

    def body(tx: ReadTx) -> Shape:
        draft = state.find(tx, where, api_id)
        return draft.api if stage_name is None else state.require_stage(tx, where, api_id, stage_name)

    return {"tags": (await call.platform.store.read(body)).get("tags", {})}


THROTTLE = {"throttleSettings": {"burstLimit": 5_000, "rateLimit": 10_000.0}}


async def get_account(call: Call, request: Request) -> Shape:
    return THROTTLE | await call.platform.store.read(lambda tx: state.settings(tx, space(call)))


async def update_account(call: Call, request: Request) -> Shape:
    """The role that CloudWatch Logs is written with: recorded; writing asks nobody yet (docs/differences.md)."""
    operations, where = patches(request), space(call)

    def body(tx: Tx) -> Shape:
        shape = state.settings(tx, where)
        for patch in operations:
            if patch.path != ("cloudwatchRoleArn",):
                raise patch.refused(("/cloudwatchRoleArn",))
            if patch.op == "remove" or not patch.value:
                shape.pop("cloudwatchRoleArn", None)
            elif not patch.value.startswith("arn:"):
                raise bad("The role ARN does not have required permissions configured")
            else:
                shape["cloudwatchRoleArn"] = patch.value
        state.put_settings(tx, where, shape)
        return shape

    return THROTTLE | await call.platform.store.transact(body)
