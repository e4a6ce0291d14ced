"""Handlers of change sets. A change set is worked out while its creator waits: it is never seen half-made."""

from __future__ import annotations

import re
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.numerals import whole
from freehold.ports.call import Call
from freehold.services.cloudformation import changes, launch, origin, prepare, state
from freehold.services.cloudformation.announcing import announce
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.model import STACK_TYPE as TYPE
from freehold.services.cloudformation.model import (
    ChangeSet,
    Definition,
    Event,
    Stack,
    change_set_arn,
    stack_arn,
)
from freehold.services.cloudformation.origin import Origin, check_role
from freehold.store.base import Tx

Request = dict[str, Any]
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}\Z")
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
PAGE = 100


async def require_change_set(asker: Origin, name: str, stack_name: str | None) -> ChangeSet:
    """The change set of an ARN, or of a name within a stack. Raises ChangeSetNotFound."""
    if name.startswith("arn:"):
        found = await asker.platform.store.read(lambda tx: state.change_set_by_id(tx, asker.keys, name))
    else:
        if stack_name is None:
            raise Fault("ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN.")
        stack = await asker.platform.store.read(lambda tx: state.find(tx, asker.keys, stack_name))
        if stack is None:
            raise Fault("ValidationError", f"Stack [{stack_name}] does not exist")
        uid = stack.uid
        found = await asker.platform.store.read(lambda tx: state.change_set(tx, asker.keys, uid, name))
    if found is None:
        raise Fault("ChangeSetNotFoundException", f"ChangeSet [{name}] does not exist")
    return found


def _refuse(request: Request) -> None:
    launch.refuse_unsupported(request)
    if request.get("ChangeSetType") == "IMPORT" or request.get("ResourcesToImport"):
        raise not_implemented("change sets of type IMPORT")
    if request.get("ImportExistingResources"):
        raise not_implemented("ImportExistingResources of change sets")
    if request.get("IncludeNestedStacks"):
        raise not_implemented("IncludeNestedStacks of change sets")
    if request.get("DeploymentMode"):
        raise not_implemented("drift-aware change sets (DeploymentMode)")
    if not _NAME.match(request["ChangeSetName"]):
        raise Fault(
            "ValidationError",
            f"1 validation error detected: Value '{request['ChangeSetName']}' at 'changeSetName' failed to satisfy"
            " constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
        )


async def create_change_set(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    _refuse(request)
    kind, name = request.get("ChangeSetType", "UPDATE"), request["StackName"]
    stack = await call.platform.store.read(lambda tx: state.find(tx, asker.keys, name))
    fresh = kind == "CREATE" and stack is None
    if kind == "CREATE":
        stack = _reviewed(asker, stack, name)
    elif stack is None or stack.status == "DELETE_COMPLETE":
        raise Fault("ValidationError", f"Stack [{name}] does not exist")
    else:
        launch.check_updatable(stack)
    again = await _repeated(asker, stack, request)
    if again is not None:
        return {"Id": again.id, "StackId": stack.id}
    await check_role(asker, request.get("RoleARN"))
    planned = await launch.plan_update(asker, request, stack, direct=False)
    found_changes, differs = await launch.foresee(asker, stack, planned)
    uid = call.platform.ids.uuid()
    found = ChangeSet(
        request["ChangeSetName"],
        change_set_arn(call.account, call.region, request["ChangeSetName"], uid),
        stack.uid,
        stack.id,
        stack.name,
        kind,
        "CREATE_COMPLETE",
        "AVAILABLE",
        call.platform.clock.now_ms(),
        planned.definition,
        description=request.get("Description"),
        changes=found_changes,
        on_failure=request.get("OnStackFailure"),
        role_arn=request.get("RoleARN"),
        token=request.get("ClientToken"),
    )
    if not differs and kind == "UPDATE":
        found.status, found.execution_status, found.reason = "FAILED", "UNAVAILABLE", NO_CHANGES
    await _write(asker, stack, found, planned, fresh=fresh)
    return {"Id": found.id, "StackId": stack.id}


def _reviewed(asker: Origin, stack: Stack | None, name: str) -> Stack:
    """The stack that a change set of type CREATE is for: new, or still under review."""
    if stack is not None:
        if stack.status != "REVIEW_IN_PROGRESS":
            raise Fault(
                "ValidationError", f"Stack [{name}] already exists and cannot be created again with the changeSet"
            )
        return stack
    launch.check_name(name)
    uid = asker.platform.ids.uuid()
    return Stack(
        name,
        uid,
        stack_arn(asker.account, asker.region, name, uid),
        "REVIEW_IN_PROGRESS",
        asker.platform.clock.now_ms(),
        Definition(""),
        reason="User Initiated",
    )


async def _repeated(asker: Origin, stack: Stack, request: Request) -> ChangeSet | None:
    """The change set of that name, when the same ClientToken asked for it before."""
    held = await asker.platform.store.read(
        lambda tx: state.change_set(tx, asker.keys, stack.uid, request["ChangeSetName"])
    )
    if held is None:
        return None
    if request.get("ClientToken") is not None and held.token == request["ClientToken"]:
        return held
    raise Fault("AlreadyExistsException", f"ChangeSet {request['ChangeSetName']} already exists")


async def _write(asker: Origin, stack: Stack, found: ChangeSet, planned: prepare.Prepared, *, fresh: bool) -> None:
    now_ms = asker.platform.clock.now_ms()
    event = Event(asker.platform.ids.uuid(), stack.name, TYPE, "REVIEW_IN_PROGRESS", stack.id, "User Initiated")

    def body(tx: Tx) -> None:
        if fresh:
            state.add_stack(tx, asker.keys, stack)
            state.add_events(tx, asker.keys, stack.uid, now_ms, [event])
            announce(tx, asker.platform, asker.keys, stack, [event])
        if state.change_set(tx, asker.keys, stack.uid, found.name) is not None:
            raise Fault("AlreadyExistsException", f"ChangeSet {found.name} already exists")
        state.put_template(tx, asker.keys, stack.uid, found.definition.generation, planned.original, planned.processed)
        state.put_change_set(tx, asker.keys, found)

    await asker.platform.store.transact(body)


async def describe_change_set(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    found = await require_change_set(asker, request["ChangeSetName"], request.get("StackName"))
    start = whole(request.get("NextToken", "")) or 0
    definition, page = found.definition, found.changes[start : start + PAGE]
    if not request.get("IncludePropertyValues"):
        page = [changes.without_values(item) for item in page]
    shown: Request = {
        "ChangeSetName": found.name,
        "ChangeSetId": found.id,
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "Description": found.description,
        "Parameters": [_parameter(definition, name, value) for name, value in definition.parameters.items()],
        "CreationTime": found.created_ms / 1000,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "StatusReason": found.reason,
        "NotificationARNs": definition.notification_arns,
        "RollbackConfiguration": {},
        "Capabilities": definition.capabilities,
        "Tags": [{"Key": key, "Value": value} for key, value in definition.tags.items()],
        "Changes": [{"Type": "Resource", "ResourceChange": item} for item in page],
        "NextToken": str(start + PAGE) if len(found.changes) > start + PAGE else None,
        "IncludeNestedStacks": False,
        "OnStackFailure": found.on_failure,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _parameter(definition: Definition, name: str, value: str) -> Request:
    hidden = name in definition.hidden
    shown = {"ParameterKey": name, "ParameterValue": "****" if hidden else value}
    if name in definition.resolved:
        shown["ResolvedValue"] = "****" if hidden else definition.resolved[name]
    return shown


async def execute_change_set(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    found = await require_change_set(asker, request["ChangeSetName"], request.get("StackName"))
    if found.execution_status == "EXECUTE_COMPLETE" and await _executed_before(asker, found, request):
        return {}
    if found.status != "CREATE_COMPLETE" or found.execution_status != "AVAILABLE":
        status = found.status if found.status != "CREATE_COMPLETE" else found.execution_status
        raise Fault(
            "InvalidChangeSetStatusException",
            f"ChangeSet [{found.id}] cannot be executed in its current status of [{status}]",
        )
    if found.on_failure is not None and request.get("DisableRollback") is not None:
        raise Fault("ValidationError", "DisableRollback cannot be specified when the change set has OnStackFailure.")
    stack = await call.platform.store.read(lambda tx: state.stack(tx, asker.keys, found.uid))
    if stack is None or stack.status == "DELETE_COMPLETE":
        raise Fault("ValidationError", f"Stack [{found.stack_name}] does not exist")
    text = await call.platform.store.read(
        lambda tx: state.template(tx, asker.keys, found.uid, found.definition.generation, "processed")
    )
    document = await prepare.parse(text or "")
    planned = await prepare.load(asker, document, found.definition, stack.name, stack.id)
    await _execute(asker, stack, found, planned, request)
    await engine(call.platform).settle(asker.keys, stack.uid)
    return {}


async def _executed_before(asker: Origin, found: ChangeSet, request: Request) -> bool:
    token = request.get("ClientRequestToken")
    stack = await asker.platform.store.read(lambda tx: state.stack(tx, asker.keys, found.uid))
    return token is not None and stack is not None and stack.token == token


async def _execute(asker: Origin, stack: Stack, found: ChangeSet, planned: prepare.Prepared, request: Request) -> None:
    creating = stack.status == "REVIEW_IN_PROGRESS"
    if not creating:
        launch.check_updatable(stack)
    failure = found.on_failure or launch.on_failure({k: v for k, v in request.items() if k == "DisableRollback"})
    if failure == "DELETE" and not creating:
        failure = "ROLLBACK"
    token, before = request.get("ClientRequestToken"), stack.status
    work = launch.new_work(
        asker,
        stack.uid,
        "create" if creating else "update",
        token,
        on_failure=failure,
        retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        policy=stack.policy,
    )
    stack.token, stack.change_set_id = token, found.id
    stack.role_arn = found.role_arn or stack.role_arn
    if creating:
        stack.definition, stack.status = found.definition, "CREATE_IN_PROGRESS"
        stack.reason = "User Initiated"
        stack.updated_ms = asker.platform.clock.now_ms()
        stack.disable_rollback = failure == "DO_NOTHING"
    else:
        launch.become(asker, stack, found.definition, work)
    kind = "CREATE_STACK" if creating else "UPDATE_STACK"
    await launch.begin(asker, stack, work, planned, kind, "User Initiated", expected=before, consume=found.name)


async def delete_change_set(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    name = request["ChangeSetName"]
    if not name.startswith("arn:") and "StackName" not in request:
        raise Fault("ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN.")
    try:
        found = await require_change_set(asker, name, request.get("StackName"))
    except Fault as fault:
        if fault.code == "ChangeSetNotFoundException":
            return {}
        raise
    keep = found.execution_status == "EXECUTE_COMPLETE"
    await call.platform.store.transact(lambda tx: state.drop_change_set(tx, asker.keys, found, keep_template=keep))
    return {}


async def list_change_sets(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await call.platform.store.read(lambda tx: state.find(tx, asker.keys, request["StackName"]))
    if stack is None:
        raise Fault("ValidationError", f"Stack [{request['StackName']}] does not exist")
    held = await call.platform.store.read_many(lambda tx: state.change_sets(tx, asker.keys, stack.uid))
    active = [item for item in held if item.execution_status != "EXECUTE_COMPLETE"]
    start = whole(request.get("NextToken", "")) or 0
    answer: Request = {"Summaries": [_summary(item) for item in active[start : start + PAGE]]}
    if len(active) > start + PAGE:
        answer["NextToken"] = str(start + PAGE)
    return answer


def _summary(found: ChangeSet) -> Request:
    shown: Request = {
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "ChangeSetId": found.id,
        "ChangeSetName": found.name,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "StatusReason": found.reason,
        "CreationTime": found.created_ms / 1000,
        "Description": found.description,
        "IncludeNestedStacks": False,
    }
    return {key: value for key, value in shown.items() if value is not None}
