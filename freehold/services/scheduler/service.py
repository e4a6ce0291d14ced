"""Amazon EventBridge Scheduler."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.scheduler import check, delivery, firing, groups, schedules, state
from freehold.services.scheduler.model import DEFAULT_GROUP, group_arn, schedule_arn
from freehold.services.scheduler.resources import TYPES


def arn(call: Call) -> str:
    """The schedule or group that a call names."""
    params = call.params
    if "ResourceArn" in params:
        return str(params["ResourceArn"])
    if call.operation.name.endswith("ScheduleGroup"):
        return group_arn(call.account, call.region, params["Name"])
    if call.operation.name.endswith("Schedule"):
        return schedule_arn(call.account, call.region, params.get("GroupName", DEFAULT_GROUP), params["Name"])
    return "*"


MANIFEST = Manifest(
    model="scheduler",
    handlers=(schedules, groups),
    arn=arn,
    prefix="scheduler",
    types=TYPES,
    deliverers={firing.KIND: delivery.deliver},
    timers={state.TIMER: firing.due, groups.TIMER: groups.sweep},
    check=check.check,
)
