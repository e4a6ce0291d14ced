"""HTTP APIs in the store (see apirows.py), and the deployments that follow an edit by themselves.

Shapes are kept as the API's own members (`{"RouteId": ..., "RouteKey": ...}`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from freehold.services.apigateway import index
from freehold.services.apigateway.apirows import ApiRows, Names, Shape, Space
from freehold.store.base import Tx

__all__ = ["Deployment", "Draft", "Shape", "Space"]


class Draft(msgspec.Struct):
    """An API as it is being edited: its own shape, and its parts by id."""

    api: Shape
    routes: dict[str, Shape] = {}
    integrations: dict[str, Shape] = {}
    authorizers: dict[str, Shape] = {}

    def routable(self) -> Draft:
        """What a deployment keeps."""
        return Draft(self.api, self.routes, self.integrations, self.authorizers)


class Deployment(msgspec.Struct):
    """A deployment's shape, and the draft as it was."""

    shape: Shape
    draft: Draft


ROWS = ApiRows(
    Draft,
    Deployment,
    Names(index.HTTP, "", "ApiId", "DeploymentId", "DeploymentId", "StageName", tell=True, full="BadRequestException"),
)
not_found, deployments = ROWS.not_found, ROWS.deployments
find, page, create, save = ROWS.find, ROWS.page, ROWS.create, ROWS.save
put_deployment, find_deployment, delete_deployment = ROWS.put_deployment, ROWS.find_deployment, ROWS.delete_deployment
put_stage, find_stage, require_stage, stages = ROWS.put_stage, ROWS.find_stage, ROWS.require_stage, ROWS.stages
delete_stage, retag = ROWS.delete_stage, ROWS.retag


def edit(tx: Tx, space: Space, api_id: str, change: Callable[[Draft], Shape], deployment_id: str, now: float) -> Shape:
    """Change a draft; stages that deploy automatically follow at once. Returns what `change` returns."""
    draft = find(tx, space, api_id)
    result = change(draft)
    save(tx, space, draft)
    followers = [stage for stage in stages(tx, space, api_id) if stage.get("AutoDeploy")]
    if followers:
        _follow(tx, space, draft, followers, deployment_id, now)
    return result


def _follow(tx: Tx, space: Space, draft: Draft, followers: list[Shape], deployment_id: str, now: float) -> None:
    api_id = draft.api["ApiId"]
    text = "Automatic deployment triggered by changes to the Api configuration"
    shape = deployed(deployment_id, now, text, automatic=True)
    put_deployment(tx, space, api_id, Deployment(shape, draft.routable()))
    replaced = {stage.get("DeploymentId") for stage in followers}
    for stage in followers:
        stage["DeploymentId"] = deployment_id
        stage["LastUpdatedDate"] = now
        stage["LastDeploymentStatusMessage"] = f"Successfully deployed stage with deployment ID '{deployment_id}'"
        put_stage(tx, space, api_id, stage)
    in_use = {stage.get("DeploymentId") for stage in stages(tx, space, api_id)}
    for old in replaced - in_use - {None}:
        # Automatic deployments follow every edit; one that no stage serves is of no use to anybody.
        if find_deployment(tx, space, api_id, str(old)).shape.get("AutoDeployed"):
            ROWS.forget_deployment(tx, space, api_id, str(old))


def deployed(deployment_id: str, now: float, description: str | None, *, automatic: bool = False) -> Shape:
    """The shape of a deployment."""
    shape: Shape = {
        "AutoDeployed": automatic,
        "CreatedDate": now,
        "DeploymentId": deployment_id,
        "DeploymentStatus": "DEPLOYED",
    }
    return shape | ({"Description": description} if description else {})
