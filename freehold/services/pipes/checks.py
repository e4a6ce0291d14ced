"""What CreatePipe and UpdatePipe refuse, and the kinds of sources, enrichments and targets. Pure.

Which parameters belong to what: EventBridge Pipes API Reference; what Freehold does not have is refused by name.
"""

from __future__ import annotations

from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.rules.inputs import InvalidInput, compile_path, compile_template, is_path
from freehold.rules.patterns import PatternError, eventbridge
from freehold.services.pipes.model import Pipe

FUNCTION, QUEUE, TOPIC, BUS, LOG_GROUP, DESTINATION, API = (
    "function",
    "queue",
    "topic",
    "event bus",
    "log group",
    "API destination",
    "API",
)
PARAMETERS = {
    FUNCTION: "LambdaFunctionParameters",
    QUEUE: "SqsQueueParameters",
    BUS: "EventBridgeEventBusParameters",
    LOG_GROUP: "CloudWatchLogsParameters",
    DESTINATION: "HttpParameters",
    API: "HttpParameters",
}
"""The member of TargetParameters that belongs to each kind of target."""
ENRICHMENTS = frozenset((FUNCTION, DESTINATION, API))


def invalid(message: str) -> Fault:
    return Fault("ValidationException", message)


def kind_of(arn: str) -> str | None:
    """The kind of a target or enrichment; None for what Freehold cannot call."""
    parsed = arns.parse(arn)
    if parsed is None:
        return None
    service, resource = parsed.service, parsed.resource
    by_service = {"sqs": QUEUE, "sns": TOPIC, "execute-api": API}
    if service in by_service:
        return by_service[service]
    for owner, prefix, kind in (
        ("lambda", "function:", FUNCTION),
        ("events", "event-bus/", BUS),
        ("events", "api-destination/", DESTINATION),
        ("logs", "log-group:", LOG_GROUP),
    ):
        if service == owner and resource.startswith(prefix):
            return kind
    return None


def check(pipe: Pipe) -> None:
    """Raise for a pipe that AWS would refuse, or that Freehold cannot run."""
    _check_source(pipe)
    _check_enrichment(pipe)
    _check_target(pipe)
    _check_log(pipe)


def _service_of(arn: str) -> str:
    parsed = arns.parse(arn)
    if parsed is None:
        raise invalid(f"Invalid ARN: {arn}")
    return parsed.service


def _check_source(pipe: Pipe) -> None:
    if pipe.source.startswith("smk://"):
        raise not_implemented("EventBridge Pipes sources that are self managed Apache Kafka clusters")
    service = _service_of(pipe.source)
    if service != "sqs":
        raise not_implemented(f"EventBridge Pipes sources of the service {service} ({pipe.source})")
    _check_own(pipe, pipe.source, "source")
    for name in pipe.source_parameters:
        if name not in ("FilterCriteria", "SqsQueueParameters"):
            raise invalid(f"{name} cannot be used with a source of the service {service}.")
    for each in pipe.source_parameters.get("FilterCriteria", {}).get("Filters", []):
        try:
            eventbridge.read(each.get("Pattern") or "{}")
        except PatternError as error:
            raise invalid(str(error)) from None


def _check_enrichment(pipe: Pipe) -> None:
    parameters = pipe.enrichment_parameters
    if pipe.enrichment:
        kind = kind_of(pipe.enrichment)
        if kind not in ENRICHMENTS:
            raise not_implemented(f"EventBridge Pipes enrichments of the service {_service_of(pipe.enrichment)}")
        _check_own(pipe, pipe.enrichment, "enrichment")
        if "HttpParameters" in parameters and kind == FUNCTION:
            raise invalid("HttpParameters cannot be used with a Lambda enrichment.")
    _check_template(parameters.get("InputTemplate"), "EnrichmentParameters")
    _check_http(parameters.get("HttpParameters", {}))


def _check_target(pipe: Pipe) -> None:
    kind = kind_of(pipe.target)
    if kind is None:
        raise not_implemented(f"EventBridge Pipes targets of the service {_service_of(pipe.target)} ({pipe.target})")
    _check_own(pipe, pipe.target, "target")
    parameters = pipe.target_parameters
    for name in parameters:
        if name not in ("InputTemplate", PARAMETERS.get(kind)):
            raise invalid(f"{name} cannot be used with the target {pipe.target}.")
    _check_template(parameters.get("InputTemplate"), "TargetParameters")
    own = parameters.get(PARAMETERS.get(kind, ""), {})
    if kind == BUS and own.get("EndpointId"):
        raise not_implemented("global endpoints of EventBridge (EndpointId)")
    if kind == QUEUE and pipe.target.endswith(".fifo") and not own.get("MessageGroupId"):
        raise invalid("SqsQueueParameters.MessageGroupId is required for a FIFO queue.")
    if kind == QUEUE and pipe.target == pipe.source:
        raise invalid("The target cannot be the source of the pipe.")
    if kind in (API, DESTINATION):
        _check_http(own)
    else:
        _check_paths(own)


def _check_template(template: str | None, where: str) -> None:
    try:
        compile_template(template or "")
    except InvalidInput as error:
        raise invalid(f"{where}.InputTemplate is not valid: {error}") from None


def _check_http(parameters: dict[str, Any]) -> None:
    _check_paths(parameters.get("PathParameterValues", []))
    for name in ("HeaderParameters", "QueryStringParameters"):
        _check_paths(parameters.get(name, {}))


def _check_paths(value: Any) -> None:
    """What looks like a JSON path must be one."""
    if isinstance(value, dict):
        for each in value.values():
            _check_paths(each)
    elif isinstance(value, list):
        for each in value:
            _check_paths(each)
    elif isinstance(value, str) and is_path(value):
        try:
            compile_path(value)
        except InvalidInput as error:
            raise invalid(str(error)) from None


def _check_log(pipe: Pipe) -> None:
    log = pipe.log or {}
    for name in ("S3LogDestination", "FirehoseLogDestination"):
        if log.get(name):
            raise not_implemented(f"logs of pipes to {name}")
    if log.get("Level", "OFF") != "OFF" and not log.get("CloudwatchLogsLogDestination"):
        raise invalid("LogConfiguration needs a log destination unless its level is OFF.")
    group = log.get("CloudwatchLogsLogDestination", {}).get("LogGroupArn")
    if group is not None:
        _check_own(pipe, group, "log group")


def _check_own(pipe: Pipe, arn: str, what: str) -> None:
    """Pipes reach nothing of other accounts and Regions; an event bus may pass events on to them."""
    parsed = arns.parse(arn)
    if parsed is None or (parsed.account, parsed.region) != (pipe.account, pipe.region):
        raise invalid(f"The {what} must be in the account and Region of the pipe.")


def refuse(request: dict[str, Any]) -> None:
    """Raise for what Freehold does not do with any pipe."""
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("customer managed keys of pipes (KmsKeyIdentifier)")
