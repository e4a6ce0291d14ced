"""What a schedule may invoke: templated targets by the resource's ARN, universal targets by operation.

Scheduler User Guide, "Managing targets". What Freehold lacks is refused by name when the schedule is created.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from freehold import wire
from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports.calls import Calls
from freehold.services.scheduler.model import Execution
from freehold.wire.base import QUERY
from freehold.wire.protocols.faults import describe

MAX_INPUT = 262_144
LAMBDA, SQS, SNS, EVENTS, UNIVERSAL = "lambda", "sqs", "sns", "events", "aws-sdk"
_UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([A-Za-z0-9]+):([A-Za-z0-9]+)")
_RESOURCES = {
    LAMBDA: re.compile(r"function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]{1,128})?"),
    SQS: re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?"),
    SNS: re.compile(r"[A-Za-z0-9_-]{1,256}(\.fifo)?"),
    EVENTS: re.compile(r"event-bus/[A-Za-z0-9._/-]{1,256}"),
}
_ELSEWHERE = {
    "codebuild": "AWS CodeBuild",
    "codepipeline": "AWS CodePipeline",
    "ecs": "Amazon ECS",
    "firehose": "Amazon Data Firehose",
    "inspector": "Amazon Inspector",
    "kinesis": "Amazon Kinesis",
    "sagemaker": "Amazon SageMaker",
    "states": "AWS Step Functions",
}
_PARAMETERS = {
    "EcsParameters": "Amazon ECS",
    "EventBridgePutEventsV2Parameters": "EventBridge event bus v2",
    "EventBridgePutRawEventsParameters": "EventBridge event bus v2",
    "KinesisParameters": "Amazon Kinesis",
    "SageMakerPipelineParameters": "Amazon SageMaker",
}
_SDK_NAMES = {
    "cloudwatchlogs": "logs",
    "cognitoidentity": "cognito-identity",
    "cognitoidentityprovider": "cognito-idp",
    "eventbridge": "events",
    "sfn": "stepfunctions",
}
"""AWS's SDK identifiers of services where botocore's name is another."""
_READING = (
    *("get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover"),
    *("validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration"),
    *("retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel"),
)
"""Prefixes of operations that universal targets may not be (User Guide, "Unsupported actions")."""


@dataclass(frozen=True, slots=True)
class Universal:
    """An operation by botocore's names."""

    service: str
    operation: str


def kind_of(arn: str) -> str:
    """LAMBDA, SQS, SNS, EVENTS or UNIVERSAL. Raises ValidationException, or NotImplemented by the service's name."""
    if _UNIVERSAL.fullmatch(arn):
        return UNIVERSAL
    parsed = arns.parse(arn)
    if parsed is None or not parsed.partition:
        raise Fault("ValidationException", "Provided Arn is not in correct format.")
    if parsed.service in _ELSEWHERE:
        raise not_implemented(f"{_ELSEWHERE[parsed.service]} as a target of EventBridge Scheduler")
    form = _RESOURCES.get(parsed.service)
    if form is None or not parsed.region or not parsed.account or not form.fullmatch(parsed.resource):
        raise Fault("ValidationException", "Provided Arn is not in correct format.")
    return parsed.service


def universal(arn: str) -> Universal:
    """The operation that a universal target names. Raises ValidationException where it reads or cannot be one."""
    found = _UNIVERSAL.fullmatch(arn)
    assert found is not None
    given, action = found[1], found[2]
    if not action[:1].islower() or action.startswith(_READING):
        raise Fault(
            "ValidationException", f"Provided Arn is not supported: {action} is not an action of universal targets."
        )
    return Universal(_SDK_NAMES.get(given, given), action[:1].upper() + action[1:])


def check(target: dict[str, Any], calls: Calls) -> None:
    """Refuse a target that could never be invoked: ValidationException as on AWS, NotImplemented by name."""
    for name, service in _PARAMETERS.items():
        if name in target:
            raise not_implemented(f"{service} as a target of EventBridge Scheduler ({name})")
    kind = kind_of(target["Arn"])
    text = target.get("Input")
    if text is not None and len(text.encode()) > MAX_INPUT:
        raise Fault("ValidationException", f"Input must be no more than {MAX_INPUT} bytes.")
    _check_parameters(kind, target)
    if kind == UNIVERSAL:
        named = universal(target["Arn"])
        if not calls.implements(named.service, named.operation):
            raise not_implemented(f"{named.service}:{named.operation} as a universal target of EventBridge Scheduler")
    if text is not None and kind in (LAMBDA, EVENTS, UNIVERSAL):
        _check_json(kind, text)


def _check_parameters(kind: str, target: dict[str, Any]) -> None:
    if "SqsParameters" in target and kind != SQS:
        raise Fault("ValidationException", "SqsParameters is only supported for Amazon SQS targets.")
    if "EventBridgeParameters" in target and kind != EVENTS:
        raise Fault("ValidationException", "EventBridgeParameters is only supported for Amazon EventBridge targets.")
    if kind == EVENTS and "EventBridgeParameters" not in target:
        raise Fault("ValidationException", "EventBridgeParameters is required for Amazon EventBridge targets.")
    if kind == SQS:
        fifo = target["Arn"].endswith(".fifo")
        grouped = "MessageGroupId" in target.get("SqsParameters", {})
        if fifo and not grouped:
            raise Fault("ValidationException", "MessageGroupId is required for FIFO queues.")


def _check_json(kind: str, text: str) -> None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Fault("ValidationException", "Input must be a well-formed JSON.") from None
    if kind != LAMBDA and not isinstance(value, dict):
        raise Fault("ValidationException", "Input must be a JSON object.")


def input_of(execution: Execution, target: dict[str, Any], attempt: int) -> str:
    """The target's input with its context attributes filled in, or the default notification."""
    text: str | None = target.get("Input")
    if text is None:
        return _notification(execution)
    if "<aws.scheduler." not in text:
        return text
    attributes = {
        "schedule-arn": execution.arn,
        "scheduled-time": execution.scheduled_time,
        "execution-id": execution.short_id,
        "attempt-number": str(attempt),
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _notification(execution: Execution) -> str:
    """What AWS delivers where a schedule has no input."""
    return orjson.dumps(
        {
            "version": "0",
            "id": execution.id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": execution.account,
            "time": execution.scheduled_time,
            "region": execution.region,
            "resources": [execution.arn],
            "detail": "{}",
        }
    ).decode()


def request_of(named: Universal, value: dict[str, Any]) -> dict[str, Any]:
    """A universal target's input, whose members are in PascalCase, as the model spells them."""
    shaped = _spell(wire.load(named.service).operations[named.operation].input, value)
    assert isinstance(shaped, dict)
    return shaped


def _spell(shape: Any, value: Any) -> Any:
    if shape is None or shape.document:
        return value
    if shape.type == "structure" and isinstance(value, dict):
        members = shape.members
        found = {}
        for key, item in value.items():
            name = key if key in members else key[:1].lower() + key[1:]
            found[name if name in members else key] = _spell(members[name], item) if name in members else item
        return found
    if shape.type == "list" and isinstance(value, list):
        return [_spell(shape.element, item) for item in value]
    if shape.type == "map" and isinstance(value, dict):
        return {key: _spell(shape.value, item) for key, item in value.items()}
    return value


def error_code(arn: str, fault: Fault) -> str:
    """A target's error as dead letters name it: SQS's by its older name (`AWS.SimpleQueueService.NonExistentQueue`)."""
    kind = kind_of(arn)
    service = universal(arn).service if kind == UNIVERSAL else kind
    if service != SQS:
        return fault.code
    return describe(wire.load(service), fault, QUERY).code
