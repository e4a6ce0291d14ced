"""Endpoints of subscriptions: what each protocol takes. The words are SNS's."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from freehold.kit import arns
from freehold.kit.faults import not_implemented
from freehold.services.sns.model import PROTOCOLS, Topic, invalid

PHONE = re.compile(r"\+?[1-9]\d{1,14}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")
MAX_URL = 2_048


def check(topic: Topic, protocol: str, endpoint: str | None) -> str:
    """The endpoint as it is kept. Raises InvalidParameter."""
    if protocol not in PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol == "firehose":
        raise not_implemented("SNS deliveries to Amazon Data Firehose (Protocol firehose of sns:Subscribe)")
    if not endpoint:
        raise invalid("Endpoint Reason: no value for required parameter")
    if topic.fifo and protocol != "sqs":
        raise invalid(f"Protocol Reason: FIFO topics do not support the protocol {protocol}: subscribe an SQS queue")
    if protocol in ("http", "https"):
        return _url(protocol, endpoint)
    if protocol == "sqs":
        return _queue(topic, endpoint)
    if protocol == "lambda":
        return _function(endpoint)
    if protocol == "sms":
        digits = re.sub(r"[\s().-]", "", endpoint)
        if not PHONE.fullmatch(digits):
            raise invalid(f"Invalid SMS endpoint: {endpoint}")
        return digits if digits.startswith("+") else f"+{digits}"
    if protocol == "application":
        if ":endpoint/" not in endpoint:
            raise invalid("Application endpoint arn invalid")
        return endpoint
    if not _EMAIL.fullmatch(endpoint):
        raise invalid("Email address")
    return endpoint


def _url(protocol: str, endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        fine = parts.scheme.lower() == protocol and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        raise invalid("Endpoint must match the specified protocol")
    if len(endpoint) > MAX_URL or any(character.isspace() for character in endpoint):
        raise invalid("Endpoint")
    return endpoint


def _queue(topic: Topic, endpoint: str) -> str:
    arn = arns.parse(endpoint)
    if arn is None or arn.service != "sqs" or not arn.account or not _QUEUE.fullmatch(arn.resource):
        raise invalid("SQS endpoint ARN")
    if arn.resource.endswith(".fifo") and not topic.fifo:
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    return endpoint


def _function(endpoint: str) -> str:
    arn = arns.parse(endpoint)
    if arn is None or arn.service != "lambda" or not arn.resource.startswith("function:"):
        raise invalid("Lambda endpoint ARN")
    return endpoint
