"""Values: pipes and their states."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from freehold.kit import arns

SERVICE = "pipes.amazonaws.com"
RUNNING, STOPPED = "RUNNING", "STOPPED"
CREATING, UPDATING, STARTING, STOPPING, DELETING = "CREATING", "UPDATING", "STARTING", "STOPPING", "DELETING"
TRANSITIONS = frozenset((CREATING, UPDATING, STARTING, STOPPING, DELETING))
"""States that end by themselves: somebody works on them (supervisor.py)."""
FAILED = {CREATING: "CREATE_FAILED", UPDATING: "UPDATE_FAILED", STARTING: "START_FAILED"}

Request = dict[str, Any]


class Pipe(Struct, omit_defaults=True):
    """A pipe. The parameters have the shape of CreatePipe. `revision` counts changes: what was begun for another one is
    out of date. `uid` tells it from an earlier pipe of its name."""

    name: str
    account: str
    region: str
    uid: str
    source: str
    target: str
    role_arn: str
    desired: str
    state: str
    created_s: float
    modified_s: float
    revision: int = 0
    reason: str | None = None
    description: str | None = None
    enrichment: str | None = None
    source_parameters: dict[str, Any] = field(default_factory=dict)
    enrichment_parameters: dict[str, Any] = field(default_factory=dict)
    target_parameters: dict[str, Any] = field(default_factory=dict)
    log: dict[str, Any] | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, self.name)


def arn_of(account: str, region: str, name: str) -> str:
    """The ARN of a pipe."""
    return arns.make("pipes", region, account, f"pipe/{name}")


def brief(pipe: Pipe) -> Request:
    """What every operation that changes a pipe answers."""
    return {
        "Arn": pipe.arn,
        "Name": pipe.name,
        "DesiredState": "DELETED" if pipe.state == DELETING else pipe.desired,
        "CurrentState": pipe.state,
        "CreationTime": pipe.created_s,
        "LastModifiedTime": pipe.modified_s,
    }


def summary(pipe: Pipe) -> Request:
    """As ListPipes shows it."""
    shown = brief(pipe) | {"DesiredState": pipe.desired, "Source": pipe.source, "Target": pipe.target}
    return shown | given(Enrichment=pipe.enrichment, StateReason=pipe.reason)


def describe(pipe: Pipe) -> Request:
    """As DescribePipe shows it."""
    return {
        **brief(pipe),
        "Source": pipe.source,
        "Target": pipe.target,
        "RoleArn": pipe.role_arn,
        "SourceParameters": pipe.source_parameters,
        "TargetParameters": pipe.target_parameters,
        "EnrichmentParameters": pipe.enrichment_parameters,
        "Tags": pipe.tags,
        **given(
            Description=pipe.description,
            StateReason=pipe.reason,
            Enrichment=pipe.enrichment,
            LogConfiguration=pipe.log,
        ),
    }


def given(**members: Any) -> Request:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
