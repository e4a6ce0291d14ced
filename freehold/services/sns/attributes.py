"""Attributes of topics and subscriptions: what they may hold, and how they are shown."""

from __future__ import annotations

import re
from typing import Any

import orjson

from freehold.kit import arns
from freehold.kit.faults import not_implemented
from freehold.kit.numerals import whole
from freehold.rules.patterns import PatternError
from freehold.rules.patterns import sns as filters
from freehold.services.sns import delivery_policy, policies, state
from freehold.services.sns.model import (
    MAX_BIG_SUBSCRIPTIONS,
    MAX_MESSAGE,
    MOST_MESSAGE,
    Subscription,
    Topic,
    invalid,
)

FAMILIES = ("HTTP", "Firehose", "Lambda", "Application", "SQS")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_ONLY_FIFO = frozenset(("ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy"))
_BIG_PROTOCOLS = ("sqs", "lambda", "firehose")


def check_topic_attribute(topic: Topic, name: str, value: str) -> str:
    """The value as it is kept; "" takes the attribute away. Raises InvalidParameter; 501 for what Freehold lacks."""
    if name in _ONLY_FIFO and not topic.fifo:
        raise invalid(f"Attributes Reason: {name}: this attribute is supported on FIFO topics only")
    if name == "Policy":
        return policies.check(value) if value else ""
    if name == "DeliveryPolicy":
        if value:
            delivery_policy.check(value, topic=True)
        return value
    if name == "DisplayName":
        if len(value) > 100:
            raise invalid("DisplayName")
        return value
    if name == "KmsMasterKeyId":
        if value and value.rpartition("alias/")[2] != "aws/sns":
            raise not_implemented("encryption of topics with KMS keys other than alias/aws/sns (KmsMasterKeyId)")
        return value
    if name == "SignatureVersion":
        return _one_of(name, value, ("1", "2"))
    if name == "TracingConfig":
        if topic.fifo and value == "Active":
            raise invalid("TracingConfig: Active tracing is supported on standard topics only")
        return _one_of(name, value, ("PassThrough", "Active"))
    if name == "ContentBasedDeduplication":
        return _one_of(name, value.lower(), ("true", "false"))
    if name == "FifoThroughputScope":
        return _one_of(name, value, ("Topic", "MessageGroup"))
    if name == "ArchivePolicy":
        if value and value != "{}":
            raise not_implemented("archives of FIFO topics (ArchivePolicy)")
        return ""
    if name == "MaximumMessageSize":
        return _size(topic, value)
    return _feedback(name, value)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise invalid(f"{name} Reason: must be one of {', '.join(allowed)}")
    return value


def _size(topic: Topic, value: str) -> str:
    size = whole(value) or 0
    if not 1024 <= size <= MOST_MESSAGE:
        raise invalid(f"MaximumMessageSize Reason: must be between 1024 and {MOST_MESSAGE}")
    if size > MAX_MESSAGE and topic.subscriptions > MAX_BIG_SUBSCRIPTIONS:
        raise invalid(f"MaximumMessageSize Reason: the topic has more than {MAX_BIG_SUBSCRIPTIONS} subscriptions")
    return value


def _feedback(name: str, value: str) -> str:
    """Delivery status logging. Raises InvalidParameter for every name that no attribute has."""
    for family in FAMILIES:
        if name in (f"{family}SuccessFeedbackRoleArn", f"{family}FailureFeedbackRoleArn"):
            if value and not _ROLE.fullmatch(value):
                raise invalid(f"{name} Reason: {value} is not a valid role to allow SNS to write to Cloudwatch Logs")
            return _without_firehose(family, value)
        if name == f"{family}SuccessFeedbackSampleRate":
            if value and ((rate := whole(value)) is None or rate > 100):
                raise invalid(f"{name} Reason: must be an integer between 0 and 100")
            return _without_firehose(family, value)
    raise invalid("AttributeName")


def _without_firehose(family: str, value: str) -> str:
    if family == "Firehose" and value not in ("", "0"):
        raise not_implemented("SNS deliveries to Amazon Data Firehose")
    return value


def check_big(topic: Topic, protocol: str) -> None:
    """Topics with messages beyond 256 KiB deliver to queues and functions only."""
    if topic.max_message > MAX_MESSAGE and protocol not in _BIG_PROTOCOLS:
        raise invalid(
            "Protocol Reason: a topic with a MaximumMessageSize above 256 KiB supports SQS, Lambda and Firehose "
            "subscriptions only"
        )


def show_topic(topic: Topic) -> dict[str, str]:
    """GetTopicAttributes."""
    shown = {
        "Policy": policies.of(topic),
        "Owner": topic.account,
        "SubscriptionsPending": str(topic.pending),
        "TopicArn": topic.arn,
        "EffectiveDeliveryPolicy": delivery_policy.shown_of_topic(topic.attributes.get("DeliveryPolicy")),
        "SubscriptionsConfirmed": str(topic.subscriptions - topic.pending),
        "DisplayName": "",
        "SubscriptionsDeleted": str(topic.deleted),
        **{key: value for key, value in topic.attributes.items() if key != "Policy"},
    }
    if topic.fifo:
        shown = {"FifoTopic": "true", "ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic", **shown}
    return shown


def check_subscription_attribute(topic: Topic, found: Subscription, name: str, value: str, prefix: str = "") -> str:
    """The value as it is kept; "" takes the attribute away. `found` has its other attributes. Raises InvalidParameter."""
    if name == "RawMessageDelivery":
        if value.lower() not in ("true", "false"):
            raise invalid(f"{prefix}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
        if value.lower() == "true" and found.protocol not in ("sqs", "http", "https", "firehose"):
            raise invalid(
                f"{prefix}RawMessageDelivery: Delivery protocol [{found.protocol}] does not support raw message delivery."
            )
        return value.lower()
    if name == "FilterPolicy":
        return _filter(value, found.attributes.get("FilterPolicyScope", filters.ATTRIBUTES), prefix)
    if name == "FilterPolicyScope":
        if value not in (filters.ATTRIBUTES, filters.BODY):
            raise invalid(
                f"{prefix}FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            )
        return value
    if name == "RedrivePolicy":
        return _redrive(topic, value, prefix) if value else ""
    if name == "DeliveryPolicy":
        if value and found.protocol not in ("http", "https"):
            raise invalid(
                f"{prefix}DeliveryPolicy: Delivery protocol [{found.protocol}] does not support delivery policies."
            )
        if value:
            delivery_policy.check(value, topic=False, prefix=f"{prefix}DeliveryPolicy: ")
        return value
    if name == "SubscriptionRoleArn":
        raise not_implemented("SNS deliveries to Amazon Data Firehose (SubscriptionRoleArn)")
    if name == "ReplayPolicy":
        raise not_implemented("replays of FIFO topics (ReplayPolicy)")
    raise invalid("AttributeName" if not prefix else f"{prefix}Unknown attribute {name}")


def _filter(value: str, scope: str, prefix: str) -> str:
    if value.strip() in ("", "{}"):
        return ""
    try:
        filters.read(value, scope)
    except PatternError as error:
        raise invalid(f"{prefix}FilterPolicy: {error}") from None
    return value


def check_filter_scope(found: Subscription, prefix: str = "") -> None:
    """A policy must be one in the scope that it has in the end."""
    policy = found.attributes.get("FilterPolicy")
    if policy is not None:
        _filter(policy, found.attributes.get("FilterPolicyScope", filters.ATTRIBUTES), prefix)


def _redrive(topic: Topic, value: str, prefix: str) -> str:
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise invalid(f"{prefix}RedrivePolicy: failed to parse JSON.") from None
    queue = parsed.get("deadLetterTargetArn") if isinstance(parsed, dict) else None
    arn = arns.parse(queue) if isinstance(queue, str) else None
    if not isinstance(parsed, dict) or set(parsed) - {"deadLetterTargetArn"}:
        raise invalid(f"{prefix}RedrivePolicy: only deadLetterTargetArn is supported")
    if arn is None or arn.service != "sqs" or not arn.resource:
        raise invalid(f"{prefix}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if arn.region != topic.region or arn.account != topic.account:
        raise invalid(
            f"{prefix}RedrivePolicy: deadLetterTargetArn must be a queue in the same account and region as the subscription"
        )
    if topic.fifo != arn.resource.endswith(".fifo"):
        kind = "FIFO" if topic.fifo else "standard"
        raise invalid(f"{prefix}RedrivePolicy: must use a {kind} queue as DLQ for a {kind} topic")
    return value


def show_subscription(topic: Topic, found: Subscription) -> dict[str, str]:
    """GetSubscriptionAttributes."""
    shown: dict[str, Any] = {
        "SubscriptionPrincipal": found.principal,
        "Owner": found.owner,
        "RawMessageDelivery": "false",
        "TopicArn": topic.arn,
        "Endpoint": found.endpoint,
        "Protocol": found.protocol,
        "PendingConfirmation": "true" if found.token is not None else "false",
        "ConfirmationWasAuthenticated": "true" if found.authenticated else "false",
        "SubscriptionArn": state.arn_of(topic, found),
        **found.attributes,
    }
    if "FilterPolicy" in found.attributes:
        shown.setdefault("FilterPolicyScope", filters.ATTRIBUTES)
    else:
        shown.pop("FilterPolicyScope", None)
    if found.protocol in ("http", "https"):
        shown["EffectiveDeliveryPolicy"] = delivery_policy.shown_of_subscription(
            topic.attributes.get("DeliveryPolicy"), found.attributes.get("DeliveryPolicy")
        )
    return shown
