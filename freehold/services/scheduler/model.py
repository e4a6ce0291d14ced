"""Schedules, groups and executions: values and the pure rules of their times."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from freehold.kit import arns
from freehold.kit.clock import iso8601
from freehold.rules import schedules
from freehold.rules.schedules import At

SERVICE = "scheduler.amazonaws.com"
DEFAULT_GROUP = "default"
ENABLED, DISABLED = "ENABLED", "DISABLED"
ACTIVE, DELETING = "ACTIVE", "DELETING"
NONE, DELETE = "NONE", "DELETE"
MAX_AGE_S = 86_400
MAX_RETRIES = 185


class Group(msgspec.Struct, omit_defaults=True):
    """A schedule group. Times are seconds."""

    name: str
    created: float
    modified: float
    state: str = ACTIVE
    tags: dict[str, str] = {}
    token: str | None = None


class Schedule(msgspec.Struct, omit_defaults=True):
    """A schedule, but for its target, which lies in a row of its own: this row is written at every occurrence."""

    name: str
    group: str
    expression: str
    target_arn: str
    created: float
    modified: float
    generation: str
    """Another one after every update."""
    anchor_ms: int
    """From where rates count."""
    zone: str = "UTC"
    state: str = ENABLED
    start_ms: int | None = None
    end_ms: int | None = None
    description: str | None = None
    window_minutes: int | None = None
    """None: no flexible window."""
    after: str = NONE
    """ActionAfterCompletion."""
    next_ms: int | None = None
    """The next occurrence; None where none is left."""
    due_ms: int | None = None
    """When the timer must look at it: its next occurrence, or when it is to be deleted."""
    token: str | None = None
    fingerprint: str = ""

    def occurrence(self, after_ms: int) -> int | None:
        """The first occurrence later than `after_ms`. One-time schedules have no start and no end."""
        if self.state != ENABLED:
            return None
        expression = schedules.parse(self.expression, scheduler=True)
        if not isinstance(expression, At) and self.start_ms is not None:
            after_ms = max(after_ms, self.start_ms - 1)
        return self._until_end(expression.next_after(after_ms, schedules.zone(self.zone), anchor_ms=self.anchor_ms))

    def following(self, now_ms: int) -> int | None:
        """The occurrence after the present one, which is acted on at `now_ms`."""
        assert self.next_ms is not None
        expression, zone = schedules.parse(self.expression, scheduler=True), schedules.zone(self.zone)
        return self._until_end(schedules.following(expression, self.next_ms, now_ms, zone, anchor_ms=self.anchor_ms))

    def _until_end(self, found: int | None) -> int | None:
        one_time = isinstance(schedules.parse(self.expression, scheduler=True), At)
        return None if found is not None and not one_time and self.end_ms is not None and found > self.end_ms else found


class Execution(msgspec.Struct, omit_defaults=True):
    """One invocation of a target, as decided when it was due."""

    account: str
    region: str
    group: str
    name: str
    generation: str
    scheduled_ms: int
    target: bytes
    """The Target of the request, JSON."""
    id: str
    """A UUID that belongs to this occurrence alone."""
    windowed: bool = False
    """Is it invoked somewhere in a flexible window?"""
    last: bool = False
    """Does the schedule end with it, to be deleted?"""

    @property
    def arn(self) -> str:
        return schedule_arn(self.account, self.region, self.group, self.name)

    @property
    def short_id(self) -> str:
        """The id as AWS shows it: 16 hexadecimal digits."""
        return self.id.replace("-", "")[:16]

    @property
    def scheduled_time(self) -> str:
        return iso8601(self.scheduled_ms / 1000, millis=False)


def schedule_arn(account: str, region: str, group: str, name: str) -> str:
    return arns.make("scheduler", region, account, f"schedule/{group}/{name}")


def group_arn(account: str, region: str, name: str) -> str:
    return arns.make("scheduler", region, account, f"schedule-group/{name}")


def fingerprint(request: dict[str, Any]) -> str:
    """What two requests with one client token must share."""
    essence = {key: value for key, value in request.items() if key != "ClientToken"}
    return hashlib.sha256(orjson.dumps(essence, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def describe_group(account: str, region: str, group: Group) -> dict[str, Any]:
    """A GetScheduleGroupOutput, which is a ScheduleGroupSummary too."""
    return {
        "Arn": group_arn(account, region, group.name),
        "Name": group.name,
        "State": group.state,
        "CreationDate": group.created,
        "LastModificationDate": group.modified,
    }


def summary(account: str, region: str, schedule: Schedule) -> dict[str, Any]:
    """A ScheduleSummary."""
    return {
        "Arn": schedule_arn(account, region, schedule.group, schedule.name),
        "Name": schedule.name,
        "GroupName": schedule.group,
        "State": schedule.state,
        "CreationDate": schedule.created,
        "LastModificationDate": schedule.modified,
        "Target": {"Arn": schedule.target_arn},
    }


def describe(account: str, region: str, schedule: Schedule, target: dict[str, Any]) -> dict[str, Any]:
    """A GetScheduleOutput: what was not set shows its default, as on AWS."""
    window: dict[str, Any] = {"Mode": "OFF"}
    if schedule.window_minutes is not None:
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window_minutes}
    shown = summary(account, region, schedule) | {
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.zone,
        "FlexibleTimeWindow": window,
        "ActionAfterCompletion": schedule.after,
        "Target": target | {"RetryPolicy": retry_policy(target)},
    }
    optional = {
        "Description": schedule.description,
        "StartDate": None if schedule.start_ms is None else schedule.start_ms / 1000,
        "EndDate": None if schedule.end_ms is None else schedule.end_ms / 1000,
    }
    return shown | {key: value for key, value in optional.items() if value is not None}


def retry_policy(target: dict[str, Any]) -> dict[str, int]:
    """The retry policy of a target with its defaults."""
    chosen = target.get("RetryPolicy", {})
    return {
        "MaximumEventAgeInSeconds": chosen.get("MaximumEventAgeInSeconds", MAX_AGE_S),
        "MaximumRetryAttempts": chosen.get("MaximumRetryAttempts", MAX_RETRIES),
    }
