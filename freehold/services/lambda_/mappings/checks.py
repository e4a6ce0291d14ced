"""What CreateEventSourceMapping and UpdateEventSourceMapping accept for Amazon SQS. Pure; messages are AWS's where known."""

from __future__ import annotations

from collections.abc import Mapping as Request
from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports.queues import QueueSettings
from freehold.services.lambda_.mappings import filters
from freehold.services.lambda_.mappings.model import Mapping

OTHER_SOURCES = (
    "AmazonManagedKafkaEventSourceConfig",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "DocumentDBEventSourceConfig",
    "LoggingConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "StartingPosition",
    "StartingPositionTimestamp",
    "Topics",
    "TumblingWindowInSeconds",
)
"""Parameters of streams, brokers and clusters."""
_LATER = {
    "kinesis": "event source mappings from Kinesis streams",
    "dynamodb": "event source mappings from DynamoDB streams",
    "kafka": "event source mappings from Amazon MSK",
    "mq": "event source mappings from Amazon MQ",
    "rds": "event source mappings from Amazon DocumentDB",
    "docdb": "event source mappings from Amazon DocumentDB",
}


def invalid(message: str) -> Fault:
    return Fault("InvalidParameterValueException", message, Type="User")


def source(request: Request[str, Any], account: str, region: str) -> str:
    """The ARN of the queue that a new mapping reads."""
    if request.get("SelfManagedEventSource"):
        raise not_implemented("event source mappings from self-managed Apache Kafka")
    text = request.get("EventSourceArn")
    if not text:
        raise invalid("Event source ARN is required.")
    arn = arns.parse(text)
    if arn is not None and arn.service in _LATER:
        raise not_implemented(_LATER[arn.service])
    if arn is None or arn.service != "sqs" or not arn.resource:
        raise invalid("Unrecognized event source.")
    if arn.region != region:
        raise invalid(f"Event source ARN is not in the region of the function ({region}).")
    if arn.account != account:
        raise not_implemented("event source mappings from queues of other accounts")
    return str(text)


def refuse_unsupported(request: Request[str, Any]) -> None:
    """Raise by name for what does not belong to SQS or is not implemented. What asks for nothing passes."""
    for name in OTHER_SOURCES:
        value = request.get(name)
        if value is None or value is False or value in ({}, [], {"OnFailure": {}}):
            continue
        raise invalid(f"{name} is not supported for Amazon SQS event sources.")
    if request.get("KMSKeyArn"):
        raise not_implemented("KMSKeyArn of event source mappings")
    if request.get("ProvisionedPollerConfig"):
        raise not_implemented("ProvisionedPollerConfig (provisioned mode of event source mappings)")


def settings(mapping: Mapping, request: Request[str, Any]) -> None:
    """Take over what a request sets. Raises InvalidParameterValueException for what may never be."""
    if "BatchSize" in request:
        mapping.batch_size = request["BatchSize"]
    if "MaximumBatchingWindowInSeconds" in request:
        mapping.window_s = request["MaximumBatchingWindowInSeconds"]
    if "FilterCriteria" in request:
        mapping.filters = filters.read(request["FilterCriteria"])
    if "FunctionResponseTypes" in request:
        mapping.response_types = list(dict.fromkeys(request["FunctionResponseTypes"]))
    if "ScalingConfig" in request:
        mapping.maximum_concurrency = (request["ScalingConfig"] or {}).get("MaximumConcurrency")
    if "MetricsConfig" in request:
        metrics = (request["MetricsConfig"] or {}).get("Metrics") or []
        for metric in metrics:
            if metric != "EventCount":
                raise invalid(f"Metric {metric} is not supported for Amazon SQS event sources.")
        mapping.metrics = list(dict.fromkeys(metrics))
    if "Enabled" in request:
        mapping.enabled = request["Enabled"]


def fits(mapping: Mapping, queue: QueueSettings | None, timeout_s: int) -> None:
    """Do queue, function and settings go together?"""
    if queue is None:
        raise invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        )
    if queue.fifo and mapping.window_s:
        raise invalid("Batching window is not supported for FIFO queues")
    if queue.fifo and mapping.batch_size > 10:
        raise invalid("Batch size over 10 is not supported for FIFO queues")
    if mapping.batch_size > 10 and not mapping.window_s:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    if queue.visibility_timeout_s < timeout_s:
        raise invalid(
            f"Queue visibility timeout: {queue.visibility_timeout_s} seconds is less than Function timeout: "
            f"{timeout_s} seconds"
        )
