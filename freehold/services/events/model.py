"""Values: event buses and rules with their targets."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from freehold.services.events.names import BusName

MAX_TARGETS = 5
"""Targets of one rule (EventBridge quotas)."""
ENABLED = "ENABLED"
DISABLED = "DISABLED"
ENABLED_WITH_TRAIL = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


class Bus(Struct, omit_defaults=True):
    """An event bus. `number` and `token` change with everything that decides what becomes of an event on it (rules,
    targets, archives, policy): together they are the version under which the compiled bus is cached. `id` is its own: a
    bus that is created again under the same name has another."""

    id: str
    number: int
    token: str
    created_s: float
    modified_s: float
    description: str | None = None
    statements: list[dict[str, Any]] = field(default_factory=list)
    """Of the bus's policy."""
    log_config: dict[str, str] | None = None
    tags: dict[str, str] = field(default_factory=dict)


class Rule(Struct, omit_defaults=True):
    """A rule of a bus. `targets` are by id, in the shape in which PutTargets takes and ListTargetsByRule shows them."""

    name: str
    pattern: str | None = None
    schedule: str | None = None
    state: str = ENABLED
    description: str | None = None
    role_arn: str | None = None
    managed_by: str | None = None
    created_by: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        return self.state != DISABLED

    def describe(self, bus: BusName) -> dict[str, Any]:
        """As ListRules shows it."""
        return given(
            Name=self.name,
            Arn=bus.rule_arn(self.name),
            EventPattern=self.pattern,
            State=self.state,
            Description=self.description,
            ScheduleExpression=self.schedule,
            RoleArn=self.role_arn,
            ManagedBy=self.managed_by,
            EventBusName=bus.name,
        )


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
