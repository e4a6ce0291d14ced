"""Deployments and stages of REST APIs."""

from __future__ import annotations

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway import access_log
from freehold.services.apigateway.rest import state
from freehold.services.apigateway.rest.common import (
    Patch,
    Request,
    apply_entry,
    apply_text,
    bad,
    kept,
    new_id,
    paged,
    patches,
    refuse,
    space,
)
from freehold.services.apigateway.rest.state import Deployment, Draft, Shape
from freehold.store.base import ReadTx, Tx

CACHE = ("cacheClusterEnabled", "cacheClusterSize", "canarySettings")
SETTINGS: Shape = {
    "cacheDataEncrypted": False,
    "cacheTtlInSeconds": 300,
    "cachingEnabled": False,
    "dataTraceEnabled": False,
    "metricsEnabled": False,
    "requireAuthorizationForCacheControl": True,
    "throttlingBurstLimit": 5_000,
    "throttlingRateLimit": 10_000.0,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}
STAGE_PATHS = (
    "/accessLogSettings/destinationArn",
    "/accessLogSettings/format",
    "/deploymentId",
    "/description",
    "/tracingEnabled",
    "/variables/{name}",
    "/{resourcePath}/{httpMethod}/throttling/burstLimit",
    "/{resourcePath}/{httpMethod}/throttling/rateLimit",
)
NAME = "Stage name only allows a-zA-Z0-9_-"


def new_stage(name: str, deployment_id: str, now: int) -> Shape:
    """A stage with the members that every one has. Raises BadRequestException."""
    if not name or len(name) > 128 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise bad(NAME)
    return {
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "createdDate": now,
        "deploymentId": deployment_id,
        "lastUpdatedDate": now,
        "methodSettings": {},
        "stageName": name,
        "tracingEnabled": False,
    }


def check(stage: Shape) -> None:
    """Refuse settings that would not act."""
    log = stage.get("accessLogSettings")
    if log and "destinationArn" in log:
        arn = arns.parse(log["destinationArn"])
        if arn is None:
            raise bad(f"Invalid ARN specified in the request: {log['destinationArn']}")
        if arn.service != "logs":
            raise not_implemented(f"access logs to {arn.service} (destinationArn of accessLogSettings)")
        if log.get("format"):
            access_log.compile_format(log["format"])
    for name in stage.get("variables", {}):
        if not name.replace("_", "").isalnum():
            raise bad(f"Stage variable name should only contain alphanumeric characters and underscores: {name}")


def _deployable(draft: Draft) -> None:
    found = [method for resource in draft.resources.values() for method in resource["resourceMethods"].values()]
    if not found:
        raise bad("The REST API doesn't contain any methods")
    if any("methodIntegration" not in method for method in found):
        raise bad("No integration defined for method")


def summary(draft: Draft) -> Shape:
    """Methods by path, as GetDeployment embeds them."""
    return {
        resource["path"]: {
            name: {"apiKeyRequired": False, "authorizationType": method["authorizationType"]}
            for name, method in resource["resourceMethods"].items()
        }
        for resource in draft.resources.values()
        if resource["resourceMethods"]
    }


async def create_deployment(call: Call, request: Request) -> Shape:
    refuse("CreateDeployment", request, CACHE)
    now, where, api_id = int(call.platform.clock.now()), space(call), request["restApiId"]
    shape: Shape = {"id": new_id(call), "createdDate": now} | kept(request, ("description",))

    def body(tx: Tx) -> Shape:
        draft = state.find(tx, where, api_id)
        _deployable(draft)
        state.put_deployment(tx, where, api_id, Deployment(shape, draft))
        if request.get("stageName"):
            name = request["stageName"]
            stage = state.find_stage(tx, where, api_id, name) or new_stage(name, shape["id"], now)
            stage |= {"deploymentId": shape["id"], "lastUpdatedDate": now} | kept(
                request, ("tracingEnabled", "variables")
            )
            if "stageDescription" in request:
                stage["description"] = request["stageDescription"]
            check(stage)
            state.put_stage(tx, where, api_id, stage)
        return shape

    return await once.transact(call, body)


def _described(deployment: Deployment, request: Request) -> Shape:
    embedded = "apisummary" in request.get("embed", [])
    return deployment.shape | ({"apiSummary": summary(deployment.draft)} if embedded else {})


async def get_deployment(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> Deployment:
        state.find(tx, space(call), request["restApiId"])
        return state.find_deployment(tx, space(call), request["restApiId"], request["deploymentId"])

    return _described(await call.platform.store.read(body), request)


async def get_deployments(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> list[Deployment]:
        state.find(tx, space(call), request["restApiId"])
        return state.deployments(tx, space(call), request["restApiId"])

    found = await call.platform.store.read_many(body)
    return paged(request, [deployment.shape for deployment in found])


async def update_deployment(call: Call, request: Request) -> Shape:
    operations = patches(request)

    def body(tx: Tx) -> Shape:
        state.find(tx, space(call), request["restApiId"])
        deployment = state.find_deployment(tx, space(call), request["restApiId"], request["deploymentId"])
        for patch in operations:
            if not apply_text(deployment.shape, patch, ("description",)):
                raise patch.refused(("/description",))
        state.put_deployment(tx, space(call), request["restApiId"], deployment)
        return deployment.shape

    return await once.transact(call, body)


async def delete_deployment(call: Call, request: Request) -> Shape:
    def body(tx: Tx) -> None:
        state.find(tx, space(call), request["restApiId"])
        state.delete_deployment(tx, space(call), request["restApiId"], request["deploymentId"])

    await call.platform.store.transact(body)
    return {}


async def create_stage(call: Call, request: Request) -> Shape:
    refuse("CreateStage", request, (*CACHE, "documentationVersion"))
    now, where, api_id = int(call.platform.clock.now()), space(call), request["restApiId"]
    stage = new_stage(request["stageName"], request["deploymentId"], now)
    stage |= kept(request, ("description", "tracingEnabled", "variables", "tags"))
    check(stage)

    def body(tx: Tx) -> Shape:
        state.find(tx, where, api_id)
        state.find_deployment(tx, where, api_id, stage["deploymentId"])
        if state.find_stage(tx, where, api_id, stage["stageName"]) is not None:
            raise Fault("ConflictException", "Stage already exists")
        state.put_stage(tx, where, api_id, stage)
        return stage

    return await once.transact(call, body)


def described(stage: Shape) -> Shape:
    """The shape of a stage, its method settings with their defaults."""
    settings = {key: SETTINGS | values for key, values in stage["methodSettings"].items()}
    return stage | {"methodSettings": settings}


async def get_stage(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> Shape:
        state.find(tx, space(call), request["restApiId"])
        return state.require_stage(tx, space(call), request["restApiId"], request["stageName"])

    return described(await call.platform.store.read(body))


async def get_stages(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> list[Shape]:
        state.find(tx, space(call), request["restApiId"])
        return state.stages(tx, space(call), request["restApiId"])

    found = await call.platform.store.read(body)
    wanted = request.get("deploymentId")
    return {"item": [described(stage) for stage in found if wanted in (None, stage["deploymentId"])]}


def _patch(stage: Shape, patch: Patch) -> None:
    if apply_text(stage, patch, ("deploymentId", "description")):
        return
    match patch.path:
        case ("tracingEnabled",):
            stage["tracingEnabled"] = patch.op != "remove" and patch.truth
        case ("variables", name):
            apply_entry(stage.setdefault("variables", {}), patch, name, patch.value)
        case ("accessLogSettings",) if patch.op == "remove":
            stage.pop("accessLogSettings", None)
        case ("accessLogSettings", "destinationArn" | "format" as member):
            value = patch.value.removesuffix(":*") if member == "destinationArn" else patch.value
            apply_entry(stage.setdefault("accessLogSettings", {}), patch, member, value)
        case ("cacheClusterEnabled",) if patch.op == "remove" or not patch.truth:
            pass
        case ("cacheClusterEnabled" | "cacheClusterSize" | "documentationVersion" | "clientCertificateId" as member,):
            raise not_implemented(f"{member} of apigateway:UpdateStage")
        case ("canarySettings", *_):
            raise not_implemented("canarySettings of apigateway:UpdateStage")
        case (resource, method):
            if patch.op != "remove":
                raise patch.refused(STAGE_PATHS)
            stage["methodSettings"].pop(_settings_key(resource, method), None)
        case (resource, method, group, setting):
            _set(stage, _settings_key(resource, method), f"{group}/{setting}", patch)
        case _:
            raise patch.refused(STAGE_PATHS)


def _settings_key(resource: str, method: str) -> str:
    """Method settings are kept by `*/*` or `~1path/METHOD`, as GetStage shows them."""
    return f"{resource.replace('/', '~1')}/{method}"


NOTHING = {
    "caching/dataEncrypted": "false",
    "caching/enabled": "false",
    "logging/dataTrace": "false",
    "logging/loglevel": "OFF",
    "metrics/enabled": "false",
}
"""Method settings that Freehold does not act on, and the value that asks for nothing."""


def _set(stage: Shape, key: str, setting: str, patch: Patch) -> None:
    settings = stage["methodSettings"].setdefault(key, {})
    if setting in ("throttling/rateLimit", "throttling/burstLimit"):
        member = {"rateLimit": "throttlingRateLimit", "burstLimit": "throttlingBurstLimit"}[setting.rpartition("/")[2]]
        if patch.op == "remove":
            settings.pop(member, None)
            return
        try:
            number = float(patch.value)
        except ValueError:
            raise bad(f"Invalid value specified for the patch path {patch.text}: it must be a number") from None
        settings[member] = int(number) if member == "throttlingBurstLimit" else number
    elif setting in NOTHING:
        if patch.op != "remove" and patch.value != NOTHING[setting]:
            raise not_implemented(f"the method setting {setting} of REST APIs' stages")
    elif setting.startswith("caching/"):
        raise not_implemented(f"the method setting {setting} of REST APIs' stages")
    else:
        raise patch.refused(STAGE_PATHS)


async def update_stage(call: Call, request: Request) -> Shape:
    operations, now, where, api_id = patches(request), int(call.platform.clock.now()), space(call), request["restApiId"]

    def body(tx: Tx) -> Shape:
        state.find(tx, where, api_id)
        stage = state.require_stage(tx, where, api_id, request["stageName"])
        for patch in operations:
            _patch(stage, patch)
        stage["lastUpdatedDate"] = now
        check(stage)
        state.find_deployment(tx, where, api_id, stage.get("deploymentId", ""))
        state.put_stage(tx, where, api_id, stage)
        return stage

    return described(await once.transact(call, body))


async def delete_stage(call: Call, request: Request) -> Shape:
    def body(tx: Tx) -> None:
        state.find(tx, space(call), request["restApiId"])
        state.delete_stage(tx, space(call), request["restApiId"], request["stageName"])

    await call.platform.store.transact(body)
    return {}


async def flush_stage_authorizers_cache(call: Call, request: Request) -> Shape:
    """Writing the stage again drops what the front door compiled, cached decisions with it."""

    def body(tx: Tx) -> None:
        state.find(tx, space(call), request["restApiId"])
        stage = state.require_stage(tx, space(call), request["restApiId"], request["stageName"])
        state.put_stage(tx, space(call), request["restApiId"], stage)

    await call.platform.store.transact(body)
    return {}
