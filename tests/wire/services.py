"""Real services, side by side as a node offers them, and which of their operations a request means."""

from __future__ import annotations

from freehold import wire
from freehold.kit.http import Request
from freehold.wire.base import Match

NAMES = [
    *(
        "sqs",
        "lambda",
        "sns",
        "events",
        "dynamodb",
        "dynamodbstreams",
        "iam",
        "sts",
        "logs",
        "ssm",
        "pipes",
        "scheduler",
    ),
    *("apigateway", "apigatewayv2", "cloudformation", "cloudwatch"),
    "s3",  # last, as front/offer.py has it: any other RESTful request without a signature is its
]
SERVICES = [wire.load(name) for name in NAMES]
ID = "c6104cbe-af31-11e0-8154-cbc7ccf896c7"
"""A request's id."""


def route(service: str, request: Request) -> Match:
    """What a request means that is signed for this service."""
    return wire.match(SERVICES, request, hint=wire.load(service).signing_name)
