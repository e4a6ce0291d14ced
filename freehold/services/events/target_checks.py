"""What PutTargets refuses. Pure.

Which parameters belong to which target: EventBridge API Reference, Target; quotas: EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit import arns
from freehold.kit.faults import not_implemented
from freehold.rules.inputs import InvalidInput, compile_path, is_path
from freehold.services.events.common import invalid
from freehold.services.events.names import BusName, bus_of_arn
from freehold.services.events.targets import API, BUS, DESTINATION, QUEUE, TOPIC, kind_of, renderer

MAX_BYTES = 60 << 10
"""Of one target: with an event of the largest size it fits into a row. More than what AWS's limits of each part allow,
but for headers and query strings, whose number AWS does not limit."""
_INPUTS = ("Input", "InputPath", "InputTransformer")
_FOREIGN = (
    "KinesisParameters",
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
)
"""Parameters of targets that Freehold does not have."""


def check_target(target: dict[str, Any], bus: BusName) -> None:
    """Raise for a target that AWS would refuse, or that Freehold cannot send to."""
    id = target["Id"]
    kind = check_kind(id, target["Arn"])
    for name in _FOREIGN:
        if name in target:
            raise invalid(f"Parameter(s) {name} not valid for target: {id}.")
    _check_role(target, kind, bus)
    _check_input(target, kind, bus)
    _check_parameters(target, kind)
    queue = target.get("DeadLetterConfig", {}).get("Arn")
    if queue is not None:
        _check_queue(queue, id)
    if len(orjson.dumps(target)) > MAX_BYTES:
        raise invalid(f"Target {id} is larger than {MAX_BYTES} bytes.")


def check_kind(id: str, arn: str) -> str:
    """The kind of a target. Raises for what is no ARN, and for a service to which Freehold cannot send."""
    parsed = arns.parse(arn)
    if parsed is None or not parsed.resource:
        raise invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    kind = kind_of(arn)
    if kind is None:
        raise not_implemented(f"EventBridge targets of the service {parsed.service} (target {id}: {arn})")
    return kind


def _check_role(target: dict[str, Any], kind: str, bus: BusName) -> None:
    arn = target["Arn"]
    other = bus_of_arn(arn)
    needed = kind == DESTINATION or (other is not None and other.region != bus.region)
    if needed and not target.get("RoleArn"):
        raise invalid(f"RoleArn is required for target {arn}.")
    parsed = arns.parse(arn)
    if kind == DESTINATION and parsed is not None and (parsed.account, parsed.region) != (bus.account, bus.region):
        # Its connection holds secrets of its account.
        raise invalid(f"Parameter {arn} is not valid. Reason: API destinations of other accounts are not allowed.")
    if other == bus:
        raise invalid(f"Parameter {arn} is not valid. Reason: the target is the event bus of the rule.")


def _check_input(target: dict[str, Any], kind: str, bus: BusName) -> None:
    id, given = target["Id"], [name for name in _INPUTS if name in target]
    if len(given) > 1:
        raise invalid(f"Only one of Input, InputPath, or InputTransformer must be provided for target {id}.")
    if not given:
        return
    if kind == BUS:
        other = bus_of_arn(target["Arn"])
        if other is not None and other.account != bus.account:
            raise invalid(f"{given[0]} is not supported for target {id}: an event bus of another account.")
        raise not_implemented(f"{given[0]} for targets that are event buses (target {id})")
    if given == ["Input"]:
        try:
            orjson.loads(target["Input"])
        except orjson.JSONDecodeError:
            raise invalid(f"JSON syntax error in input for target {id}.") from None
        return
    try:
        renderer(target)
    except InvalidInput as error:
        raise invalid(str(error)) from None


def _check_parameters(target: dict[str, Any], kind: str) -> None:
    id, arn = target["Id"], target["Arn"]
    if "SqsParameters" in target and kind != QUEUE:
        raise invalid(f"Parameter(s) SqsParameters not valid for target: {id}.")
    if kind == QUEUE and arn.endswith(".fifo") and not target.get("SqsParameters", {}).get("MessageGroupId"):
        raise invalid(f"Parameter(s) SqsParameters must be specified for target: {id}.")
    if kind == TOPIC and arn.endswith(".fifo"):
        # "EventBridge does not support the use of Amazon SNS FIFO topics": there is no parameter for the group.
        raise invalid(f"Parameter {arn} is not valid. Reason: FIFO topics are not supported as targets.")
    if "HttpParameters" in target and kind not in (API, DESTINATION):
        raise invalid(f"Parameter(s) HttpParameters not valid for target: {id}.")
    _check_paths(target.get("HttpParameters", {}), id)


def _check_paths(parameters: Any, id: str) -> None:
    """Values of HttpParameters that are JSON paths must be ones."""
    if isinstance(parameters, dict):
        parameters = list(parameters.values())
    if isinstance(parameters, list):
        for each in parameters:
            _check_paths(each, id)
    elif is_path(parameters):
        try:
            compile_path(parameters)
        except InvalidInput as error:
            raise invalid(f"HttpParameters of target {id} contain an invalid path: {error}.") from None


def _check_queue(arn: str, id: str) -> None:
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != "sqs":
        raise invalid(
            f"Parameter DeadLetterConfig.Arn is not valid for target {id}. Reason: {arn} is not an SQS queue."
        )
    if arn.endswith(".fifo"):
        raise invalid(f"Parameter DeadLetterConfig.Arn is not valid for target {id}. Reason: {arn} is a FIFO queue.")
