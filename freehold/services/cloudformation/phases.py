"""What an operation does after what. Each phase can be run again from its rows after a crash.

create ── ok ──────────────────────────────► CREATE_COMPLETE
   └─ failed ─► rollback_create ───────────► ROLLBACK_COMPLETE | ROLLBACK_FAILED (or delete, or CREATE_FAILED)
update ── ok ─► cleanup ───────────────────► UPDATE_COMPLETE
   └─ failed ─► rollback_update ─► cleanup_rollback ─► UPDATE_ROLLBACK_COMPLETE  | UPDATE_ROLLBACK_FAILED
delete ────────────────────────────────────► DELETE_COMPLETE | DELETE_FAILED
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable

from freehold.kit.faults import Fault
from freehold.rules.templates import stack_policy
from freehold.rules.templates.document import TemplateError
from freehold.services.cloudformation import state
from freehold.services.cloudformation.deploy import forward
from freehold.services.cloudformation.model import Garbage, Output, Resource, Stack
from freehold.services.cloudformation.operation import Operation, set_status
from freehold.services.cloudformation.prepare import evaluate_outputs
from freehold.services.cloudformation.retention import remember
from freehold.services.cloudformation.teardown import GONE, clean_up, delete_all, undo_update
from freehold.store.base import ReadTx, Tx


def listed(logical_ids: list[str], verb: str) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(logical_ids)}]. " if logical_ids else ""


def _failures(op: Operation) -> str:
    return listed(op.failed_create, "create") + listed(op.failed_update, "update")


async def _outputs(op: Operation) -> tuple[list[Output], dict[str, str]]:
    """The stack's outputs and exports. Raises TemplateError."""
    op.plan.scope = op.live_scope()
    found = evaluate_outputs(op.plan)
    outputs = [Output(key, value, description, export) for key, (value, description, export) in found.items()]
    return outputs, {item.export: item.value for item in outputs if item.export is not None}


async def _finish(op: Operation, status: str, phase: str) -> str | None:
    """Everything is there: outputs, exports and imports are written with the status. Why not, or None."""
    try:
        outputs, exports = await _outputs(op)
        await op.commit(
            [op.stack_event(status)],
            [] if phase else _settled(op.rows.values()),
            change=set_status(status, outputs=outputs),
            extra=lambda tx: _publish(tx, op, exports, phase),
            phase=phase,
        )
    except TemplateError as error:
        return error.message
    except Fault as fault:
        return fault.message
    return None


def _publish(tx: Tx, op: Operation, exports: dict[str, str], phase: str) -> None:
    previous = op.stack.last_good.imports if op.stack.last_good else []
    state.set_exports(tx, op.keys, op.stack, exports)
    state.set_imports(tx, op.keys, op.uid, previous, op.stack.definition.imports)
    if phase == "cleanup":
        for row in op.rows.values():
            if row.change == "replace" and row.before is not None:
                state.put_garbage(
                    tx, op.keys, op.uid, Garbage(row.logical_id, row.before, f"{row.logical_id}/{op.work.id}")
                )


async def create(op: Operation) -> str:
    if await forward(op):
        problem = await _finish(op, "CREATE_COMPLETE", "")
        if problem is None:
            return ""
        op.halted = problem + ". " if not problem.endswith(".") else problem + " "
    why = op.halted or _failures(op)
    if op.work.on_failure == "DO_NOTHING":
        await op.commit([op.stack_event("CREATE_FAILED", why)], change=set_status("CREATE_FAILED", why), phase="")
        return ""
    if op.work.on_failure == "DELETE":
        why += "Delete requested by user."
        failed = op.stack_event("CREATE_FAILED", why)
        await op.commit(
            [failed, op.stack_event("DELETE_IN_PROGRESS", why)],
            change=set_status("DELETE_IN_PROGRESS", why),
            phase="delete_created",
        )
        return "delete_created"
    why += "Rollback requested by user."
    await op.commit(
        [op.stack_event("ROLLBACK_IN_PROGRESS", why)],
        change=set_status("ROLLBACK_IN_PROGRESS", why),
        phase="rollback_create",
    )
    return "rollback_create"


async def rollback_create(op: Operation) -> str:
    failed = await delete_all(op, op.rows, created_now=True)
    status, reason = ("ROLLBACK_FAILED", listed(failed, "delete")) if failed else ("ROLLBACK_COMPLETE", None)
    await op.commit(
        [op.stack_event(status, reason)],
        change=set_status(status, reason or op.stack.reason),
        extra=lambda tx: state.set_imports(tx, op.keys, op.uid, op.stack.definition.imports, []),
        phase="",
    )
    return ""


async def update(op: Operation) -> str:
    refused = await _refuse_removals(op)
    if not refused and await forward(op):
        problem = await _finish(op, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "cleanup")
        if problem is None:
            return "cleanup"
        op.halted = problem
    why = op.halted or _failures(op)
    if op.work.on_failure == "DO_NOTHING":
        await op.commit([op.stack_event("UPDATE_FAILED", why)], change=set_status("UPDATE_FAILED", why), phase="")
        return ""
    await op.commit(
        [op.stack_event("UPDATE_ROLLBACK_IN_PROGRESS", why)],
        change=set_status("UPDATE_ROLLBACK_IN_PROGRESS", why),
        phase="rollback_update",
    )
    return "rollback_update"


async def _refuse_removals(op: Operation) -> bool:
    """Does the stack policy forbid deleting what the new template no longer has?"""
    policy = json.loads(op.work.policy) if op.work.policy else None
    for name, row in op.rows.items():
        if name in op.plan.graph or row.status in GONE:
            continue
        refusal = stack_policy.refusal(policy, "Update:Delete", name, row.type)
        if refusal:
            row.status, row.reason = "UPDATE_FAILED", refusal
            op.failed_update.append(name)
            await op.commit([op.event(row)], [row])
            return True
    return False


async def cleanup(op: Operation) -> str:
    """The update has succeeded: what is no longer wanted goes."""
    clean = await clean_up(op, _surplus(op), await _garbage(op))
    reason = None if clean else "Update successful. One or more resources could not be deleted."
    await _settle(op, "UPDATE_COMPLETE", reason)
    return ""


def _surplus(op: Operation) -> dict[str, Resource]:
    return {name: row for name, row in op.rows.items() if name not in op.plan.graph}


async def _garbage(op: Operation) -> list[Garbage]:
    return await op.platform.store.read(lambda tx: state.garbage(tx, op.keys, op.uid))


def _settled(rows: Iterable[Resource]) -> list[Resource]:
    """The rows that remembered a state before, made to forget it."""
    changed = [row for row in rows if row.change or row.before]
    for row in changed:
        row.change, row.before = "", None
    return changed


async def _settle(op: Operation, status: str, reason: str | None) -> None:
    """The stack is stable again: nothing remembers a state before."""
    rows = _settled(row for name, row in op.rows.items() if name in op.plan.graph)
    spare = op.stack.last_good.generation if op.stack.last_good else None

    def forget(tx: Tx) -> None:
        if spare is not None and spare != op.plan.definition.generation:
            state.drop_template(tx, op.keys, op.uid, spare)

    await op.commit(
        [op.stack_event(status, reason)],
        rows,
        change=set_status(status, reason, last_good=None),
        extra=forget,
        phase="",
    )


async def rollback_update(op: Operation) -> str:
    failed = await undo_update(op)
    if failed:
        why = listed(failed, "update")
        await op.commit(
            [op.stack_event("UPDATE_ROLLBACK_FAILED", why)],
            change=set_status("UPDATE_ROLLBACK_FAILED", why),
            phase="",
        )
        return ""
    status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    change = set_status(status, op.stack.reason)
    await op.commit([op.stack_event(status)], change=change, phase="cleanup_rollback")
    return "cleanup_rollback"


async def cleanup_rollback(op: Operation) -> str:
    """What the failed update had created goes; the stack is again what it was."""
    created = {
        name: row
        for name, row in op.rows.items()
        if row.change == "create" or row.current is None or row.status == "CREATE_FAILED"
    }
    await clean_up(op, created, await _garbage(op))
    failed_definition = op.stack.definition

    def restore(stack: Stack) -> None:
        if stack.last_good is not None:
            stack.definition, stack.last_good = stack.last_good, None
        stack.status = "UPDATE_ROLLBACK_COMPLETE"

    def forget(tx: Tx) -> None:
        if op.stack.last_good is not None and op.stack.last_good.generation != failed_definition.generation:
            state.drop_template(tx, op.keys, op.uid, failed_definition.generation)
            state.set_imports(tx, op.keys, op.uid, failed_definition.imports, op.stack.last_good.imports)

    rows = _settled(row for name, row in op.rows.items() if name not in created)
    await op.commit([op.stack_event("UPDATE_ROLLBACK_COMPLETE")], rows, change=restore, extra=forget, phase="")
    return ""


async def delete(op: Operation) -> str:
    return await _delete(op, created_now=False)


async def delete_created(op: Operation) -> str:
    return await _delete(op, created_now=True)


async def _delete(op: Operation, *, created_now: bool) -> str:
    problem = await op.platform.store.read(lambda tx: _exports_in_use(tx, op))
    failed: list[str] = []
    if problem is None:
        failed = await delete_all(op, op.rows, created_now=created_now)
        await _sweep_leftovers(op)
        problem = listed(failed, "delete") or None
    if problem is not None:
        await op.commit(
            [op.stack_event("DELETE_FAILED", problem)], change=set_status("DELETE_FAILED", problem), phase=""
        )
        return ""
    try:
        await op.commit(
            [op.stack_event("DELETE_COMPLETE")],
            change=set_status("DELETE_COMPLETE", deleted_ms=op.platform.clock.now_ms()),
            extra=lambda tx: _forget(tx, op),
            phase="",
        )
    except Fault as fault:  # somebody has imported an export meanwhile
        await op.commit(
            [op.stack_event("DELETE_FAILED", fault.message)],
            change=set_status("DELETE_FAILED", fault.message),
            phase="",
        )
    return ""


async def _sweep_leftovers(op: Operation) -> None:
    await clean_up(op, {}, await _garbage(op))


def _exports_in_use(tx: ReadTx, op: Operation) -> str | None:
    for name in state.exports_of(tx, op.keys, op.uid):
        users = [user for user in state.importers(tx, op.keys, name) if user != op.stack.name]
        if users:
            return f"Export {name} cannot be deleted as it is in use by {' and '.join(users)}"
    return None


def _forget(tx: Tx, op: Operation) -> None:
    state.set_exports(tx, op.keys, op.stack, {})
    imported = set(op.stack.definition.imports)
    imported |= set(op.stack.last_good.imports) if op.stack.last_good else set()
    state.set_imports(tx, op.keys, op.uid, sorted(imported), [])
    held = tx.get(op.keys.key("n", op.stack.name))
    if held == op.uid.encode():
        tx.delete(op.keys.key("n", op.stack.name))
    for found in state.change_sets(tx, op.keys, op.uid):
        state.drop_change_set(tx, op.keys, found, keep_template=True)
    remember(tx, op.platform, op.keys, op.uid)


PHASES: dict[str, Callable[[Operation], Awaitable[str]]] = {
    "create": create,
    "rollback_create": rollback_create,
    "update": update,
    "cleanup": cleanup,
    "rollback_update": rollback_update,
    "cleanup_rollback": cleanup_rollback,
    "delete": delete,
    "delete_created": delete_created,
}
PLANNED = frozenset({"create", "update", "cleanup"})
"""Phases that need the template."""
