"""Handlers that begin, stop and protect: CreateStack, UpdateStack, DeleteStack, rollbacks, stack policies."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.cloudformation import launch, origin, state
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.model import Stack
from freehold.services.cloudformation.origin import Origin, check_role
from freehold.store.base import Tx

Request = dict[str, Any]


async def require(asker: Origin, name: str, missing: str = "Stack [{}] does not exist") -> Stack:
    """The stack of a name or id. Raises the ValidationError that AWS gives for this kind of call."""
    found = await asker.platform.store.read(lambda tx: state.find(tx, asker.keys, name))
    if found is None:
        raise Fault("ValidationError", missing.format(name))
    return found


async def create_stack(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack, _ = await launch.create(asker, request)
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {"StackId": stack.id, "OperationId": stack.operation_id}


async def update_stack(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"])
    stack, _ = await launch.update(asker, request, stack)
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {"StackId": stack.id, "OperationId": stack.operation_id}


async def delete_stack(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    launch.refuse_unsupported(request)
    found = await call.platform.store.read(lambda tx: state.find(tx, asker.keys, request["StackName"]))
    if found is None or found.status == "DELETE_COMPLETE":
        return {}
    await begin_delete(asker, found, request)
    await engine(call.platform).settle(asker.keys, found.uid)
    return {}


async def begin_delete(asker: Origin, stack: Stack, request: Request) -> None:
    """Begin to delete a stack; nothing where that is under way. Raises Fault."""
    if stack.protected:
        raise Fault("ValidationError", f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
    if stack.status == "DELETE_IN_PROGRESS":
        return
    if stack.status == "CREATE_IN_PROGRESS":
        await _abort_create(asker, stack)
        return
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise Fault("ValidationError", f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
    retain, mode = list(request.get("RetainResources", [])), request.get("DeletionMode", "STANDARD")
    if retain and stack.status != "DELETE_FAILED":
        raise Fault(
            "ValidationError",
            f"Invalid operation on stack [{stack.id}]. Stack must be in DELETE_FAILED state to specify RetainResources",
        )
    if mode == "FORCE_DELETE_STACK" and stack.status != "DELETE_FAILED":
        raise Fault(
            "ValidationError",
            f"Invalid operation on stack [{stack.id}]. Stack must be in DELETE_FAILED state to use FORCE_DELETE_STACK",
        )
    await check_role(asker, request.get("RoleARN"))
    stack.role_arn = request.get("RoleARN") or stack.role_arn
    stack.deletion_mode = mode if mode != "STANDARD" else stack.deletion_mode
    await launch.rerun(
        asker,
        stack,
        "delete",
        "DELETE_IN_PROGRESS",
        "DELETE_STACK",
        "User Initiated",
        token=request.get("ClientRequestToken"),
        retain=retain,
        force=mode == "FORCE_DELETE_STACK",
    )


async def _abort_create(asker: Origin, stack: Stack) -> None:
    """A stack that is being created is deleted once what is under way has ended."""

    def body(tx: Tx) -> None:
        held = state.work(tx, asker.keys, stack.uid)
        if held is not None:
            held.on_failure, held.cancelled = "DELETE", True
            state.put_work(tx, asker.keys, held)

    await asker.platform.store.transact(body)
    await engine(asker.platform).cancel(stack.uid, "Resource creation cancelled. ", on_failure="DELETE")


async def cancel_update_stack(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"])
    if stack.status != "UPDATE_IN_PROGRESS":
        raise Fault("ValidationError", "CancelUpdateStack cannot be called from current stack status")

    def body(tx: Tx) -> None:
        held = state.work(tx, asker.keys, stack.uid)
        if held is not None:
            held.cancelled = True
            state.put_work(tx, asker.keys, held)

    await call.platform.store.transact(body)
    await engine(call.platform).cancel(stack.uid, "User Initiated")
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {}


async def continue_update_rollback(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"])
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise Fault(
            "ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not continue its rollback."
        )
    skip = list(request.get("ResourcesToSkip", []))
    rows = await call.platform.store.read_many(lambda tx: state.resources(tx, asker.keys, stack.uid))
    wrong = [name for name in skip if name not in rows or rows[name].status != "UPDATE_FAILED"]
    if wrong:
        raise Fault(
            "ValidationError",
            f"ResourcesToSkip can only contain resources in the UPDATE_FAILED state: [{', '.join(wrong)}]",
        )
    await check_role(asker, request.get("RoleARN"))
    stack.role_arn = request.get("RoleARN") or stack.role_arn
    await launch.rerun(
        asker,
        stack,
        "rollback_update",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "CONTINUE_ROLLBACK",
        "User Initiated",
        token=request.get("ClientRequestToken"),
        skip=skip,
        force=bool(request.get("ForceRollback")),
    )
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {}


async def rollback_stack(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    launch.refuse_unsupported(request)
    stack = await require(asker, request["StackName"])
    phases = {
        "CREATE_FAILED": ("rollback_create", "ROLLBACK_IN_PROGRESS"),
        "UPDATE_FAILED": ("rollback_update", "UPDATE_ROLLBACK_IN_PROGRESS"),
    }
    if stack.status not in phases:
        raise Fault("ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.")
    await check_role(asker, request.get("RoleARN"))
    stack.role_arn = request.get("RoleARN") or stack.role_arn
    phase, status = phases[stack.status]
    await launch.rerun(
        asker,
        stack,
        phase,
        status,
        "ROLLBACK",
        "User Initiated",
        token=request.get("ClientRequestToken"),
        retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
    )
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {"StackId": stack.id, "OperationId": stack.operation_id}


async def update_termination_protection(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"])
    if stack.parent_id is not None:
        raise Fault(
            "ValidationError",
            f"Cannot change TerminationProtection of nested stack [{stack.name}]; change it on the root stack",
        )

    def body(tx: Tx) -> None:
        held = state.stack(tx, asker.keys, stack.uid)
        if held is None or (held.status.startswith("DELETE_") and held.status != "DELETE_FAILED"):
            raise Fault("ValidationError", f"Stack [{stack.name}] does not exist")
        held.protected = bool(request["EnableTerminationProtection"])
        state.put_stack(tx, asker.keys, held)

    await call.platform.store.transact(body)
    return {"StackId": stack.id}


async def set_stack_policy(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"])
    text = await launch.policy_text(asker, request, "StackPolicy")
    if text is None:
        raise Fault("ValidationError", "You must specify StackPolicyBody or StackPolicyURL")

    def body(tx: Tx) -> None:
        held = state.stack(tx, asker.keys, stack.uid)
        if held is not None:
            held.policy = text
            state.put_stack(tx, asker.keys, held)

    await call.platform.store.transact(body)
    return {}


async def get_stack_policy(call: Call, request: Request) -> Request:
    stack = await require(origin.of(call), request["StackName"])
    return {"StackPolicyBody": stack.policy} if stack.policy is not None else {}


async def signal_resource(call: Call, request: Request) -> Request:
    raise not_implemented("signals to resources (templates with a CreationPolicy are refused)")
