"""Amazon SQS."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.sqs import check, messages, moves, permissions, queues, sweeping, timing
from freehold.services.sqs.catalog import leave, place_of
from freehold.services.sqs.port import QueuesPort
from freehold.services.sqs.resources import TYPES


def arn(call: Call) -> str:
    """The queue that a call names, else `*`."""
    params = call.params
    if "QueueUrl" in params:
        try:
            return place_of(call, params["QueueUrl"]).arn
        except Fault:  # the handler says so
            return "*"
    if "QueueName" in params:
        return call.arn("sqs", params["QueueName"])
    return str(params.get("SourceArn", "*"))


MANIFEST = Manifest(
    model="sqs",
    handlers=(messages, queues, permissions, moves),
    arn=arn,
    prefix="sqs",
    actions={
        "SendMessageBatch": "SendMessage",
        "DeleteMessageBatch": "DeleteMessage",
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    },
    types=TYPES,
    timers={timing.OWNER: sweeping.due},
    leave=leave,
    ports=lambda platform: {"queues": QueuesPort(platform)},
    check=check.check,
)
