"""REST APIs in the store.

    ("apigateway", account, region, "rest", api id)                       the Draft: what is being edited
    ("apigateway", account, region, "rest-deployment", api id, id)        a Deployment: a copy of the draft
    ("apigateway", account, region, "rest-stage", api id, name)           a Stage, which serves one deployment
    ("apigateway", account, region, "account")                            settings of the account

Shapes are kept as the API's own members (`{"id": ..., "pathPart": ...}`): what was put is what is described.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, span
from freehold.services.apigateway import index
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_VALUE

Shape = dict[str, Any]


class Draft(msgspec.Struct):
    """An API as it is being edited: its own shape and its parts by id (gateway responses by type, models by name).

    A resource holds its methods (`resourceMethods`), a method its responses and integration.
    """

    api: Shape
    resources: dict[str, Shape] = {}
    authorizers: dict[str, Shape] = {}
    gateway_responses: dict[str, Shape] = {}
    models: dict[str, Shape] = {}


class Deployment(msgspec.Struct):
    """A deployment's shape, and the draft as it was."""

    shape: Shape
    draft: Draft


class Space(NamedTuple):
    """Whose APIs."""

    account: str
    region: str

    def draft(self, api_id: str) -> bytes:
        return pack("apigateway", self.account, self.region, "rest", api_id)

    def deployment(self, api_id: str, deployment_id: str) -> bytes:
        return pack("apigateway", self.account, self.region, "rest-deployment", api_id, deployment_id)

    def stage(self, api_id: str, name: str) -> bytes:
        return pack("apigateway", self.account, self.region, "rest-stage", api_id, name)

    def settings(self) -> bytes:
        return pack("apigateway", self.account, self.region, "account")


_encode = msgspec.msgpack.Encoder().encode
_draft = msgspec.msgpack.Decoder(Draft).decode
_deployment = msgspec.msgpack.Decoder(Deployment).decode
_shape = msgspec.msgpack.Decoder(dict[str, Any]).decode


def not_found(what: str, identifier: str | None = None) -> Fault:
    """NotFoundException in API Gateway's words."""
    text = f"Invalid {what} identifier specified"
    return Fault("NotFoundException", f"{text} {identifier}" if identifier else text)


def find(tx: ReadTx, space: Space, api_id: str) -> Draft:
    """The draft of an API. Raises NotFoundException."""
    value = tx.get(space.draft(api_id))
    if value is None:
        raise not_found("API", f"{space.account}:{api_id}")
    return _draft(value)


def page(tx: ReadTx, space: Space, start_after: str, limit: int) -> list[Draft]:
    """APIs in order of their ids."""
    prefix = pack("apigateway", space.account, space.region, "rest")
    start = space.draft(start_after) + b"\x00" if start_after else prefix
    return [_draft(value) for _, value in tx.scan(start, after(prefix), limit=limit)]


def create(tx: Tx, space: Space, draft: Draft) -> None:
    """A new API."""
    index.claim(tx, draft.api["id"], space.account, space.region, index.REST)
    save(tx, space, draft)


def save(tx: Tx, space: Space, draft: Draft) -> None:
    """Write a draft. What is served is a deployment's copy, so that no stage changes. Raises LimitExceededException."""
    tx.put(space.draft(draft.api["id"]), _fitting(draft))
    index.bump(tx, draft.api["id"])


def _fitting(value: Draft | Deployment) -> bytes:
    """API Gateway allows 300 resources an API; they fit a row unless their definitions are very large."""
    encoded = _encode(value)
    if len(encoded) > MAX_VALUE:
        raise Fault("LimitExceededException", "Maximum size of an API definition has been reached.")
    return encoded


def delete(tx: Tx, space: Space, api_id: str) -> None:
    """Delete an API with its stages and deployments."""
    find(tx, space, api_id)
    tx.delete(space.draft(api_id))
    tx.clear(*span("apigateway", space.account, space.region, "rest-stage", api_id))
    tx.clear(*span("apigateway", space.account, space.region, "rest-deployment", api_id))
    index.release(tx, api_id)


def edit(tx: Tx, space: Space, api_id: str, change: Callable[[Draft], Shape]) -> Shape:
    """Change a draft. Returns what `change` returns."""
    draft = find(tx, space, api_id)
    result = change(draft)
    save(tx, space, draft)
    return result


def put_deployment(tx: Tx, space: Space, api_id: str, deployment: Deployment) -> None:
    """Write a deployment."""
    tx.put(space.deployment(api_id, deployment.shape["id"]), _fitting(deployment))


def find_deployment(tx: ReadTx, space: Space, api_id: str, deployment_id: str) -> Deployment:
    """A deployment. Raises NotFoundException."""
    value = tx.get(space.deployment(api_id, deployment_id))
    if value is None:
        raise not_found("Deployment")
    return _deployment(value)


def deployments(tx: ReadTx, space: Space, api_id: str) -> list[Deployment]:
    """All deployments of an API, the newest first."""
    start, end = span("apigateway", space.account, space.region, "rest-deployment", api_id)
    found: list[Deployment] = []
    while rows := tx.scan(start, end):
        found.extend(_deployment(value) for _, value in rows)
        start = rows[-1][0] + b"\x00"
    return sorted(found, key=lambda deployment: -deployment.shape["createdDate"])


def delete_deployment(tx: Tx, space: Space, api_id: str, deployment_id: str) -> None:
    """Delete a deployment that no stage serves. Raises BadRequestException, NotFoundException."""
    find_deployment(tx, space, api_id, deployment_id)
    if any(stage["deploymentId"] == deployment_id for stage in stages(tx, space, api_id)):
        raise Fault(
            "BadRequestException", "Active stages pointing to this deployment must be moved or deleted", status=400
        )
    tx.delete(space.deployment(api_id, deployment_id))


def put_stage(tx: Tx, space: Space, api_id: str, stage: Shape) -> None:
    """Write a stage; what the front door compiled is out of date."""
    tx.put(space.stage(api_id, stage["stageName"]), _encode(stage))
    index.bump(tx, api_id)


def find_stage(tx: ReadTx, space: Space, api_id: str, name: str) -> Shape | None:
    """A stage by name."""
    value = tx.get(space.stage(api_id, name))
    return _shape(value) if value else None


def require_stage(tx: ReadTx, space: Space, api_id: str, name: str) -> Shape:
    """A stage by name. Raises NotFoundException."""
    stage = find_stage(tx, space, api_id, name)
    if stage is None:
        raise not_found("stage")
    return stage


def stages(tx: ReadTx, space: Space, api_id: str) -> list[Shape]:
    """All stages of an API, by name."""
    start, end = span("apigateway", space.account, space.region, "rest-stage", api_id)
    return [_shape(value) for _, value in tx.scan(start, end)]


def delete_stage(tx: Tx, space: Space, api_id: str, name: str) -> None:
    """Delete a stage. Raises NotFoundException."""
    require_stage(tx, space, api_id, name)
    tx.delete(space.stage(api_id, name))
    index.bump(tx, api_id)


def settings(tx: ReadTx, space: Space) -> Shape:
    """The account's settings."""
    value = tx.get(space.settings())
    return _shape(value) if value else {}


def put_settings(tx: Tx, space: Space, shape: Shape) -> None:
    """Write the account's settings."""
    tx.put(space.settings(), _encode(shape))
