"""AWS::CloudFormation::Stack: a stack as a resource of another."""

from __future__ import annotations

from typing import Any, cast

from freehold.kit.faults import Fault
from freehold.ports.resources import INTEGER, STRING, Map, Physical, ResourceContext, ResourceType
from freehold.services.cloudformation import launch, stacks, state
from freehold.services.cloudformation.context import Context
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.model import STACK_TYPE, Stack

Properties = dict[str, Any]


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    context = cast(Context, ctx)
    asker, name = context.origin, ctx.name(128)
    parent, stack = await asker.platform.store.read(
        lambda tx: (state.find(tx, asker.keys, ctx.stack_id), state.find(tx, asker.keys, name))
    )
    assert parent is not None
    if stack is None:
        request = _request(parent, name, properties, ctx.tags) | {"OnFailure": "DO_NOTHING"}
        if "TimeoutInMinutes" in properties:
            request["TimeoutInMinutes"] = properties["TimeoutInMinutes"]
        stack, _ = await launch.create(asker, request, parent)
    context.made(stack.id)
    stack = await _ended(context, stack)
    if stack.status != "CREATE_COMPLETE":
        raise Fault("StackFailure", f"Embedded stack {stack.id} was not successfully created: {stack.reason or ''}")
    return _physical(stack)


def _request(parent: Stack, name: str, properties: Properties, tags: dict[str, str]) -> Properties:
    given = {item["Key"]: item["Value"] for item in properties.get("Tags", [])}
    inherited = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return {
        "StackName": name,
        "TemplateURL": properties["TemplateURL"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in properties.get("Parameters", {}).items()
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in {**inherited, **given}.items()],
        "Capabilities": parent.definition.capabilities,
    }


async def _ended(context: Context, stack: Stack) -> Stack:
    """The stack when nothing is under way in it."""
    asker = context.origin
    await engine(asker.platform).settle(asker.keys, stack.uid, None)
    found = await asker.platform.store.read(lambda tx: state.stack(tx, asker.keys, stack.uid))
    return found or stack


def _physical(stack: Stack) -> Physical:
    return Physical(stack.id, {f"Outputs.{item.key}": item.value for item in stack.outputs})


async def _find(context: Context, physical: Physical) -> Stack | None:
    asker = context.origin
    return await asker.platform.store.read(lambda tx: state.find(tx, asker.keys, physical.id))


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    context = cast(Context, ctx)
    asker = context.origin
    stack = await _find(context, physical)
    parent = await asker.platform.store.read(lambda tx: state.find(tx, asker.keys, ctx.stack_id))
    if stack is None or parent is None:
        raise Fault("StackFailure", f"Stack {physical.id} does not exist")
    if stack.status == "UPDATE_IN_PROGRESS":  # begun before a crash
        stack = await _ended(context, stack)
    try:
        stack, _ = await launch.update(asker, _request(parent, stack.name, new, ctx.tags), stack)
    except Fault as fault:
        if fault.message != "No updates are to be performed.":
            raise
        return _physical(stack)
    stack = await _ended(context, stack)
    if stack.status != "UPDATE_COMPLETE":
        raise Fault(
            "StackFailure",
            f"Embedded stack {stack.id} was not successfully updated. Currently in {stack.status} with reason:"
            f" {stack.reason or ''}",
        )
    return _physical(stack)


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    context = cast(Context, ctx)
    stack = await _find(context, physical)
    if stack is None or stack.status == "DELETE_COMPLETE":
        return
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "DELETE_IN_PROGRESS":
        stack = await _ended(context, stack)
    await stacks.begin_delete(context.origin, stack, {})
    stack = await _ended(context, stack)
    if stack.status != "DELETE_COMPLETE":
        raise Fault("StackFailure", f"Embedded stack {stack.id} was not deleted: {stack.reason or ''}")


STACK = ResourceType(
    name=STACK_TYPE,
    properties={
        "TemplateURL": STRING,
        "Parameters": Map(STRING),
        "Tags": [{"Key": STRING, "Value": STRING}],
        "TimeoutInMinutes": INTEGER,
    },
    required=frozenset({"TemplateURL"}),
    attributes=frozenset({"Outputs.*"}),
    create=_create,
    update=_update,
    delete=_delete,
)
