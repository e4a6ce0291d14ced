"""Handlers that show stacks: descriptions, events, resources, exports."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeVar

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.cloudformation import origin, state
from freehold.services.cloudformation.model import Event, Resource, Stack
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.stacks import require
from freehold.store.base import ReadTx

Request = dict[str, Any]
T = TypeVar("T")
P = TypeVar("P", int, str)
PAGE = 100
_NOT_CHECKED = {"StackDriftStatus": "NOT_CHECKED"}
_RESOURCE_NOT_CHECKED = {"StackResourceDriftStatus": "NOT_CHECKED"}


def _token(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position(token: str | None, kind: type[P]) -> P | None:
    """What a token of such a list says; those of other lists say other things."""
    if token is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError) as error:
        raise Fault("ValidationError", "Invalid NextToken") from error
    if type(found) is not kind or (isinstance(found, int) and not 0 <= found < 1 << 53):
        raise Fault("ValidationError", "Invalid NextToken")
    return found


def _page(items: list[T], token: str | None, size: int = PAGE) -> tuple[list[T], Request]:
    """One page by offset, and the answer's NextToken."""
    start = _position(token, int) or 0
    more = {"NextToken": _token(start + size)} if len(items) > start + size else {}
    return items[start : start + size], more


def parameters(stack: Stack) -> list[Request]:
    """The stack's parameters as they may be shown."""
    definition = stack.definition
    shown = []
    for name, value in definition.parameters.items():
        item = {"ParameterKey": name, "ParameterValue": "****" if name in definition.hidden else value}
        if name in definition.resolved:
            item["ResolvedValue"] = "****" if name in definition.hidden else definition.resolved[name]
        shown.append(item)
    return shown


def describe(stack: Stack) -> Request:
    """A Stack structure."""
    definition = stack.definition
    shown: Request = {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": stack.change_set_id,
        "Description": definition.description,
        "Parameters": parameters(stack),
        "CreationTime": stack.created_ms / 1000,
        "DeletionTime": stack.deleted_ms / 1000 if stack.deleted_ms else None,
        "LastUpdatedTime": stack.updated_ms / 1000 if stack.updated_ms else None,
        "RollbackConfiguration": {},
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DisableRollback": stack.disable_rollback,
        "NotificationARNs": definition.notification_arns,
        "TimeoutInMinutes": stack.timeout_minutes,
        "Capabilities": definition.capabilities,
        "Outputs": [_output(item) for item in stack.outputs],
        "RoleARN": stack.role_arn,
        "Tags": [{"Key": key, "Value": value} for key, value in definition.tags.items()],
        "EnableTerminationProtection": stack.protected,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": _NOT_CHECKED,
        "RetainExceptOnCreate": stack.retain_except_on_create or None,
        "DeletionMode": stack.deletion_mode,
        "LastOperations": _operations(stack),
    }
    return _present(shown)


def _present(shown: Request) -> Request:
    return {key: value for key, value in shown.items() if value is not None}


def _operations(stack: Stack) -> list[Request] | None:
    if stack.operation_id is None or stack.operation_type is None:
        return None
    return [{"OperationType": stack.operation_type, "OperationId": stack.operation_id}]


def _output(item: Any) -> Request:
    return _present(
        {
            "OutputKey": item.key,
            "OutputValue": item.value,
            "Description": item.description,
            "ExportName": item.export,
        }
    )


async def describe_stacks(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    if "StackName" in request:
        stack = await require(asker, request["StackName"], "Stack with id {} does not exist")
        return {"Stacks": [describe(stack)]}
    found = await call.platform.store.read_many(lambda tx: state.stacks(tx, asker.keys))
    page, more = _page([stack for stack in found if stack.status != "DELETE_COMPLETE"], request.get("NextToken"))
    return {"Stacks": [describe(stack) for stack in page], **more}


async def list_stacks(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    wanted = set(request.get("StackStatusFilter", []))
    found = await call.platform.store.read_many(lambda tx: state.stacks(tx, asker.keys))
    page, more = _page([item for item in found if not wanted or item.status in wanted], request.get("NextToken"))
    return {"StackSummaries": [_summary(stack) for stack in page], **more}


def _summary(stack: Stack) -> Request:
    return _present(
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "TemplateDescription": stack.definition.description,
            "CreationTime": stack.created_ms / 1000,
            "LastUpdatedTime": stack.updated_ms / 1000 if stack.updated_ms else None,
            "DeletionTime": stack.deleted_ms / 1000 if stack.deleted_ms else None,
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "ParentId": stack.parent_id,
            "RootId": stack.root_id,
            "DriftInformation": _NOT_CHECKED,
            "LastOperations": _operations(stack),
        }
    )


async def describe_stack_events(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    if "StackName" not in request:
        raise Fault(
            "ValidationError",
            "1 validation error detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null",
        )
    stack = await require(asker, request["StackName"])
    before = _position(request.get("NextToken"), int)
    found = await call.platform.store.read_many(lambda tx: state.events(tx, asker.keys, stack.uid, before, PAGE))
    more = {"NextToken": _token(found[-1][0])} if found and found[-1][0] > 0 else {}
    return {"StackEvents": [_event(stack, event) for _, event in found], **more}


def _event(stack: Stack, event: Event) -> Request:
    return _present(
        {
            "StackId": stack.id,
            "EventId": event.id,
            "StackName": stack.name,
            "OperationId": event.operation_id,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id or "",
            "ResourceType": event.type,
            "Timestamp": event.at_ms / 1000,
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "ResourceProperties": event.properties,
            "ClientRequestToken": event.token,
        }
    )


async def _rows(asker: Origin, stack: Stack) -> list[Resource]:
    rows = await asker.platform.store.read_many(lambda tx: state.resources(tx, asker.keys, stack.uid))
    return list(rows.values())


def _resource(row: Resource, time: str) -> Request:
    return _present(
        {
            "LogicalResourceId": row.logical_id,
            "PhysicalResourceId": row.physical_id,
            "ResourceType": row.type,
            time: row.at_ms / 1000,
            "ResourceStatus": row.status,
            "ResourceStatusReason": row.reason,
            "DriftInformation": _RESOURCE_NOT_CHECKED,
        }
    )


async def list_stack_resources(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"], "Stack with id {} does not exist")
    page, more = _page(await _rows(asker, stack), request.get("NextToken"))
    return {"StackResourceSummaries": [_resource(row, "LastUpdatedTimestamp") for row in page], **more}


async def describe_stack_resource(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    stack = await require(asker, request["StackName"], "Stack '{}' does not exist")
    logical_id = request["LogicalResourceId"]
    for row in await _rows(asker, stack):
        if row.logical_id == logical_id:
            shown = _resource(row, "LastUpdatedTimestamp")
            if row.current is not None and row.current.metadata is not None:
                shown["Metadata"] = json.dumps(row.current.metadata)
            return {"StackResourceDetail": {"StackName": stack.name, "StackId": stack.id, **shown}}
    raise Fault("ValidationError", f"Resource {logical_id} does not exist for stack {stack.name}")


async def describe_stack_resources(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    name, physical_id = request.get("StackName"), request.get("PhysicalResourceId")
    if (name is None) == (physical_id is None):
        raise Fault("ValidationError", "You must specify either StackName or PhysicalResourceId, but not both.")
    if name is not None:
        stack = await require(asker, name, "Stack with id {} does not exist")
    else:
        stack = await _owner(asker, str(physical_id))
    wanted = request.get("LogicalResourceId")
    rows = [row for row in await _rows(asker, stack) if wanted is None or row.logical_id == wanted]
    shown = [{"StackName": stack.name, "StackId": stack.id, **_resource(row, "Timestamp")} for row in rows[:100]]
    return {"StackResources": shown}


async def _owner(asker: Origin, physical_id: str) -> Stack:
    """The live stack that has a physical resource."""

    def body(tx: ReadTx) -> Stack | None:
        for stack in state.stacks(tx, asker.keys):
            if stack.status != "DELETE_COMPLETE":
                rows = state.resources(tx, asker.keys, stack.uid).values()
                if any(row.physical_id == physical_id for row in rows):
                    return stack
        return None

    found = await asker.platform.store.read_many(body)
    if found is None:
        raise Fault("ValidationError", f"Stack for {physical_id} does not exist")
    return found


async def list_exports(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    after = _position(request.get("NextToken"), str)
    found = await call.platform.store.read_many(lambda tx: state.exports(tx, asker.keys, after, PAGE + 1))
    more = {"NextToken": _token(found[PAGE - 1].name)} if len(found) > PAGE else {}
    shown = [{"ExportingStackId": item.stack_id, "Name": item.name, "Value": item.value} for item in found[:PAGE]]
    return {"Exports": shown, **more}


async def list_imports(call: Call, request: Request) -> Request:
    asker = origin.of(call)
    name = request["ExportName"]
    found, users = await call.platform.store.read_many(
        lambda tx: (state.export(tx, asker.keys, name), state.importers(tx, asker.keys, name))
    )
    if found is None:
        raise Fault("ValidationError", f"Export '{name}' does not exist.")
    if not users:
        raise Fault("ValidationError", f"Export '{name}' is not imported by any stack.")
    page, more = _page(users, request.get("NextToken"))
    return {"Imports": page, **more}


async def describe_account_limits(call: Call, request: Request) -> Request:
    limits = {"StackLimit": 2_000, "StackOutputsLimit": 200, "ConcurrentResourcesLimit": 2_500}
    return {"AccountLimits": [{"Name": name, "Value": value} for name, value in limits.items()]}
