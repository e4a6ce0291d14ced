"""Beginning operations: what is checked before, and the one transaction that makes them durable."""

from __future__ import annotations

import re
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.rules.templates import stack_policy
from freehold.services.cloudformation import changes, state
from freehold.services.cloudformation.announcing import announce
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.model import MAX_NESTING, MAX_TAGS, STABLE, Definition, Stack, Work, stack_arn
from freehold.services.cloudformation.operation import stack_event
from freehold.services.cloudformation.origin import Origin, check_role, fetch_object
from freehold.services.cloudformation.prepare import Asked, Prepared, prepare, refusing, text_of
from freehold.store.base import Tx

Request = dict[str, Any]
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}\Z")


def check_name(name: str) -> None:
    """Refuse what is no stack name."""
    if not _NAME.match(name):
        raise Fault(
            "ValidationError",
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
            " satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
        )


def refuse_unsupported(request: Request) -> None:
    """Settings that Freehold cannot act on are refused by name."""
    rollback = request.get("RollbackConfiguration") or {}
    if rollback.get("RollbackTriggers") or rollback.get("MonitoringTimeInMinutes"):
        raise not_implemented("rollback triggers of CloudFormation stacks")
    if request.get("DisableValidation"):
        raise not_implemented("DisableValidation of CloudFormation")
    if (request.get("DeploymentConfig") or {}).get("Mode", "STANDARD") != "STANDARD":
        raise not_implemented("the deployment mode EXPRESS of CloudFormation")


def asked(request: Request, text: str, held: Definition | None, *, direct: bool) -> Asked:
    """What the request asks of a stack; tags and notifications of `held` stay where it does not say."""
    given: dict[str, str] = {}
    previous: set[str] = set()
    for item in request.get("Parameters", []):
        key = item.get("ParameterKey", "")
        if item.get("UsePreviousValue"):
            previous.add(key)
        elif "ParameterValue" in item:
            given[key] = item["ParameterValue"]
    unknown = [key for key in previous if held is None or key not in held.parameters]
    if unknown:
        raise Fault(
            "ValidationError",
            f"Invalid input for parameter key {unknown[0]}. Cannot specify usePreviousValue as true for a parameter key"
            " not in the previous template",
        )
    return Asked(
        text,
        given,
        frozenset(previous),
        _tags(request["Tags"]) if "Tags" in request else dict(held.tags) if held else {},
        list(request.get("Capabilities", [])),
        list(request.get("NotificationARNs", held.notification_arns if held else [])),
        list(request.get("ResourceTypes", [])),
        direct,
    )


def _tags(tags: list[dict[str, str]]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise Fault("ValidationError", f"Number of tags, {len(tags)}, is greater than maximum allowed, {MAX_TAGS}")
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            raise Fault("ValidationError", "aws: prefixed tag key names are not allowed for external use.")
    if len({tag["Key"] for tag in tags}) != len(tags):
        raise Fault("ValidationError", "Tags: duplicate tag keys are not allowed.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def on_failure(request: Request, default: str = "ROLLBACK") -> str:
    """What is done when the operation fails."""
    disabled = request.get("DisableRollback", (request.get("DeploymentConfig") or {}).get("DisableRollback"))
    chosen = request.get("OnFailure")
    if chosen is not None and request.get("DisableRollback") is not None:
        raise Fault("ValidationError", "You can specify either DisableRollback or OnFailure, but not both.")
    return str(chosen) if chosen is not None else "DO_NOTHING" if disabled else default


async def policy_text(origin: Origin, request: Request, name: str) -> str | None:
    """A checked stack policy of the request's `{name}Body` or `{name}URL`."""
    body, url = request.get(name + "Body"), request.get(name + "URL")
    if body is not None and url is not None:
        raise Fault("ValidationError", f"You can specify either {name}Body or {name}URL, but not both.")
    text = await fetch_object(origin, url, stack_policy.MAX_BYTES) if url is not None else body
    if text is not None:
        with refusing():
            stack_policy.parse(text)
    return text


def new_work(origin: Origin, uid: str, phase: str, token: str | None, **fields: Any) -> Work:
    """The row of an operation that begins now."""
    who = origin.principal
    return Work(
        origin.platform.ids.uuid(),
        origin.account,
        origin.region,
        uid,
        phase,
        (who.account, who.arn, who.user_id, who.service),
        origin.platform.clock.now_ms(),
        token=token,
        **fields,
    )


async def create(origin: Origin, request: Request, parent: Stack | None = None) -> tuple[Stack, bool]:
    """Begin to create a stack; (the stack, whether it is new). Raises Fault."""
    name = request["StackName"]
    check_name(name)
    refuse_unsupported(request)
    if parent is not None and parent.depth >= MAX_NESTING:
        raise Fault("ValidationError", f"Stacks can be nested {MAX_NESTING} deep")
    failure = on_failure(request)
    text = await text_of(origin, request)
    if text is None:
        raise Fault("ValidationError", "Either Template URL or Template Body must be specified.")
    existing = await origin.platform.store.read(lambda tx: state.find(tx, origin.keys, name))
    token = request.get("ClientRequestToken")
    if existing is not None:
        if token is not None and existing.token == token:
            if existing.operation_type == "CREATE_STACK":
                return existing, False
            raise Fault("TokenAlreadyExistsException", f"Token already exists: {token}")
        raise Fault("AlreadyExistsException", f"Stack [{name}] already exists")
    ids = origin.platform.ids
    uid = ids.uuid()
    stack_id = stack_arn(origin.account, origin.region, name, uid)
    prepared = await prepare(origin, asked(request, text, None, direct=True), name, stack_id, ids.hex(16), None)
    await check_role(origin, request.get("RoleARN"))
    policy = await policy_text(origin, request, "StackPolicy")
    now_ms, minutes = origin.platform.clock.now_ms(), request.get("TimeoutInMinutes")
    stack = Stack(
        name,
        uid,
        stack_id,
        "CREATE_IN_PROGRESS",
        now_ms,
        prepared.definition,
        reason="User Initiated",
        role_arn=request.get("RoleARN"),
        disable_rollback=failure == "DO_NOTHING",
        retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        protected=bool(request.get("EnableTerminationProtection")),
        timeout_minutes=minutes,
        parent_id=parent.id if parent else None,
        root_id=(parent.root_id or parent.id) if parent else None,
        depth=parent.depth + 1 if parent else 0,
        policy=policy,
        token=token,
    )
    work = new_work(
        origin,
        uid,
        "create",
        token,
        on_failure=failure,
        retain_except_on_create=stack.retain_except_on_create,
        deadline_ms=now_ms + minutes * 60_000 if minutes else None,
    )
    await begin(origin, stack, work, prepared, "CREATE_STACK", "User Initiated", new=True)
    return stack, True


async def begin(
    origin: Origin,
    stack: Stack,
    work: Work,
    prepared: Prepared,
    kind: str,
    reason: str | None,
    *,
    new: bool = False,
    expected: str | None = None,
    consume: str | None = None,
) -> None:
    """Write the stack with its new definition and the operation, and run it.

    `expected` is the status in which the stack must still be; `consume` names the change set that is executed.
    """
    stack.operation_id, stack.operation_type = work.id, kind
    event = stack_event(stack, origin.platform.ids.uuid(), stack.status, reason, work)
    keys, definition = origin.keys, prepared.definition
    now_ms = origin.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        if new:
            state.add_stack(tx, keys, stack)
        else:
            held = state.stack(tx, keys, stack.uid)
            if held is None or held.status != expected:
                raise not_updatable(held or stack)
            stack.protected = held.protected
            state.put_stack(tx, keys, stack)
        if prepared.original:
            state.put_template(tx, keys, stack.uid, definition.generation, prepared.original, prepared.processed)
        state.set_imports(tx, keys, stack.uid, [], definition.imports)
        if not new:
            _supersede_change_sets(tx, origin, stack.uid, consume)
        state.put_work(tx, keys, work)
        state.add_events(tx, keys, stack.uid, now_ms, [event])
        announce(tx, origin.platform, keys, stack, [event])

    await origin.platform.store.transact(body)
    engine(origin.platform).start(work, origin.host, prepared)


def _supersede_change_sets(tx: Tx, origin: Origin, uid: str, executed: str | None) -> None:
    """Executing a change set deletes all others of the stack; an update makes them obsolete."""
    for found in state.change_sets(tx, origin.keys, uid):
        if found.name == executed:
            found.execution_status = "EXECUTE_COMPLETE"
            state.put_change_set(tx, origin.keys, found)
        elif executed is not None:
            keep = found.execution_status == "EXECUTE_COMPLETE"
            state.drop_change_set(tx, origin.keys, found, keep_template=keep)
        elif found.execution_status == "AVAILABLE":
            found.execution_status = "OBSOLETE"
            state.put_change_set(tx, origin.keys, found)


def not_updatable(stack: Stack) -> Fault:
    return Fault("ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def check_updatable(stack: Stack) -> None:
    """Refuse updates of stacks that are not stable."""
    if stack.status not in STABLE and stack.status != "UPDATE_FAILED":
        raise not_updatable(stack)


async def plan_update(origin: Origin, request: Request, stack: Stack, *, direct: bool) -> Prepared:
    """The checked plan of an update. Raises Fault."""
    text = await text_of(origin, request)
    if request.get("UsePreviousTemplate"):
        if text is not None:
            raise Fault("ValidationError", "UsePreviousTemplate and TemplateBody or TemplateURL exclude each other.")
        text = await origin.platform.store.read(
            lambda tx: state.template(tx, origin.keys, stack.uid, stack.definition.generation, "original")
        )
    if text is None:
        raise Fault("ValidationError", "Either Template URL or Template Body must be specified.")
    generation = origin.platform.ids.hex(16)
    prepared = await prepare(
        origin,
        asked(request, text, stack.definition, direct=direct),
        stack.name,
        stack.id,
        generation,
        stack.definition,
    )
    rows = await origin.platform.store.read_many(lambda tx: state.resources(tx, origin.keys, stack.uid))
    retyped = [
        name
        for name in prepared.graph
        if name in rows and rows[name].current and rows[name].type != prepared.template.resources[name].type
    ]
    if retyped:
        raise Fault(
            "ValidationError",
            "Update of resource type is not permitted. The new template modifies resource type of the following"
            f" resources: [{', '.join(retyped)}]",
        )
    return prepared


async def foresee(origin: Origin, stack: Stack, prepared: Prepared) -> tuple[list[changes.Change], bool]:
    """(resource changes, whether anything at all would change)."""
    rows = await origin.platform.store.read_many(lambda tx: state.resources(tx, origin.keys, stack.uid))
    found = changes.foresee(origin, prepared, rows)
    differs = bool(found) or prepared.definition.tags != stack.definition.tags
    return found, differs or changes.outputs_differ(prepared, stack.outputs)


async def update(origin: Origin, request: Request, stack: Stack) -> tuple[Stack, bool]:
    """Begin to update a stack; (the stack, whether anything was begun). Raises Fault."""
    token = request.get("ClientRequestToken")
    if token is not None and stack.token == token:
        if stack.operation_type == "UPDATE_STACK":
            return stack, False
        raise Fault("TokenAlreadyExistsException", f"Token already exists: {token}")
    check_updatable(stack)
    refuse_unsupported(request)
    prepared = await plan_update(origin, request, stack, direct=True)
    await check_role(origin, request.get("RoleARN"))
    temporary = await policy_text(origin, request, "StackPolicyDuringUpdate")
    policy = await policy_text(origin, request, "StackPolicy")
    _, differs = await foresee(origin, stack, prepared)
    if not differs and stack.status != "UPDATE_FAILED":
        raise Fault("ValidationError", "No updates are to be performed.")
    before = stack.status
    work = new_work(
        origin,
        stack.uid,
        "update",
        token,
        on_failure=on_failure(request),
        retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        policy=temporary or stack.policy,
    )
    stack.role_arn = request.get("RoleARN") or stack.role_arn
    stack.policy = policy or stack.policy
    stack.token = token
    become(origin, stack, prepared.definition, work)
    await begin(origin, stack, work, prepared, "UPDATE_STACK", "User Initiated", expected=before)
    return stack, True


def become(origin: Origin, stack: Stack, definition: Definition, work: Work) -> None:
    """The stack's row while an update runs."""
    if stack.status != "UPDATE_FAILED" or stack.last_good is None:
        stack.last_good = stack.definition
    stack.definition = definition
    stack.status, stack.reason = "UPDATE_IN_PROGRESS", "User Initiated"
    stack.updated_ms = origin.platform.clock.now_ms()
    stack.disable_rollback = work.on_failure == "DO_NOTHING"
    stack.retain_except_on_create = work.retain_except_on_create


async def rerun(
    origin: Origin, stack: Stack, phase: str, status: str, kind: str, reason: str | None, **fields: Any
) -> None:
    """Begin an operation that needs no new plan: a delete, or a rollback that is taken up again."""
    token = fields.pop("token", None)
    expected = stack.status
    work = new_work(origin, stack.uid, phase, token, **fields)
    stack.status, stack.reason, stack.token = status, reason, token
    stack.operation_id, stack.operation_type = work.id, kind
    event = stack_event(stack, origin.platform.ids.uuid(), status, reason, work)
    now_ms = origin.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        held = state.stack(tx, origin.keys, stack.uid)
        if held is None or held.status != expected:
            raise Fault("ValidationError", f"Stack:{stack.id} is in {held.status if held else 'no'} state.")
        state.put_stack(tx, origin.keys, stack)
        state.put_work(tx, origin.keys, work)
        state.add_events(tx, origin.keys, stack.uid, now_ms, [event])
        announce(tx, origin.platform, origin.keys, stack, [event])

    await origin.platform.store.transact(body)
    engine(origin.platform).start(work, origin.host)
