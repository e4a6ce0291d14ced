"""API Gateway's invariants: ids lead to APIs, stages to deployments, parts of APIs to each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from freehold.kit.tuples import Part, pack, unpack
from freehold.services.apigateway import deletion, index
from freehold.services.apigateway.http import state as http
from freehold.services.apigateway.rest import state as rest
from freehold.work.checking import Report, Snapshot, shown

_shape = msgspec.msgpack.Decoder(dict[str, Any]).decode


class _Kind(NamedTuple):
    """How rows of a kind of API are called, and decoded."""

    name: str
    stage: str
    deployment: str
    id: str
    deployment_id: str
    draft: Any
    deployed: Any


_HTTP = _Kind(
    index.HTTP,
    "stage",
    "deployment",
    "ApiId",
    "DeploymentId",
    msgspec.msgpack.Decoder(http.Draft).decode,
    msgspec.msgpack.Decoder(http.Deployment).decode,
)
_REST = _Kind(
    index.REST,
    "rest-stage",
    "rest-deployment",
    "id",
    "deploymentId",
    msgspec.msgpack.Decoder(rest.Draft).decode,
    msgspec.msgpack.Decoder(rest.Deployment).decode,
)
_OF_SPACES = {kind for each in (_HTTP, _REST) for kind in (each.name, each.stage, each.deployment)} | {"account"}


def check(snapshot: Snapshot, report: Report) -> None:
    """APIs of each account and region, then ids."""
    apis = 0
    for account, region in snapshot.spaces("apigateway"):
        for kind in snapshot.next_parts("apigateway", account, region):
            if kind not in _OF_SPACES:
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")
        for key, value in snapshot.below("apigateway", account, region, "account"):
            report.decode(shown(key), value, _shape)
        for each in (_HTTP, _REST):
            apis += _apis(snapshot, report, (account, region), each)
    report.same("ids of APIs", sum(1 for _ in snapshot.below("apigateway", "id")), apis)
    for key, _ in snapshot.below("apigateway", "version"):
        if index.owner(snapshot.tx, str(unpack(key)[2])) is None:
            report.broken(f"{shown(key)} is the version of an API that is not there")


def _apis(snapshot: Snapshot, report: Report, space: tuple[str, str], kind: _Kind) -> int:
    """All of one kind; how many there are."""
    apis = 0
    for key, value in snapshot.below("apigateway", *space, kind.name):
        apis += 1
        api_id = str(unpack(key)[4])
        what = f"{kind.name.upper()} API {api_id}"
        if index.owner(snapshot.tx, api_id) != (*space, kind.name):
            report.broken(f"{what} is not found by its id: it cannot be invoked")
        if index.version(snapshot.tx, api_id) is None:
            report.broken(f"{what} has no version: what is compiled of it would never be renewed")
        draft = report.decode(what, value, kind.draft)
        if draft is not None:
            report.same(f"{what} is of id", draft.api[kind.id], api_id)
            _parts(report, what, draft)
        _stages(snapshot, report, space, kind, api_id, what)
        if snapshot.has_timer(deletion.SWEEP, *space, kind.name, api_id):
            report.broken(f"{what} is there, but its stages and deployments are being removed")
    for part in (kind.stage, kind.deployment):
        for owner in snapshot.next_parts("apigateway", *space, part):
            there = snapshot.get(pack("apigateway", *space, kind.name, owner)) is not None
            if not there and not snapshot.has_timer(deletion.SWEEP, *space, kind.name, owner):
                report.broken(
                    f"rows {part} of {'/'.join(space)} are of API {owner!r}, which is not there, and nothing removes them"
                )
    return apis


def _stages(snapshot: Snapshot, report: Report, space: tuple[str, str], kind: _Kind, api_id: str, what: str) -> None:
    for key, value in snapshot.below("apigateway", *space, kind.deployment, api_id):
        deployment = report.decode(shown(key), value, kind.deployed)
        if deployment is not None:
            held = deployment.shape.get(kind.deployment_id, deployment.shape.get("id"))
            report.same(f"deployment {shown(key)} is of id", held, unpack(key)[5])
            _parts(report, f"deployment {unpack(key)[5]!r} of {what}", deployment.draft)
    for key, value in snapshot.below("apigateway", *space, kind.stage, api_id):
        stage = report.decode(shown(key), value, _shape)
        served: Part = stage.get(kind.deployment_id) if stage is not None else None
        if served is not None and snapshot.get(pack("apigateway", *space, kind.deployment, api_id, served)) is None:
            report.broken(f"stage {unpack(key)[5]!r} of {what} serves deployment {served!r}, which is not there")


def _parts(report: Report, what: str, draft: http.Draft | rest.Draft) -> None:
    """Parts that name each other."""
    if isinstance(draft, http.Draft):
        for route in draft.routes.values():
            target = str(route.get("Target") or "").removeprefix("integrations/")
            if target and target not in draft.integrations:
                report.broken(f"{what}: route {route.get('RouteKey')} goes to integration {target}, which is not there")
            _authorizer(report, what, route.get("AuthorizerId"), draft.authorizers)
        return
    roots = 0
    for id, resource in draft.resources.items():
        parent = resource.get("parentId")
        roots += parent is None
        if parent is not None and parent not in draft.resources:
            report.broken(f"{what}: resource {id} is below {parent}, which is not there")
        for method in resource.get("resourceMethods", {}).values():
            _authorizer(report, what, method.get("authorizerId"), draft.authorizers)
    report.same(f"{what} has roots", roots, 1)


def _authorizer(report: Report, what: str, id: str | None, there: Iterable[str]) -> None:
    if id is not None and id not in there:
        report.broken(f"{what}: authorizer {id} is asked for, but is not there")
