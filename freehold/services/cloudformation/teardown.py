"""Backward steps: deleting resources, and undoing an update."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.rules.templates import graph as graphs
from freehold.services.cloudformation import parallel, state
from freehold.services.cloudformation.context import Context
from freehold.services.cloudformation.model import Garbage, Resource, State
from freehold.services.cloudformation.operation import Operation, physical
from freehold.work.attempt import attempt

GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")


def backwards(rows: Mapping[str, Resource]) -> dict[str, set[str]]:
    """The graph in which dependents go before what they depend on."""
    needs = {name: set(row.current.depends_on) & rows.keys() if row.current else set() for name, row in rows.items()}
    return graphs.reverse(needs)


async def delete_all(op: Operation, rows: Mapping[str, Resource], *, created_now: bool) -> list[str]:
    """Delete resources of a stack that goes (or never came to be); the logical ids which stayed.

    `created_now`: this operation's own creations are undone, for which RetainExceptOnCreate deletes.
    """
    left = {name: row for name, row in rows.items() if row.status not in GONE}
    failed: list[str] = []

    async def step(name: str) -> bool:
        done = await delete_one(op, left[name], created_now=created_now)
        if not done:
            failed.append(name)
        return done

    await parallel.run(backwards(left), step)
    return sorted(failed)


def retained(op: Operation, made: State, *, created_now: bool) -> bool:
    """Does the deletion policy keep the physical resource?"""
    if created_now and (made.deletion_policy == "RetainExceptOnCreate" or op.work.retain_except_on_create):
        return False
    return made.deletion_policy in ("Retain", "RetainExceptOnCreate")


async def delete_one(op: Operation, row: Resource, *, created_now: bool = False) -> bool:
    """Delete one resource and say so in its row; True when it is gone or left behind on purpose."""
    row.operation = op.work.id
    if row.current is None or row.current.physical_id is None:
        row.status, row.reason, row.pending = "DELETE_COMPLETE", None, None
        await op.commit([op.event(row)], [row])
        return True
    if row.logical_id in op.work.retain or retained(op, row.current, created_now=created_now):
        row.status, row.reason = "DELETE_SKIPPED", None
        await op.commit([op.event(row)], [row])
        return True
    if row.status != "DELETE_IN_PROGRESS":
        row.status, row.reason = "DELETE_IN_PROGRESS", None
        await op.commit([op.event(row)], [row])
    problem = await _delete(op, row.logical_id, row.current)
    if problem is not None and op.work.force:
        row.status, row.reason = "DELETE_SKIPPED", problem
        await op.commit([op.event(row)], [row])
        return True
    row.status, row.reason = ("DELETE_COMPLETE", None) if problem is None else ("DELETE_FAILED", problem)
    await op.commit([op.event(row)], [row])
    return problem is None


async def _delete(op: Operation, logical_id: str, made: State) -> str | None:
    """Delete the physical resource; why that failed, or None."""
    context = op.context(logical_id, made)
    outcome = await attempt(_deleted(op, context, made))
    return op.failure(outcome, context, logical_id) if isinstance(outcome, Exception) else None


async def _deleted(op: Operation, context: Context, made: State) -> None:
    await op.kind(made.type).delete(context, physical(made), await op.properties(made))


async def clean_up(op: Operation, removed: Mapping[str, Resource], garbage: list[Garbage]) -> bool:
    """After an update: delete what the stack no longer has. False when something stayed behind.

    `removed` are whole resources, `garbage` the physical ones that were replaced.
    """
    nodes: dict[str, Resource | Garbage] = {f"r/{name}": row for name, row in removed.items()}
    nodes |= {f"g/{item.sequence}": item for item in garbage}
    failed: list[str] = []

    async def step(key: str) -> bool:
        node = nodes[key]
        if isinstance(node, Garbage):
            done = await _sweep(op, node)
        else:
            done = await delete_one(op, node, created_now=node.change == "create")
            await op.commit(drop=[node.logical_id])
        if not done:
            failed.append(key)
        return True  # what could not be deleted does not hold back the rest

    await parallel.run(_cleanup_graph(nodes), step)
    return not failed


def _cleanup_graph(nodes: Mapping[str, Resource | Garbage]) -> dict[str, set[str]]:
    """Dependents first, replaced ones too."""
    states = {key: node.state if isinstance(node, Garbage) else node.current for key, node in nodes.items()}
    by_logical: dict[str, list[str]] = {}
    for key, node in nodes.items():
        by_logical.setdefault(node.logical_id, []).append(key)
    waits: dict[str, set[str]] = {key: set() for key in nodes}
    for key, made in states.items():
        for needed in made.depends_on if made else ():
            for other in by_logical.get(needed, ()):
                if other != key:
                    waits[other].add(key)
    return waits


async def _sweep(op: Operation, garbage: Garbage) -> bool:
    """Delete a replaced physical resource; its row is that of its successor and stays."""
    made = garbage.state
    row = op.rows.get(garbage.logical_id)
    shadow = Resource(garbage.logical_id, made.type, "DELETE_IN_PROGRESS", 0, current=made)
    problem = None
    if made.update_replace_policy == "Retain":
        shadow.status = "DELETE_SKIPPED"
        events = [op.event(shadow)]
    else:
        await op.commit([op.event(shadow)])
        problem = await _delete(op, garbage.logical_id, made)
        shadow.status, shadow.reason = ("DELETE_COMPLETE", None) if problem is None else ("DELETE_FAILED", problem)
        events = [op.event(shadow)]
    await op.commit(
        events,
        [row] if row else [],
        extra=lambda tx: state.drop_garbage(tx, op.keys, op.uid, garbage.sequence),
    )
    return problem is None


async def undo_update(op: Operation) -> list[str]:
    """Bring every resource back to what it was before the update; the logical ids where that failed."""
    touched = {
        name: row
        for name, row in op.rows.items()
        if row.change in ("update", "replace", "keep") or row.status == "UPDATE_FAILED"
    }
    failed: list[str] = []

    async def step(name: str) -> bool:
        done = await _undo(op, touched[name])
        if not done:
            failed.append(name)
        return done

    needs = {
        name: set((row.before or row.current or State(row.type)).depends_on) & touched.keys()
        for name, row in touched.items()
    }
    await parallel.run(needs, step)
    return sorted(failed)


async def _undo(op: Operation, row: Resource) -> bool:
    before = row.before
    if before is None:  # it was refused before anything happened to it
        row.status, row.reason, row.change, row.pending = "UPDATE_COMPLETE", None, "", None
        await op.commit(rows=[row])
        return True
    if row.change == "keep" or row.logical_id in op.work.skip or (op.work.force and row.status == "UPDATE_FAILED"):
        row.current, row.before, row.change, row.pending = before, None, "", None
        events = []
        if row.status == "UPDATE_FAILED":
            row.status, row.reason = "UPDATE_COMPLETE", None
            events = [op.event(row)]
        await op.commit(events, [row])
        return True
    replaced = row.current if row.change == "replace" else None
    row.status, row.reason = "UPDATE_IN_PROGRESS", None
    await op.commit([op.event(row)], [row])
    problem = None
    if replaced is None:
        problem = await _revert(op, row, before)
    if problem is not None:
        row.status, row.reason = "UPDATE_FAILED", problem
        await op.commit([op.event(row)], [row])
        return False
    if replaced is not None:
        row.current = before
    row.status, row.reason, row.before, row.change, row.pending = "UPDATE_COMPLETE", None, None, "", None
    garbage = Garbage(row.logical_id, replaced, op.platform.ids.hex(16)) if replaced else None
    await op.commit(
        [op.event(row)],
        [row],
        extra=(lambda tx: state.put_garbage(tx, op.keys, op.uid, garbage)) if garbage else None,
    )
    return True


async def _revert(op: Operation, row: Resource, before: State) -> str | None:
    """Update in place to the former properties; why that failed, or None."""
    now = row.current or before
    context = op.context(row.logical_id, before, now)
    outcome = await attempt(_reverted(op, context, row.pending or now, now, before))
    if isinstance(outcome, Exception):
        return op.failure(outcome, context, row.logical_id)
    row.current = before
    return None


async def _reverted(op: Operation, context: Context, tried: State, now: State, before: State) -> None:
    kind = op.kind(before.type)
    if kind.update is not None:
        made = await kind.update(context, physical(now), await op.properties(tried), await op.properties(before))
        before.physical_id, before.attributes, before.data = made.id, made.attributes, made.data
