"""APIs in the store: what REST and HTTP APIs have in common.

    ("apigateway", account, region, kind, api id)                       the draft: what is being edited
    ("apigateway", account, region, "{prefix}deployment", api id, id)   a deployment: a copy of the draft
    ("apigateway", account, region, "{prefix}stage", api id, name)      a stage, which serves one deployment

Shapes are kept as the API's own members: what was put is what is described.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, span
from freehold.services.apigateway import index
from freehold.services.apigateway.room import Room, too_large
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_VALUE

Shape = dict[str, Any]


class Space(NamedTuple):
    """Whose APIs."""

    account: str
    region: str


class HasApi(Protocol):
    """A draft: the API's own shape, and parts that its kind has."""

    api: Shape


class HasDraft(Protocol):
    """A deployment: its shape, and the draft as it was."""

    shape: Shape


Draft = TypeVar("Draft", bound=HasApi)
Deployment = TypeVar("Deployment", bound=HasDraft)
_encode = msgspec.msgpack.Encoder().encode
_shape = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Names(NamedTuple):
    """How a kind of API spells things. `tell`: do refusals name what is not there? `full`: the error of an API that is too
    large."""

    kind: str
    prefix: str
    api_id: str
    deployment_id: str
    stage_deployment: str
    stage: str
    tell: bool
    full: str


class ApiRows(Generic[Draft, Deployment]):
    """The rows of one kind of API."""

    def __init__(self, draft: type[Draft], deployment: type[Deployment], names: Names) -> None:
        self._names = names
        self._draft = msgspec.msgpack.Decoder(draft).decode
        self._deployment = msgspec.msgpack.Decoder(deployment).decode

    def _key(self, space: Space, api_id: str) -> bytes:
        return pack("apigateway", *space, self._names.kind, api_id)

    def _part(self, space: Space, part: str, api_id: str, name: str) -> bytes:
        return pack("apigateway", *space, self._names.prefix + part, api_id, name)

    def _parts(self, tx: ReadTx, space: Space, part: str, api_id: str) -> Iterator[bytes]:
        start, end = span("apigateway", *space, self._names.prefix + part, api_id)
        while rows := tx.scan(start, end):
            yield from (value for _, value in rows)
            start = rows[-1][0] + b"\x00"

    def not_found(self, what: str, identifier: str) -> Fault:
        """NotFoundException in API Gateway's words."""
        return Fault("NotFoundException", f"Invalid {what} identifier specified {identifier}".rstrip())

    def _missing(self, what: str, identifier: str) -> Fault:
        return self.not_found(what, identifier if self._names.tell else "")

    def find(self, tx: ReadTx, space: Space, api_id: str) -> Draft:
        """The draft of an API. Raises NotFoundException."""
        value = tx.get(self._key(space, api_id))
        if value is None:
            raise self.not_found("API", f"{space.account}:{api_id}")
        return self._draft(value)

    def page(self, tx: ReadTx, space: Space, start_after: str, limit: int) -> list[Draft]:
        """APIs in order of their ids."""
        prefix = pack("apigateway", *space, self._names.kind)
        start = self._key(space, start_after) + b"\x00" if start_after else prefix
        return [self._draft(value) for _, value in tx.scan(start, after(prefix), limit=limit)]

    def create(self, tx: Tx, space: Space, draft: Draft) -> None:
        """A new API."""
        index.claim(tx, draft.api[self._names.api_id], space.account, space.region, self._names.kind)
        self.save(tx, space, draft)

    def save(self, tx: Tx, space: Space, draft: Draft) -> None:
        """Write a draft; what the front door compiled is out of date. Refuses one that is too large."""
        api_id = draft.api[self._names.api_id]
        tx.put(self._key(space, api_id), self._fitting(draft))
        index.bump(tx, api_id)

    def delete(self, tx: Tx, space: Space, api_id: str) -> None:
        """An API is gone; `sweep` removes its stages and deployments. Raises NotFoundException."""
        self.find(tx, space, api_id)
        tx.delete(self._key(space, api_id))
        index.release(tx, api_id)

    def sweep(self, tx: Tx, space: Space, api_id: str) -> bool:
        """Remove some of what a deleted API has left, no more than a scan reads. False when there was nothing."""
        for part in ("stage", "deployment"):
            rows = tx.scan(*span("apigateway", *space, self._names.prefix + part, api_id))
            for key, _ in rows:
                tx.delete(key)
            if rows:
                return True
        return False

    def put_deployment(self, tx: Tx, space: Space, api_id: str, deployment: Deployment) -> None:
        """Write a deployment. Refuses one that is too large."""
        identifier = deployment.shape[self._names.deployment_id]
        tx.put(self._part(space, "deployment", api_id, identifier), self._fitting(deployment))

    def find_deployment(self, tx: ReadTx, space: Space, api_id: str, deployment_id: str) -> Deployment:
        """A deployment. Raises NotFoundException."""
        value = tx.get(self._part(space, "deployment", api_id, deployment_id))
        if value is None:
            raise self._missing("Deployment", deployment_id)
        return self._deployment(value)

    def deployments(self, tx: ReadTx, space: Space, api_id: str) -> list[Deployment]:
        """All deployments of an API, by id."""
        return [self._deployment(value) for value in self._parts(tx, space, "deployment", api_id)]

    def forget_deployment(self, tx: Tx, space: Space, api_id: str, deployment_id: str) -> None:
        """Delete a deployment, whether a stage serves it or not."""
        tx.delete(self._part(space, "deployment", api_id, deployment_id))

    def delete_deployment(self, tx: Tx, space: Space, api_id: str, deployment_id: str) -> None:
        """Delete a deployment that no stage serves. Raises BadRequestException, NotFoundException."""
        self.find_deployment(tx, space, api_id, deployment_id)
        served = self._names.stage_deployment
        if any(stage.get(served) == deployment_id for stage in self.stages(tx, space, api_id)):
            message = "Active stages pointing to this deployment must be moved or deleted"
            raise Fault("BadRequestException", message, status=400)
        self.forget_deployment(tx, space, api_id, deployment_id)

    def put_stage(self, tx: Tx, space: Space, api_id: str, stage: Shape) -> None:
        """Write a stage; what the front door compiled is out of date."""
        tx.put(self._part(space, "stage", api_id, stage[self._names.stage]), _encode(stage))
        index.bump(tx, api_id)

    def find_stage(self, tx: ReadTx, space: Space, api_id: str, name: str) -> Shape | None:
        """A stage by name."""
        value = tx.get(self._part(space, "stage", api_id, name))
        return _shape(value) if value else None

    def require_stage(self, tx: ReadTx, space: Space, api_id: str, name: str) -> Shape:
        """A stage by name. Raises NotFoundException."""
        stage = self.find_stage(tx, space, api_id, name)
        if stage is None:
            raise self._missing("stage", name)
        return stage

    def stages(self, tx: ReadTx, space: Space, api_id: str) -> list[Shape]:
        """All stages of an API, by name."""
        return [_shape(value) for value in self._parts(tx, space, "stage", api_id)]

    def delete_stage(self, tx: Tx, space: Space, api_id: str, name: str) -> None:
        """Delete a stage. Raises NotFoundException."""
        self.require_stage(tx, space, api_id, name)
        tx.delete(self._part(space, "stage", api_id, name))
        index.bump(tx, api_id)

    def retag(
        self, tx: Tx, space: Space, tagged: tuple[str, str | None], member: str, add: dict[str, str], remove: list[str]
    ) -> None:
        """Change the tags of an API, or of a stage of it, which are its member `member`. Raises NotFoundException."""
        api_id, stage_name = tagged
        draft = self.find(tx, space, api_id)
        holder = draft.api if stage_name is None else self.require_stage(tx, space, api_id, stage_name)
        tags: dict[str, Any] = holder.setdefault(member, {})
        tags.update(add)
        for key in remove:
            tags.pop(key, None)
        if stage_name is None:
            self.save(tx, space, draft)
        else:
            self.put_stage(tx, space, api_id, holder)

    def room(self) -> Room:
        """What a row holds of one API."""
        return Room(self._names.full)

    def fit(self, draft: Draft) -> None:
        """Refuse a draft that is too large, for whoever makes a large one beside the event loop."""
        self._fitting(draft)

    def _fitting(self, value: Draft | Deployment) -> bytes:
        """API Gateway allows 300 resources or routes an API; they fit a row unless their definitions are very large."""
        encoded = _encode(value)
        if len(encoded) > MAX_VALUE:
            raise too_large(self._names.full)
        return encoded
