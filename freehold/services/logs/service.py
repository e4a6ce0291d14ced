"""Amazon CloudWatch Logs."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.logs import (
    check,
    events,
    forwarding,
    groups,
    resource_policies,
    streams,
    subscriptions,
    sweeping,
    tail,
)
from freehold.services.logs.model import Space, group_arn, group_name, stream_arn
from freehold.services.logs.port import LogGroupsPort
from freehold.services.logs.resources import TYPES

_OF_STREAM = ("CreateLogStream", "DeleteLogStream", "PutLogEvents", "GetLogEvents")
_OF_TAGS = ("TagResource", "UntagResource", "ListTagsForResource")


def arn(call: Call) -> str:
    """The log group or stream that a call is about, as IAM policies name it."""
    where, params, operation = Space(call.account, call.region), call.params, call.operation.name
    if operation in _OF_TAGS:
        return str(params["resourceArn"])
    if operation == "StartLiveTail":
        return str(params["logGroupIdentifiers"][0])
    if operation == "DescribeLogGroups":
        return group_arn(where, params.get("logGroupNamePrefix", "") + "*")
    if "ResourcePolic" in operation:
        return "*"
    try:
        name = group_name(where, params)
    except Fault:
        return "*"
    if operation in _OF_STREAM:
        return stream_arn(where, name, params["logStreamName"])
    return f"{group_arn(where, name)}:*"


async def start(platform: Platform) -> None:
    """Clear up what live tails left, and forward what subscription filters want."""
    await sweeping.start(platform)
    await forwarding.start(platform)


MANIFEST = Manifest(
    model="logs",
    handlers=(groups, streams, events, tail, resource_policies, subscriptions),
    arn=arn,
    prefix="logs",
    types=TYPES,
    timers={sweeping.OWNER: sweeping.due},
    ports=lambda platform: {"log_groups": LogGroupsPort()},
    settle=forwarding.settle,
    start=start,
    check=check.check,
)
