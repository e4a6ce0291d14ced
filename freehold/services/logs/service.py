"""Amazon CloudWatch Logs."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.logs import check, events, groups, resource_policies, streams, sweeping, tail
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


MANIFEST = Manifest(
    model="logs",
    handlers=(groups, streams, events, tail, resource_policies),
    arn=arn,
    prefix="logs",
    types=TYPES,
    timers={sweeping.OWNER: sweeping.due},
    ports=lambda platform: {"log_groups": LogGroupsPort()},
    start=sweeping.start,
    check=check.check,
)
