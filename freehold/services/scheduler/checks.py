"""What CreateSchedule and UpdateSchedule refuse, and the schedule that a valid request describes."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.rules import schedules
from freehold.rules.schedules import At
from freehold.services.scheduler.model import DEFAULT_GROUP, ENABLED, NONE, Schedule, fingerprint

MAX_START_AGE_MS = 300_000


def described(request: dict[str, Any], *, now_ms: int, generation: str) -> Schedule:
    """The schedule of a request, as if it were new. Raises ValidationException, NotImplemented for KmsKeyArn."""
    if "KmsKeyArn" in request:
        raise not_implemented("customer managed keys of schedules (KmsKeyArn)")
    expression = _expression(request["ScheduleExpression"])
    zone = request.get("ScheduleExpressionTimezone", "UTC")
    _check_zone(zone)
    schedule = Schedule(
        name=request["Name"],
        group=request.get("GroupName", DEFAULT_GROUP),
        expression=request["ScheduleExpression"],
        target_arn=request["Target"]["Arn"],
        created=now_ms / 1000,
        modified=now_ms / 1000,
        generation=generation,
        anchor_ms=now_ms,
        zone=zone,
        state=request.get("State", ENABLED),
        start_ms=_ms(request.get("StartDate")),
        end_ms=_ms(request.get("EndDate")),
        description=request.get("Description"),
        window_minutes=_window(request["FlexibleTimeWindow"]),
        after=request.get("ActionAfterCompletion", NONE),
        token=request.get("ClientToken"),
        fingerprint=fingerprint(request),
    )
    if not isinstance(expression, At):
        _check_dates(schedule, now_ms)
    if schedule.start_ms is not None:
        schedule.anchor_ms = schedule.start_ms
    return schedule


def _expression(text: str) -> schedules.Expression:
    try:
        return schedules.parse(text, scheduler=True)
    except schedules.ExpressionError:
        raise Fault("ValidationException", f"Invalid Schedule Expression {text}.") from None


def _check_zone(name: str) -> None:
    try:
        schedules.zone(name)
    except schedules.ExpressionError:
        raise Fault("ValidationException", f"Invalid ScheduleExpressionTimezone {name}.") from None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _window(window: dict[str, Any]) -> int | None:
    minutes: int | None = window.get("MaximumWindowInMinutes")
    if window["Mode"] == "FLEXIBLE" and minutes is None:
        raise Fault(
            "ValidationException", "MaximumWindowInMinutes must be set when FlexibleTimeWindow mode is FLEXIBLE."
        )
    if window["Mode"] == "OFF" and minutes is not None:
        raise Fault(
            "ValidationException", "MaximumWindowInMinutes must not be set when FlexibleTimeWindow mode is OFF."
        )
    return minutes


def _check_dates(schedule: Schedule, now_ms: int) -> None:
    start, end = schedule.start_ms, schedule.end_ms
    if start is not None and start < now_ms - MAX_START_AGE_MS:
        raise Fault("ValidationException", "The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and end <= now_ms:
        raise Fault("ValidationException", "The EndDate you specify must be later than the current time.")
    if start is not None and end is not None and start >= end:
        raise Fault("ValidationException", "The StartDate you specify must come before the EndDate you specify.")
