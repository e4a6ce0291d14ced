"""Stages and deployments of HTTP APIs."""

from __future__ import annotations

from collections.abc import Callable

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway import access_log
from freehold.services.apigateway.http import state
from freehold.services.apigateway.http.common import Request, bad, kept, new_id, paged, refuse, space
from freehold.services.apigateway.http.state import Deployment, Draft, Shape
from freehold.store.base import ReadTx, Tx

KEPT = (
    "AccessLogSettings",
    "AutoDeploy",
    "DefaultRouteSettings",
    "DeploymentId",
    "Description",
    "RouteSettings",
    "StageVariables",
)
WEBSOCKET_ONLY = ("DataTraceEnabled", "LoggingLevel")


def check(stage: Shape) -> None:
    """Refuse settings that would not act."""
    for settings in (stage.get("DefaultRouteSettings"), *stage.get("RouteSettings", {}).values()):
        for member in WEBSOCKET_ONLY:
            if settings and settings.get(member) not in (None, False, "OFF"):
                raise bad(f"Execution logs are not supported on protocolType HTTP ({member})")
        if settings and settings.get("DetailedMetricsEnabled"):
            raise not_implemented("DetailedMetricsEnabled of route settings")
    log = stage.get("AccessLogSettings")
    if log:
        arn = arns.parse(log.get("DestinationArn", ""))
        if arn is None or not log.get("Format"):
            raise bad("AccessLogSettings takes a DestinationArn and a Format")
        if arn.service != "logs":
            raise not_implemented(f"access logs to {arn.service} (DestinationArn of AccessLogSettings)")
        access_log.compile_format(log["Format"])
    name = stage["StageName"]
    if name != "$default" and not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise bad("Stage name only allows a-zA-Z0-9_- or $default")


def _bare(stage: Shape) -> Shape:
    return {"RouteSettings": {}, "StageVariables": {}, "Tags": {}, "AutoDeploy": False} | stage


async def create_stage(call: Call, request: Request) -> Shape:
    refuse("CreateStage", request, ("ClientCertificateId",))
    now, where, api_id = call.platform.clock.now(), space(call), request["ApiId"]
    stage = _bare(
        kept(request, (*KEPT, "StageName", "Tags"))
        | {"CreatedDate": now, "LastUpdatedDate": now}
        | {"DefaultRouteSettings": {"DetailedMetricsEnabled": False} | request.get("DefaultRouteSettings", {})}
    )
    check(stage)
    deployment_id = new_id(call, 6)

    def body(tx: Tx) -> Shape:
        state.find(tx, where, api_id)
        if state.find_stage(tx, where, api_id, stage["StageName"]) is not None:
            raise Fault("ConflictException", "Stage already exists")
        return _write(tx, where, api_id, stage, deployment_id, now)

    return await once.transact(call, body)


def _write(tx: Tx, where: state.Space, api_id: str, stage: Shape, deployment_id: str, now: float) -> Shape:
    if stage.get("AutoDeploy"):
        if "DeploymentId" in stage and not stage.get("LastDeploymentStatusMessage"):
            raise bad("Deployment ID is not allowed for stages that deploy automatically")
        state.put_stage(tx, where, api_id, stage)
        state.edit(tx, where, api_id, lambda _: {}, deployment_id, now)
        return state.require_stage(tx, where, api_id, stage["StageName"])
    if "DeploymentId" in stage:
        state.find_deployment(tx, where, api_id, stage["DeploymentId"])
    state.put_stage(tx, where, api_id, stage)
    return stage


async def get_stage(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> Shape:
        state.find(tx, space(call), request["ApiId"])
        return state.require_stage(tx, space(call), request["ApiId"], request["StageName"])

    return await call.platform.store.read(body)


async def get_stages(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> list[Shape]:
        state.find(tx, space(call), request["ApiId"])
        return state.stages(tx, space(call), request["ApiId"])

    return paged(request, await call.platform.store.read(body))


async def update_stage(call: Call, request: Request) -> Shape:
    refuse("UpdateStage", request, ("ClientCertificateId",))
    now, where, deployment_id = call.platform.clock.now(), space(call), new_id(call, 6)

    def change(stage: Shape) -> None:
        changed = kept(request, KEPT)
        if "DeploymentId" in changed and stage.get("AutoDeploy") and changed.get("AutoDeploy", True):
            raise bad("Deployment ID cannot be set on a stage that deploys automatically")
        stage.update(changed)
        stage["LastUpdatedDate"] = now
        check(stage)

    return await _edit(call, request, change, where, deployment_id, now)


async def _edit(
    call: Call, request: Request, change: Callable[[Shape], None], where: state.Space, deployment_id: str, now: float
) -> Shape:
    api_id = request["ApiId"]

    def body(tx: Tx) -> Shape:
        state.find(tx, where, api_id)
        stage = state.require_stage(tx, where, api_id, request["StageName"])
        automatic = stage.get("AutoDeploy", False)
        change(stage)
        if stage.get("AutoDeploy") and not automatic:
            stage.pop("DeploymentId", None)
            return _write(tx, where, api_id, stage, deployment_id, now)
        if "DeploymentId" in stage:
            state.find_deployment(tx, where, api_id, stage["DeploymentId"])
        state.put_stage(tx, where, api_id, stage)
        return stage

    return await once.transact(call, body)


async def delete_stage(call: Call, request: Request) -> Shape:
    def body(tx: Tx) -> None:
        state.find(tx, space(call), request["ApiId"])
        state.delete_stage(tx, space(call), request["ApiId"], request["StageName"])

    await call.platform.store.transact(body)
    return {}


async def delete_access_log_settings(call: Call, request: Request) -> Shape:
    await _edit(call, request, lambda stage: stage.pop("AccessLogSettings", None), space(call), "", 0.0)
    return {}


async def delete_route_settings(call: Call, request: Request) -> Shape:
    def change(stage: Shape) -> None:
        if stage.get("RouteSettings", {}).pop(request["RouteKey"], None) is None:
            raise state.not_found("Route Settings", request["RouteKey"])

    await _edit(call, request, change, space(call), "", 0.0)
    return {}


async def create_deployment(call: Call, request: Request) -> Shape:
    now, where, api_id = call.platform.clock.now(), space(call), request["ApiId"]
    shape = state.deployed(new_id(call, 6), now, request.get("Description"))

    def body(tx: Tx) -> Shape:
        draft = state.find(tx, where, api_id)
        _deployable(draft)
        state.put_deployment(tx, where, api_id, Deployment(shape, draft.routable()))
        if "StageName" in request:
            stage = state.require_stage(tx, where, api_id, request["StageName"])
            if stage.get("AutoDeploy"):
                raise bad("Deployments cannot be associated with a stage that deploys automatically")
            stage["DeploymentId"] = shape["DeploymentId"]
            stage["LastUpdatedDate"] = now
            state.put_stage(tx, where, api_id, stage)
        return shape

    return await once.transact(call, body)


def _deployable(draft: Draft) -> None:
    if not draft.routes:
        raise bad("At least one route is required before deploying the Api.")


async def get_deployment(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> Shape:
        state.find(tx, space(call), request["ApiId"])
        return state.find_deployment(tx, space(call), request["ApiId"], request["DeploymentId"]).shape

    return await call.platform.store.read(body)


async def get_deployments(call: Call, request: Request) -> Shape:
    def body(tx: ReadTx) -> list[Shape]:
        state.find(tx, space(call), request["ApiId"])
        return [deployment.shape for deployment in state.deployments(tx, space(call), request["ApiId"])]

    return paged(request, await call.platform.store.read(body))


async def update_deployment(call: Call, request: Request) -> Shape:
    def body(tx: Tx) -> Shape:
        state.find(tx, space(call), request["ApiId"])
        deployment = state.find_deployment(tx, space(call), request["ApiId"], request["DeploymentId"])
        deployment.shape.update(kept(request, ("Description",)))
        state.put_deployment(tx, space(call), request["ApiId"], deployment)
        return deployment.shape

    return await once.transact(call, body)


async def delete_deployment(call: Call, request: Request) -> Shape:
    def body(tx: Tx) -> None:
        state.find(tx, space(call), request["ApiId"])
        state.delete_deployment(tx, space(call), request["ApiId"], request["DeploymentId"])

    await call.platform.store.transact(body)
    return {}
