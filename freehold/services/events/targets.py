"""Targets as rules use them: which kind each is, and what it is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from freehold.kit import arns
from freehold.kit.clock import iso8601
from freehold.ports.identity import Source
from freehold.rules.inputs import MISSING, RuleVariables, compile_path, compile_transformer
from freehold.services.events.envelope import Event

FUNCTION, QUEUE, TOPIC, LOG_GROUP, BUS, API, DESTINATION = (
    "function",
    "queue",
    "topic",
    "log group",
    "event bus",
    "API",
    "API destination",
)
SERVICE = "events.amazonaws.com"
RETRY_ATTEMPTS = 185
EVENT_AGE_S = 86_400

Render = Callable[[Event, RuleVariables], str]
"""Raises InvalidInput for what would be too large."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a rule, ready to be sent to. `render` makes what it is sent; None: the event as it is."""

    id: str
    arn: str
    kind: str
    source: Source
    """Who resource policies decide about."""
    render: Render | None
    group: str | None
    http: Mapping[str, Any]
    dead_letter_arn: str | None
    most_retries: int
    most_age_ms: int
    shown: Mapping[str, Any]
    """As PutTargets took it."""


def kind_of(arn: str) -> str | None:
    """The kind of a target; None for those that Freehold cannot send to."""
    parsed = arns.parse(arn)
    if parsed is None:
        return None
    service, resource = parsed.service, parsed.resource
    if service == "lambda" and resource.startswith("function:"):
        return FUNCTION
    if service == "sqs":
        return QUEUE
    if service == "sns":
        return TOPIC
    if service == "logs" and resource.startswith("log-group:"):
        return LOG_GROUP
    if service == "events" and resource.startswith("event-bus/"):
        return BUS
    if service == "events" and resource.startswith("api-destination/"):
        return DESTINATION
    return API if service == "execute-api" else None


def compile_target(shown: Mapping[str, Any], rule_arn: str, account: str) -> Target:
    """The target of a rule, as an entry of PutTargets that has been checked."""
    policy = shown.get("RetryPolicy", {})
    return Target(
        id=shown["Id"],
        arn=shown["Arn"],
        kind=kind_of(shown["Arn"]) or "",
        source=Source(SERVICE, rule_arn, account, shown.get("RoleArn")),
        render=renderer(shown),
        group=shown.get("SqsParameters", {}).get("MessageGroupId"),
        http=shown.get("HttpParameters", {}),
        dead_letter_arn=shown.get("DeadLetterConfig", {}).get("Arn"),
        most_retries=policy.get("MaximumRetryAttempts", RETRY_ATTEMPTS),
        most_age_ms=policy.get("MaximumEventAgeInSeconds", EVENT_AGE_S) * 1000,
        shown=shown,
    )


def body_of(target: Target, event: Event, rule_arn: str, rule: str, now_ms: int) -> str:
    """What a target is sent for an event that its rule took at `now_ms`. Raises InvalidInput."""
    if target.render is None:
        return event.text
    return target.render(event, RuleVariables(rule_arn, rule, iso8601(now_ms / 1000)))


def renderer(shown: Mapping[str, Any]) -> Render | None:
    """What a target is sent, by Input, InputPath or InputTransformer; None: the event. Raises InvalidInput."""
    constant = shown.get("Input")
    if constant is not None:
        return lambda event, variables: str(constant)
    if "InputPath" in shown:
        path = compile_path(shown["InputPath"])

        def part(event: Event, variables: RuleVariables) -> str:
            found = path(event.document)
            return orjson.dumps(None if found is MISSING else found).decode()

        return part
    transformer = shown.get("InputTransformer")
    if transformer is not None:
        transform = compile_transformer(
            transformer.get("InputPathsMap"), transformer["InputTemplate"], target=shown["Id"]
        )
        return lambda event, variables: transform(event.document, variables)
    return None
