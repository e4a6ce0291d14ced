"""REST APIs in the store (see apirows.py), beside

    ("apigateway", account, region, "account")      settings of the account

Shapes are kept as the API's own members (`{"id": ..., "pathPart": ...}`). What is served is a deployment's copy of the
draft: edits change no stage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack
from freehold.services.apigateway import index
from freehold.services.apigateway.apirows import ApiRows, Names, Shape, Space
from freehold.store.base import ReadTx, Tx

__all__ = ["Deployment", "Draft", "Shape", "Space"]


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


ROWS = ApiRows(
    Draft,
    Deployment,
    Names(index.REST, "rest-", "id", "id", "deploymentId", "stageName", tell=False, full="LimitExceededException"),
)
find, page, create, save = ROWS.find, ROWS.page, ROWS.create, ROWS.save
put_deployment, find_deployment, delete_deployment = ROWS.put_deployment, ROWS.find_deployment, ROWS.delete_deployment
put_stage, find_stage, require_stage, stages = ROWS.put_stage, ROWS.find_stage, ROWS.require_stage, ROWS.stages
delete_stage, retag = ROWS.delete_stage, ROWS.retag
_encode = msgspec.msgpack.Encoder().encode
_shape = msgspec.msgpack.Decoder(dict[str, Any]).decode


def not_found(what: str, identifier: str = "") -> Fault:
    """NotFoundException in API Gateway's words."""
    return ROWS.not_found(what, identifier)


def edit(tx: Tx, space: Space, api_id: str, change: Callable[[Draft], Shape]) -> Shape:
    """Change a draft. Returns what `change` returns."""
    draft = find(tx, space, api_id)
    result = change(draft)
    save(tx, space, draft)
    return result


def deployments(tx: ReadTx, space: Space, api_id: str) -> list[Deployment]:
    """All deployments of an API, the newest first."""
    return sorted(ROWS.deployments(tx, space, api_id), key=lambda deployment: -deployment.shape["createdDate"])


def _settings(space: Space) -> bytes:
    return pack("apigateway", *space, "account")


def settings(tx: ReadTx, space: Space) -> Shape:
    """The account's settings."""
    value = tx.get(_settings(space))
    return _shape(value) if value else {}


def put_settings(tx: Tx, space: Space, shape: Shape) -> None:
    """Write the account's settings."""
    tx.put(_settings(space), _encode(shape))
