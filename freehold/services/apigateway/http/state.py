"""HTTP APIs in the store.

    ("apigateway", account, region, "http", api id)                  the Draft: what is being edited
    ("apigateway", account, region, "deployment", api id, id)        a Deployment: a copy of the draft
    ("apigateway", account, region, "stage", api id, name)           a Stage, which serves one deployment

Shapes are kept as the API's own members (`{"RouteId": ..., "RouteKey": ...}`): what was put is what is described.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, span
from freehold.services.apigateway import index
from freehold.store.base import ReadTx, Tx

Shape = dict[str, Any]


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


class Space(NamedTuple):
    """Whose APIs."""

    account: str
    region: str

    def draft(self, api_id: str) -> bytes:
        return pack("apigateway", self.account, self.region, "http", api_id)

    def deployment(self, api_id: str, deployment_id: str) -> bytes:
        return pack("apigateway", self.account, self.region, "deployment", api_id, deployment_id)

    def stage(self, api_id: str, name: str) -> bytes:
        return pack("apigateway", self.account, self.region, "stage", api_id, name)


_encode = msgspec.msgpack.Encoder().encode
_draft = msgspec.msgpack.Decoder(Draft).decode
_deployment = msgspec.msgpack.Decoder(Deployment).decode
_shape = msgspec.msgpack.Decoder(dict[str, Any]).decode


def not_found(what: str, identifier: str) -> Fault:
    """NotFoundException in API Gateway's words."""
    return Fault("NotFoundException", f"Invalid {what} identifier specified {identifier}")


def find(tx: ReadTx, space: Space, api_id: str) -> Draft:
    """The draft of an API. Raises NotFoundException."""
    value = tx.get(space.draft(api_id))
    if value is None:
        raise not_found("API", f"{space.account}:{api_id}")
    return _draft(value)


def page(tx: ReadTx, space: Space, start_after: str, limit: int) -> list[Draft]:
    """APIs in order of their ids."""
    prefix = pack("apigateway", space.account, space.region, "http")
    start = space.draft(start_after) + b"\x00" if start_after else prefix
    return [_draft(value) for _, value in tx.scan(start, after(prefix), limit=limit)]


def create(tx: Tx, space: Space, draft: Draft) -> None:
    """A new API."""
    api_id = draft.api["ApiId"]
    index.claim(tx, api_id, space.account, space.region, index.HTTP)
    save(tx, space, draft)


def save(tx: Tx, space: Space, draft: Draft) -> None:
    """Write a draft; what the front door compiled is out of date."""
    api_id = draft.api["ApiId"]
    tx.put(space.draft(api_id), _encode(draft))
    index.bump(tx, api_id)


def delete(tx: Tx, space: Space, api_id: str) -> None:
    """Delete an API with its stages and deployments."""
    find(tx, space, api_id)
    tx.delete(space.draft(api_id))
    tx.clear(*span("apigateway", space.account, space.region, "stage", api_id))
    tx.clear(*span("apigateway", space.account, space.region, "deployment", api_id))
    index.release(tx, api_id)


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
            tx.delete(space.deployment(api_id, str(old)))


def deployed(deployment_id: str, now: float, description: str | None, *, automatic: bool = False) -> Shape:
    """The shape of a deployment."""
    shape: Shape = {
        "AutoDeployed": automatic,
        "CreatedDate": now,
        "DeploymentId": deployment_id,
        "DeploymentStatus": "DEPLOYED",
    }
    return shape | ({"Description": description} if description else {})


def put_deployment(tx: Tx, space: Space, api_id: str, deployment: Deployment) -> None:
    """Write a deployment."""
    tx.put(space.deployment(api_id, deployment.shape["DeploymentId"]), _encode(deployment))


def find_deployment(tx: ReadTx, space: Space, api_id: str, deployment_id: str) -> Deployment:
    """A deployment. Raises NotFoundException."""
    value = tx.get(space.deployment(api_id, deployment_id))
    if value is None:
        raise not_found("Deployment", deployment_id)
    return _deployment(value)


def deployments(tx: ReadTx, space: Space, api_id: str) -> list[Deployment]:
    """All deployments of an API."""
    start, end = span("apigateway", space.account, space.region, "deployment", api_id)
    return [_deployment(value) for _, value in tx.scan(start, end)]


def delete_deployment(tx: Tx, space: Space, api_id: str, deployment_id: str) -> None:
    """Delete a deployment that no stage serves. Raises BadRequestException, NotFoundException."""
    find_deployment(tx, space, api_id, deployment_id)
    if any(stage.get("DeploymentId") == deployment_id for stage in stages(tx, space, api_id)):
        raise Fault(
            "BadRequestException",
            "Active stages pointing to this deployment must be moved or deleted",
        )
    tx.delete(space.deployment(api_id, deployment_id))


def put_stage(tx: Tx, space: Space, api_id: str, stage: Shape) -> None:
    """Write a stage; what the front door compiled is out of date."""
    tx.put(space.stage(api_id, stage["StageName"]), _encode(stage))
    index.bump(tx, api_id)


def find_stage(tx: ReadTx, space: Space, api_id: str, name: str) -> Shape | None:
    """A stage by name."""
    value = tx.get(space.stage(api_id, name))
    return _shape(value) if value else None


def require_stage(tx: ReadTx, space: Space, api_id: str, name: str) -> Shape:
    """A stage by name. Raises NotFoundException."""
    stage = find_stage(tx, space, api_id, name)
    if stage is None:
        raise not_found("stage", name)
    return stage


def stages(tx: ReadTx, space: Space, api_id: str) -> list[Shape]:
    """All stages of an API, by name."""
    start, end = span("apigateway", space.account, space.region, "stage", api_id)
    return [_shape(value) for _, value in tx.scan(start, end)]


def delete_stage(tx: Tx, space: Space, api_id: str, name: str) -> None:
    """Delete a stage. Raises NotFoundException."""
    require_stage(tx, space, api_id, name)
    tx.delete(space.stage(api_id, name))
    index.bump(tx, api_id)
