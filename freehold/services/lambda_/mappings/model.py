"""A mapping as it is kept and shown."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit import arns

CREATING, ENABLING, ENABLED, UPDATING = "Creating", "Enabling", "Enabled", "Updating"
DISABLING, DISABLED, DELETING = "Disabling", "Disabled", "Deleting"
STEADY = frozenset((ENABLED, DISABLED))
"""States that last; from the others a mapping moves on by itself."""


class Mapping(msgspec.Struct):
    """One event source mapping. `state` and `enabled` together say where it is and where it is going."""

    uuid: str
    account: str
    region: str
    function: str
    """ARN of the function as it is mapped, with its qualifier."""
    source: str
    """ARN of the queue."""
    state: str
    modified: float
    """Service time in seconds."""
    enabled: bool = True
    batch_size: int = 10
    window_s: int = 0
    filters: list[str] = []
    response_types: list[str] = []
    maximum_concurrency: int | None = None
    metrics: list[str] = []
    tags: dict[str, str] = {}
    problem: str | None = None
    """What keeps it from working, as LastProcessingResult says it."""
    changes: int = 0
    """Counts what callers changed: tells one change from another like it."""

    @property
    def arn(self) -> str:
        return mapping_arn(self.account, self.region, self.uuid)

    @property
    def goal(self) -> str:
        """The steady state that it is in or moving to; Deleting ends in none."""
        if self.state == DELETING:
            return DELETING
        return ENABLED if self.enabled else DISABLED

    def behaviour(self) -> tuple[Any, ...]:
        """What a poller must be started anew for."""
        return (
            self.function,
            self.batch_size,
            self.window_s,
            self.filters,
            self.response_types,
            self.maximum_concurrency,
            self.metrics,
        )

    def describe(self) -> dict[str, Any]:
        """EventSourceMappingConfiguration."""
        shown: dict[str, Any] = {
            "UUID": self.uuid,
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.window_s,
            "EventSourceArn": self.source,
            "FunctionArn": self.function,
            "LastModified": self.modified,
            "State": self.state,
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": list(self.response_types),
            "EventSourceMappingArn": self.arn,
        }
        if self.filters:
            shown["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in self.filters]}
        if self.maximum_concurrency is not None:
            shown["ScalingConfig"] = {"MaximumConcurrency": self.maximum_concurrency}
        if self.metrics:
            shown["MetricsConfig"] = {"Metrics": list(self.metrics)}
        if self.problem is not None:
            shown["LastProcessingResult"] = self.problem
        return shown


def mapping_arn(account: str, region: str, uuid: str) -> str:
    """`arn:aws:lambda:region:account:event-source-mapping:uuid`."""
    return arns.make("lambda", region, account, f"event-source-mapping:{uuid}")
