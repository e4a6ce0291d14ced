"""First-class integrations of HTTP APIs: an operation of an AWS service, called as a role.

The answer is the service's own, in its own protocol: XML of SQS's query protocol, JSON of EventBridge.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from freehold import wire
from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.kit.http import Response
from freehold.ports.call import Cause
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform
from freehold.services.apigateway.http import mapping
from freehold.services.apigateway.http.common import bad
from freehold.services.apigateway.http.state import Shape
from freehold.wire.base import JSON, QUERY, Match

SESSION = "BackplaneAssumeRoleSession"
"""Name of the role sessions of API Gateway."""


@dataclass(frozen=True, slots=True)
class Subtype:
    """What an IntegrationSubtype calls. Every one takes Region, too."""

    service: str
    operation: str
    protocol: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()


def _subtype(service: str, operation: str, protocol: str, required: str, optional: str = "") -> Subtype:
    return Subtype(service, operation, protocol, frozenset(required.split()), frozenset(optional.split()))


SUBTYPES = {
    "EventBridge-PutEvents": _subtype(
        "events", "PutEvents", JSON, "Detail DetailType Source", "Time EventBusName Resources TraceHeader"
    ),
    "SQS-SendMessage": _subtype(
        "sqs",
        "SendMessage",
        QUERY,
        "QueueUrl MessageBody",
        "DelaySeconds MessageAttributes MessageDeduplicationId MessageGroupId MessageSystemAttributes",
    ),
    "SQS-ReceiveMessage": _subtype(
        "sqs",
        "ReceiveMessage",
        QUERY,
        "QueueUrl",
        "AttributeNames MaxNumberOfMessages MessageAttributeNames ReceiveRequestAttemptId VisibilityTimeout "
        "WaitTimeSeconds",
    ),
    "SQS-DeleteMessage": _subtype("sqs", "DeleteMessage", QUERY, "QueueUrl ReceiptHandle"),
    "SQS-PurgeQueue": _subtype("sqs", "PurgeQueue", QUERY, "QueueUrl"),
}
_NOT_YET = frozenset(
    {
        "AppConfig-GetConfiguration",
        "Kinesis-PutRecord",
        "StepFunctions-StartExecution",
        "StepFunctions-StartSyncExecution",
        "StepFunctions-StopExecution",
    }
)
_STRUCTURED = frozenset({"MessageAttributes", "MessageSystemAttributes"})
"""Parameters that are JSON objects."""
_LISTS = frozenset({"AttributeNames", "MessageAttributeNames", "Resources"})
"""Parameters that are lists: a JSON array, or one value."""


def check(integration: Shape) -> None:
    """Refuse what could not be performed. Raises BadRequestException, NotImplemented for services to come."""
    name = integration["IntegrationSubtype"]
    if name in _NOT_YET:
        raise not_implemented(f"the integration subtype {name}")
    subtype = SUBTYPES.get(name)
    if subtype is None or integration["IntegrationType"] != "AWS_PROXY":
        raise bad(f"Invalid integration subtype specified: {name}")
    if integration.get("IntegrationUri"):
        raise bad("IntegrationUri cannot be specified with an IntegrationSubtype")
    if integration.get("PayloadFormatVersion") != "1.0":
        raise bad("PayloadFormatVersion 1.0 is required for integrations with an IntegrationSubtype")
    _check_credentials(integration.get("CredentialsArn", ""), name)
    given = integration.get("RequestParameters", {})
    for parameter in sorted(subtype.required - given.keys()):
        raise bad(f"Required parameter {parameter} of {name} is missing from RequestParameters")
    for parameter in sorted(given.keys() - subtype.required - subtype.optional - {"Region"}):
        raise bad(f"Parameter {parameter} in RequestParameters is not a parameter of {name}")
    mapping.check({}, integration.get("ResponseParameters", {}))


def _check_credentials(text: str, name: str) -> None:
    role = arns.parse(text)
    if role is not None and role.resource.startswith("user/*"):
        raise not_implemented("CredentialsArn arn:aws:iam::*:user/* (the caller's own credentials)")
    if role is None or role.service != "iam" or not role.resource.startswith("role/"):
        raise bad(f"CredentialsArn of a role is required for the integration subtype {name}")


async def perform(
    platform: Platform,
    integration: Shape,
    lookup: Callable[[str], str],
    *,
    account: str,
    region: str,
    trace: str,
    seconds: float,
) -> Response:
    """Call the operation as the integration's role. Raises TimeoutError after `seconds`."""
    name = integration["IntegrationSubtype"]
    subtype = SUBTYPES[name]
    operation = wire.load(subtype.service).operations[subtype.operation]
    match = Match(operation.service, subtype.protocol, operation)
    request_id = platform.ids.uuid()
    try:
        values = arguments(integration.get("RequestParameters", {}), lookup)
        where = values.pop("Region", region)
        async with asyncio.timeout(seconds):
            result = await platform.calls.call(
                subtype.service,
                subtype.operation,
                {"Entries": [values]} if name == "EventBridge-PutEvents" else values,
                principal=_principal(platform, integration["CredentialsArn"], account),
                account=account,
                region=where,
                cause=Cause(trace),
            )
    except Fault as fault:
        return wire.render_fault(match, fault, request_id)
    return wire.render(match, result, request_id)


def arguments(parameters: Mapping[str, str], lookup: Callable[[str], str]) -> dict[str, Any]:
    """The operation's request; what a request does not have is left out. Raises BadRequestException."""
    values: dict[str, Any] = {}
    for parameter, template in parameters.items():
        text = mapping.text(template, lookup)
        if text:
            values[parameter] = _value(parameter, text)
    return values


def _value(parameter: str, text: str) -> Any:
    if parameter not in _STRUCTURED and not (parameter in _LISTS and text.startswith("[")):
        return [text] if parameter in _LISTS else text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict if parameter in _STRUCTURED else list):
        raise Fault("InvalidParameterValue", f"The value of the parameter {parameter} is not valid JSON.", status=400)
    return value


def _principal(platform: Platform, role: str, account: str) -> Principal:
    parsed = arns.parse(role)
    assert parsed is not None
    # In an open server the account is the API's, whatever the ARN was copied from.
    return platform.identity.role_session(str(parsed._replace(account=account)), SESSION).principal
