"""The values of CloudFormation: stacks, their resources, events, change sets, and operations under way."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit import arns
from freehold.ports.identity import Principal

MAX_BODY = 51_200
"""Bytes of a TemplateBody."""
MAX_URL_BODY = 1_000_000
"""Bytes of a template in S3."""
MAX_TAGS = 50
MAX_NESTING = 16
"""Stacks within stacks: a template that nests itself would never end."""
STACK_TYPE = "AWS::CloudFormation::Stack"

STABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"})


class Definition(msgspec.Struct):
    """What a caller asked a stack to be. `generation` names the rows that hold the template's texts."""

    generation: str
    parameters: dict[str, str] = {}
    resolved: dict[str, str] = {}
    """Values of SSM parameter types as fetched."""
    hidden: list[str] = []
    """NoEcho parameters."""
    tags: dict[str, str] = {}
    capabilities: list[str] = []
    notification_arns: list[str] = []
    description: str | None = None
    extended: bool = False
    """The template declared AWS::LanguageExtensions."""
    imports: list[str] = []


class Output(msgspec.Struct):
    """One output of a stack."""

    key: str
    value: str
    description: str | None = None
    export: str | None = None


class Stack(msgspec.Struct):
    """A stack. `last_good` is what a rollback of the update under way returns to."""

    name: str
    uid: str
    id: str
    status: str
    created_ms: int
    definition: Definition
    reason: str | None = None
    updated_ms: int | None = None
    deleted_ms: int | None = None
    last_good: Definition | None = None
    outputs: list[Output] = []
    role_arn: str | None = None
    disable_rollback: bool = False
    retain_except_on_create: bool = False
    protected: bool = False
    timeout_minutes: int | None = None
    parent_id: str | None = None
    root_id: str | None = None
    depth: int = 0
    """How many stacks it is nested in."""
    change_set_id: str | None = None
    policy: str | None = None
    token: str | None = None
    operation_id: str | None = None
    operation_type: str | None = None
    deletion_mode: str | None = None


class State(msgspec.Struct):
    """A resource as it exists: what it was made from, and what it became."""

    type: str
    physical_id: str | None = None
    attributes: dict[str, Any] = {}
    data: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    shown: str | None = None
    """Properties as JSON with NoEcho parameters masked, where that differs."""
    metadata: Any = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    depends_on: list[str] = []
    tags: dict[str, str] = {}
    suffix: str = ""
    """The random end of its generated name."""


class Resource(msgspec.Struct):
    """A resource of a stack.

    `operation` is the id of the operation that last touched it, and `change` what that did: "create", "update",
    "replace" or "" (nothing). `before` is its state before that operation.
    """

    logical_id: str
    type: str
    status: str
    at_ms: int
    reason: str | None = None
    current: State | None = None
    before: State | None = None
    operation: str = ""
    change: str = ""
    pending: State | None = None
    """What is being made now: chosen before it began, so that a retry after a crash finds it."""

    @property
    def physical_id(self) -> str | None:
        return self.current.physical_id if self.current else None


class Garbage(msgspec.Struct):
    """A replaced physical resource that cleanup deletes."""

    logical_id: str
    state: State
    sequence: str


class Event(msgspec.Struct):
    """One line of a stack's history."""

    id: str
    logical_id: str
    type: str
    status: str
    physical_id: str | None = None
    reason: str | None = None
    properties: str | None = None
    token: str | None = None
    operation_id: str | None = None
    at_ms: int = 0


class Work(msgspec.Struct):
    """An operation under way: resumed from this row after a crash."""

    id: str
    account: str
    region: str
    uid: str
    phase: str
    principal: tuple[str, str, str, str | None]
    started_ms: int
    token: str | None = None
    on_failure: str = "ROLLBACK"
    deadline_ms: int | None = None
    retain: list[str] = []
    skip: list[str] = []
    force: bool = False
    cancelled: bool = False
    retain_except_on_create: bool = False
    policy: str | None = None
    """The stack policy in force during this update."""

    def caller(self) -> Principal:
        account, arn, user_id, service = self.principal
        return Principal(account, arn, user_id, service)


class ChangeSet(msgspec.Struct):
    """A change set of a stack."""

    name: str
    id: str
    uid: str
    stack_id: str
    stack_name: str
    kind: str
    status: str
    execution_status: str
    created_ms: int
    definition: Definition
    reason: str | None = None
    description: str | None = None
    changes: list[dict[str, Any]] = []
    on_failure: str | None = None
    role_arn: str | None = None
    token: str | None = None
    nested: bool = False


class Export(msgspec.Struct):
    """An exported output value."""

    name: str
    value: str
    stack_id: str
    uid: str


def stack_arn(account: str, region: str, name: str, uid: str) -> str:
    return arns.make("cloudformation", region, account, f"stack/{name}/{uid}")


def change_set_arn(account: str, region: str, name: str, uid: str) -> str:
    return arns.make("cloudformation", region, account, f"changeSet/{name}/{uid}")
