"""How a service offers its CloudFormation types: a table of ResourceType per service (`resources.py` in its folder).

`properties` is the schema of what Freehold implements. A template that sets anything else fails by name before anything
is created. Schema: a dict maps property names to schemas; `[schema]` is a list; `Map(schema)` a map with free keys;
`ANY` any JSON value (policy documents, OpenAPI bodies); `STRING`, `INTEGER`, `NUMBER`, `BOOLEAN` scalars, converted as
CloudFormation does ("true" -> True, "5" -> 5); `Choice(...)` one of the named values, any other refused by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from freehold.kit.ids import Ids
from freehold.ports.identity import Principal


class Scalar(str):
    """A scalar schema."""


ANY = Scalar("any")
STRING = Scalar("string")
INTEGER = Scalar("integer")
NUMBER = Scalar("number")
BOOLEAN = Scalar("boolean")


@dataclass(frozen=True, slots=True)
class Map:
    """A map with free keys."""

    values: Any


@dataclass(frozen=True, slots=True)
class Choice:
    """Only these values are implemented; others are refused by name."""

    values: tuple[Any, ...]


Schema = Any


@dataclass(slots=True)
class Physical:
    """A created resource: what Ref gives and what Fn::GetAtt can ask. `data` is private to the type."""

    id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


class ResourceContext(Protocol):
    """What a resource type may use."""

    account: str
    region: str
    stack_name: str
    stack_id: str
    logical_id: str
    tags: dict[str, str]
    """Stack tags, plus aws:cloudformation:* tags, for types that take tags."""
    previous_tags: dict[str, str]
    """In an update: `tags` as they were before."""
    principal: Principal
    ids: Ids

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """An AWS call as the stack's role or caller. Raises Fault."""
        ...

    def made(self, physical_id: str) -> None:
        """In a create of several calls: the resource exists from here on. If a later call fails, the rollback deletes it
        under this id. Calls that carry `name()` in a name need not say so."""
        ...

    def name(self, max_length: int = 64, *, lower: bool = False) -> str:
        """A generated physical name `{stack}-{logical}-{12 random}`, shortened as CloudFormation does. Stable: chosen
        before the create began, the same when it is retried after a crash."""
        ...


Create = Callable[[ResourceContext, dict[str, Any]], Awaitable[Physical]]
Update = Callable[[ResourceContext, Physical, dict[str, Any], dict[str, Any]], Awaitable[Physical]]
Delete = Callable[[ResourceContext, Physical, dict[str, Any]], Awaitable[None]]
Check = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One CloudFormation resource type.

    `update(ctx, physical, old, new)` is called when no changed property is in `replace` (top-level names or dotted paths
    such as "Code.S3Bucket"); without `update`, any change replaces. `delete` of something already gone succeeds.
    `attributes` names what Fn::GetAtt may ask (checked before anything is created); "Outputs.*" stands for every name
    that begins so, "*" for any. `check(properties)` refuses (raises Fault) what the schema cannot tell, such as parts of
    an inline API definition, before anything is created; what is not known yet is rules.templates.functions.UNKNOWN.
    """

    name: str
    properties: Mapping[str, Schema]
    create: Create
    delete: Delete
    update: Update | None = None
    required: frozenset[str] = frozenset()
    replace: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    check: Check | None = None
