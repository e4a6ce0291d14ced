"""Create, describe, update, start, stop, delete and list pipes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.pipes import checks, roles, state
from freehold.services.pipes.model import (
    CREATING,
    DELETING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    TRANSITIONS,
    UPDATING,
    Pipe,
    Request,
    brief,
    describe,
    summary,
)
from freehold.services.pipes.plan import plan_of
from freehold.store.base import ReadTx, Tx

_PAGE = 100


def _require(tx: ReadTx, call: Call, name: str) -> Pipe:
    pipe = state.find(tx, (call.account, call.region, name))
    if pipe is None:
        raise Fault("NotFoundException", f"Pipe {name} does not exist.")
    return pipe


def _settled(pipe: Pipe) -> None:
    if pipe.state in TRANSITIONS:
        raise Fault("ConflictException", f"Pipe {pipe.name} is in state {pipe.state}; wait until that has ended.")


def _present(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters without what an empty value takes away."""
    kept = {name: value for name, value in parameters.items() if value not in ("", {})}
    if not kept.get("FilterCriteria", {"Filters": [1]}).get("Filters"):
        del kept["FilterCriteria"]
    return kept


async def create_pipe(call: Call, request: Request) -> Request:
    """A pipe; it begins to run (or stands ready) as soon as it is created, and says so in its state."""
    checks.refuse(request)
    now_s = call.platform.clock.now()
    pipe = Pipe(
        name=request["Name"],
        account=call.account,
        region=call.region,
        uid=call.platform.ids.hex(16),
        source=request["Source"],
        target=request["Target"],
        role_arn=request["RoleArn"],
        desired=request.get("DesiredState", RUNNING),
        state=CREATING,
        created_s=now_s,
        modified_s=now_s,
        description=request.get("Description"),
        enrichment=request.get("Enrichment") or None,
        source_parameters=_present(request.get("SourceParameters", {})),
        enrichment_parameters=_present(request.get("EnrichmentParameters", {})),
        target_parameters=_present(request.get("TargetParameters", {})),
        log=request.get("LogConfiguration"),
        tags=request.get("Tags", {}),
    )
    await _check(call, pipe)

    def body(tx: Tx) -> None:
        if state.find(tx, (call.account, call.region, pipe.name)) is not None:
            raise Fault("ConflictException", f"Pipe {pipe.name} already exists.")
        state.save(tx, pipe)

    await call.platform.store.transact(body)
    return brief(pipe)


async def _check(call: Call, pipe: Pipe) -> None:
    checks.check(pipe)
    plan_of(pipe)
    await roles.check(call.platform, pipe)


async def update_pipe(call: Call, request: Request) -> Request:
    """Set what the request names. A member of the parameters that is named is replaced whole; the rest stays."""
    checks.refuse(request)
    place = (call.account, call.region, request["Name"])
    pipe = await call.platform.store.read(lambda tx: _require(tx, call, request["Name"]))
    _settled(pipe)
    revision = pipe.revision
    _set(pipe, request)
    pipe.revision, pipe.modified_s, pipe.state, pipe.reason = revision + 1, call.platform.clock.now(), UPDATING, None
    await _check(call, pipe)

    def body(tx: Tx) -> None:
        current = state.find(tx, place)
        if current is None or (current.uid, current.revision) != (pipe.uid, revision) or current.state in TRANSITIONS:
            raise Fault("ConflictException", f"Pipe {pipe.name} was modified concurrently.")
        pipe.tags = current.tags
        state.save(tx, pipe)

    await call.platform.store.transact(body)
    return brief(pipe)


def _set(pipe: Pipe, request: Request) -> None:
    pipe.role_arn = request["RoleArn"]
    pipe.description = request.get("Description", pipe.description)
    pipe.desired = request.get("DesiredState", pipe.desired)
    pipe.log = request.get("LogConfiguration", pipe.log)
    if "Enrichment" in request:
        pipe.enrichment = request["Enrichment"] or None
    target = request.get("Target", pipe.target)
    kept = dict(pipe.target_parameters)
    if checks.kind_of(target) != checks.kind_of(pipe.target):
        kept = {name: value for name, value in kept.items() if name == "InputTemplate"}
    pipe.target = target
    pipe.source_parameters = _present(pipe.source_parameters | request.get("SourceParameters", {}))
    pipe.enrichment_parameters = _present(pipe.enrichment_parameters | request.get("EnrichmentParameters", {}))
    pipe.target_parameters = _present(kept | request.get("TargetParameters", {}))


async def describe_pipe(call: Call, request: Request) -> Request:
    return describe(await call.platform.store.read(lambda tx: _require(tx, call, request["Name"])))


async def _transition(call: Call, name: str, change: Callable[[Pipe], None]) -> Request:
    now_s = call.platform.clock.now()

    def body(tx: Tx) -> Pipe:
        pipe = _require(tx, call, name)
        change(pipe)
        pipe.revision += 1
        pipe.reason, pipe.modified_s = None, now_s
        state.save(tx, pipe)
        return pipe

    return brief(await call.platform.store.transact(body))


async def start_pipe(call: Call, request: Request) -> Request:
    def change(pipe: Pipe) -> None:
        _settled(pipe)
        if pipe.state == RUNNING:
            raise Fault("ConflictException", f"Pipe {pipe.name} is already running.")
        pipe.desired, pipe.state = RUNNING, STARTING

    return await _transition(call, request["Name"], change)


async def stop_pipe(call: Call, request: Request) -> Request:
    """What the pipe has taken from its source is finished first."""

    def change(pipe: Pipe) -> None:
        _settled(pipe)
        if pipe.state == STOPPED:
            raise Fault("ConflictException", f"Pipe {pipe.name} is already stopped.")
        pipe.desired, pipe.state = STOPPED, STOPPING

    return await _transition(call, request["Name"], change)


async def delete_pipe(call: Call, request: Request) -> Request:
    """What the pipe has taken from its source is finished first."""

    def change(pipe: Pipe) -> None:
        if pipe.state == DELETING:
            raise Fault("ConflictException", f"Pipe {pipe.name} is being deleted.")
        pipe.state = DELETING

    return await _transition(call, request["Name"], change)


async def list_pipes(call: Call, request: Request) -> Request:
    """Pipes in the order of their names."""
    limit, last = request.get("Limit", _PAGE), _start(request.get("NextToken"))
    found: list[Pipe] = []
    prefix = request.get("NamePrefix", "")
    while len(found) <= limit:
        page = await call.platform.store.read_many(
            lambda tx, last=last: state.page(tx, call.account, call.region, prefix, last)  # type: ignore[misc]
        )
        if not page:
            break
        last = page[-1].name
        found += [pipe for pipe in page if _selected(pipe, request)]
    result: Request = {"Pipes": [summary(pipe) for pipe in found[:limit]]}
    if len(found) > limit:
        result["NextToken"] = base64.urlsafe_b64encode(found[limit - 1].name.encode()).decode()
    return result


def _selected(pipe: Pipe, request: Request) -> bool:
    return (
        request.get("DesiredState") in (None, pipe.desired)
        and request.get("CurrentState") in (None, pipe.state)
        and pipe.source.startswith(request.get("SourcePrefix", ""))
        and pipe.target.startswith(request.get("TargetPrefix", ""))
    )


def _start(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode((token or "").encode()).decode()
    except ValueError:
        raise Fault("ValidationException", "The NextToken is not valid.") from None
