"""Forward steps: a resource is created, updated in place, replaced, or left alone."""

from __future__ import annotations

import json
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.ids import ALNUM_UPPER
from freehold.ports.resources import Physical, ResourceType
from freehold.rules.templates import stack_policy
from freehold.rules.templates.functions import evaluate
from freehold.services.cloudformation import parallel, schema, state
from freehold.services.cloudformation.context import Context
from freehold.services.cloudformation.model import STACK_TYPE, Event, Garbage, Resource, State
from freehold.services.cloudformation.operation import Operation, physical
from freehold.services.cloudformation.prepare import policy, refusing
from freehold.work.attempt import attempt

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
INITIATED = "Resource creation Initiated"
MAX_STATE = 300_000
"""Bytes of one resource as stored: its row holds up to three states."""


async def forward(op: Operation) -> bool:
    """Bring every resource of the plan to what the template says. True when all of them are."""
    undone = await parallel.run(op.plan.graph, lambda name: step(op, name), lambda: op.halted is not None)
    return not undone and op.halted is None


async def step(op: Operation, logical_id: str) -> bool:
    """One resource. False when it failed, or was cancelled meanwhile."""
    row = op.rows.get(logical_id)
    if row and row.operation == op.work.id and row.pending is None and row.status.endswith("_COMPLETE"):
        return True  # done before a crash
    body = op.plan.template.resources[logical_id]
    wanted = await attempt(_desired(op, logical_id))
    if isinstance(wanted, Exception):
        reason = wanted.message if isinstance(wanted, Fault) else op.failure(wanted, None, logical_id)
        return await _fail(op, _row(op, row, logical_id, body.type), reason)
    kind, desired = wanted
    if row is None or row.current is None or row.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
        return await _create(op, kind, _row(op, None, logical_id, body.type, row), desired)
    return await _change(op, kind, row, desired)


def _row(
    op: Operation, row: Resource | None, logical_id: str, type_name: str, stale: Resource | None = None
) -> Resource:
    """The row to work on. `stale` is one of an unfinished or undone create: its pending name is kept, and when it began."""
    if row is None:
        row = op.rows[logical_id] = Resource(logical_id, type_name, "CREATE_IN_PROGRESS", 0)
        row.change = "create"
        if stale is not None and stale.operation == op.work.id:
            row.pending, row.at_ms = stale.pending, stale.at_ms
    row.operation = op.work.id
    return row


async def _desired(op: Operation, logical_id: str) -> tuple[ResourceType, State]:
    """The resource's type, and what the template says it shall be now that what it depends on exists."""
    body = op.plan.template.resources[logical_id]
    kind = op.kind(body.type)
    with refusing():
        scope = op.live_scope()
        properties = schema.check(kind, evaluate(body.properties, scope), logical_id)
        shown = None
        if op.plan.definition.hidden:
            masked = json.dumps(evaluate(body.properties, op.live_scope(masked=True)))
            shown = masked if masked != json.dumps(evaluate(body.properties, scope)) else None
        desired = State(
            type=body.type,
            properties=properties,
            shown=shown,
            metadata=evaluate(body.metadata, scope) if body.metadata is not None else None,
            deletion_policy=policy(body.deletion_policy, scope),
            update_replace_policy=policy(body.update_replace_policy, scope),
            depends_on=sorted(op.plan.graph[logical_id]),
            tags=dict(op.plan.definition.tags),
            suffix=op.platform.ids.letters(12, ALNUM_UPPER),
        )
    if len(state.encode(desired)) > MAX_STATE:
        raise Fault("ValidationError", f"The properties of resource {logical_id} are too large")
    return kind, desired


async def _create(op: Operation, kind: ResourceType, row: Resource, desired: State) -> bool:
    resumed = row.pending is not None
    if row.pending is not None:
        desired.suffix = row.pending.suffix
    row.pending, row.status, row.reason = desired, "CREATE_IN_PROGRESS", None
    if not resumed:
        await op.commit([op.event(row, physical_id="")], [row])
    op.busy[row.logical_id] = row
    problem = await _make(op, kind, row, desired, resumed)
    op.busy.pop(row.logical_id, None)
    if problem is not None:
        return await _fail(op, row, problem)
    row.current, row.pending = desired, None
    if row.status == "CREATE_FAILED":
        await op.commit(rows=[row], extra=lambda tx: state.clear_journal(tx, op.keys, op.uid, row.logical_id))
        return False
    return await _made(op, row, "CREATE_IN_PROGRESS", "CREATE_COMPLETE")


async def _make(op: Operation, kind: ResourceType, row: Resource, desired: State, resumed: bool) -> str | None:
    """Create the physical resource into `desired`; why that failed, or None."""
    context = op.context(row.logical_id, desired)
    journal: dict[int, bytes] = {}
    if resumed:
        journal = await op.platform.store.read(lambda tx: state.journal(tx, op.keys, op.uid, row.logical_id))
    context.begin_create(journal, resumed=resumed, begun_ms=row.at_ms)
    found = await attempt(_created(op, kind, context, desired))
    if isinstance(found, Exception):
        if context.partial_id is not None:
            desired.physical_id = context.partial_id
            if row.current is None:
                row.current = desired
        return op.failure(found, context, row.logical_id)
    desired.physical_id, desired.attributes, desired.data = found.id, found.attributes, found.data
    return None


async def _created(op: Operation, kind: ResourceType, context: Context, desired: State) -> Physical:
    return await kind.create(context, await op.properties(desired))


async def _made(op: Operation, row: Resource, progress: str, complete: str) -> bool:
    row.status, row.reason = progress, INITIATED
    events = [op.event(row)]
    row.status, row.reason = complete, None
    events.append(op.event(row))
    await op.commit(events, [row], extra=lambda tx: state.clear_journal(tx, op.keys, op.uid, row.logical_id))
    return True


async def _fail(op: Operation, row: Resource, reason: str) -> bool:
    """Write the failure down, and cancel what is under way beside it."""
    creating = row.status.startswith("CREATE")
    row.pending = None
    if row.status in ("CREATE_FAILED", "UPDATE_FAILED"):  # cancelled meanwhile: its event has been written
        await op.commit(rows=[row])
        return False
    row.status, row.reason = ("CREATE_FAILED" if creating else "UPDATE_FAILED"), reason
    (op.failed_create if creating else op.failed_update).append(row.logical_id)
    events, rows = [op.event(row)], [row]
    if op.halted is None:
        op.halted = ""
        cancelled = cancel_busy(op)
        events += [event for _, event in cancelled]
        rows += [other for other, _ in cancelled]
    await op.commit(events, rows, extra=lambda tx: state.clear_journal(tx, op.keys, op.uid, row.logical_id))
    return False


def cancel_busy(op: Operation) -> list[tuple[Resource, Event]]:
    """Mark what is under way as cancelled; it is awaited, but its outcome no longer matters."""
    found = []
    for row in op.busy.values():
        if row.status.endswith("_IN_PROGRESS"):
            creating = row.status.startswith("CREATE")
            row.status = "CREATE_FAILED" if creating else "UPDATE_FAILED"
            row.reason = "Resource creation cancelled" if creating else "Resource update cancelled"
            (op.failed_create if creating else op.failed_update).append(row.logical_id)
            found.append((row, op.event(row)))
    return found


async def _change(op: Operation, kind: ResourceType, row: Resource, desired: State) -> bool:
    """An existing resource: nothing, in place, or replaced."""
    assert row.current is not None
    old = row.current
    paths = schema.changed_paths(old.properties, desired.properties)
    retagged = old.tags != desired.tags and "Tags" in kind.properties
    if not paths and not retagged and kind.name != STACK_TYPE:
        return await _keep(op, row, old, desired)
    replace = schema.needs_replacement(kind, paths)
    refusal = stack_policy.refusal(
        json.loads(op.work.policy) if op.work.policy else None,
        "Update:Replace" if replace else "Update:Modify",
        row.logical_id,
        row.type,
    )
    row.operation = op.work.id
    if refusal:
        row.status = "UPDATE_IN_PROGRESS"
        return await _fail(op, row, refusal)
    if row.change == "":
        row.before = row.current
    return await (_replace if replace else _update)(op, kind, row, old, desired)


async def _keep(op: Operation, row: Resource, old: State, desired: State) -> bool:
    """Only attributes of the template's entry may have changed: metadata, policies, order."""
    fresh = State(
        **{
            **{name: getattr(old, name) for name in old.__struct_fields__},
            "metadata": desired.metadata,
            "deletion_policy": desired.deletion_policy,
            "update_replace_policy": desired.update_replace_policy,
            "depends_on": desired.depends_on,
        }
    )
    if fresh == old:
        return True
    if row.change == "":
        row.before, row.change = old, "keep"
    row.current, row.operation = fresh, op.work.id
    events = []
    if fresh.metadata != old.metadata:
        row.status, row.reason = "UPDATE_IN_PROGRESS", None
        events.append(op.event(row))
        row.status = "UPDATE_COMPLETE"
        events.append(op.event(row))
    await op.commit(events, [row])
    return True


async def _update(op: Operation, kind: ResourceType, row: Resource, old: State, desired: State) -> bool:
    assert kind.update is not None
    resumed = row.pending is not None
    row.change = row.change if row.change in ("create", "replace") else "update"
    row.pending, row.status, row.reason = desired, "UPDATE_IN_PROGRESS", None
    desired.suffix = old.suffix
    if not resumed:
        await op.commit([op.event(row)], [row])
    op.busy[row.logical_id] = row
    context = op.context(row.logical_id, desired, old)
    found = await attempt(_updated(op, kind, context, old, desired))
    problem = None
    if isinstance(found, Exception):
        problem = op.failure(found, context, row.logical_id)
    else:
        desired.physical_id, desired.attributes, desired.data = found.id, found.attributes, found.data
    op.busy.pop(row.logical_id, None)
    if problem is not None:
        return await _fail(op, row, problem)
    row.current, row.pending = desired, None
    if row.status == "UPDATE_FAILED":
        await op.commit(rows=[row])
        return False
    row.status = "UPDATE_COMPLETE"
    await op.commit([op.event(row)], [row])
    return True


async def _updated(op: Operation, kind: ResourceType, context: Context, old: State, desired: State) -> Physical:
    assert kind.update is not None
    return await kind.update(context, physical(old), await op.properties(old), await op.properties(desired))


async def _replace(op: Operation, kind: ResourceType, row: Resource, old: State, desired: State) -> bool:
    resumed = row.pending is not None
    if row.pending is not None:
        desired.suffix = row.pending.suffix
    row.pending, row.status, row.reason = desired, "UPDATE_IN_PROGRESS", REPLACING
    if not resumed:
        await op.commit([op.event(row)], [row])
    custom = _custom_name(kind, old.properties, desired.properties, old.physical_id)
    if custom:
        return await _fail(
            op,
            row,
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename"
            f" {custom} and update the stack again.",
        )
    op.busy[row.logical_id] = row
    problem = await _make(op, kind, row, desired, resumed)
    op.busy.pop(row.logical_id, None)
    if desired.physical_id is not None:
        await _swap(op, row, old, desired)
    if problem is not None:
        return await _fail(op, row, problem)
    row.pending = None
    if row.status == "UPDATE_FAILED":
        await op.commit(rows=[row], extra=lambda tx: state.clear_journal(tx, op.keys, op.uid, row.logical_id))
        return False
    return await _made(op, row, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")


async def _swap(op: Operation, row: Resource, old: State, new: State) -> None:
    """The new physical resource takes the old one's place; the old one is what a rollback returns to."""
    row.current = new
    if row.change in ("create", "replace"):
        # What an earlier, failed operation made is no state to return to: it goes at cleanup.
        garbage = Garbage(row.logical_id, old, op.platform.ids.hex(16))
        await op.commit(rows=[row], extra=lambda tx: state.put_garbage(tx, op.keys, op.uid, garbage))
    else:
        row.change = "replace"


def _custom_name(kind: ResourceType, old: dict[str, Any], new: dict[str, Any], physical_id: str | None) -> str | None:
    """The unchanged custom name of a resource that is to be replaced: both cannot exist at once."""
    for name in kind.replace:
        value = new.get(name)
        if isinstance(value, str) and value == physical_id and old.get(name) == value:
            return value
    return None
