"""Topics and subscriptions: values, names, ARNs, limits. Source of the limits: "Amazon SNS endpoints and quotas"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from freehold.kit import arns
from freehold.kit.faults import Fault

SERVICE = "sns.amazonaws.com"
MAX_MESSAGE = 256 << 10
MOST_MESSAGE = 1 << 20
"""What MaximumMessageSize may be raised to."""
MAX_TAGS = 50
MAX_TOPICS = 100_000
MAX_FIFO_SUBSCRIPTIONS = 100
MAX_BIG_SUBSCRIPTIONS = 100
"""Of a topic whose messages may be larger than 256 KiB."""
MAX_FILTERS = 200
"""Filter policies of one topic ("FilterPolicyLimitExceeded")."""
PAGE = 100
PENDING_MS = 2 * 86_400_000
"""A subscription that nobody confirms goes after two days, and its token with it."""
DEDUPLICATION_MS = 300_000
PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Topic(msgspec.Struct, omit_defaults=True):
    """A topic. `attributes` are those that were set; `id` is new whenever a topic of this name is created."""

    name: str
    account: str
    region: str
    id: str
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    filters: int = 0
    """Subscriptions with a filter policy."""
    subscriptions: int = 0
    """All, those that wait for confirmation included."""
    pending: int = 0
    """Those that wait for confirmation."""
    deleted: int = 0

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def arn(self) -> str:
        return arns.make("sns", self.region, self.account, self.name)

    @property
    def max_message(self) -> int:
        """Bytes of a message with its attributes."""
        return int(self.attributes.get("MaximumMessageSize", MAX_MESSAGE))


class Subscription(msgspec.Struct, omit_defaults=True):
    """A subscription. `attributes` are those that were set; `token` is there as long as it waits for confirmation."""

    id: str
    protocol: str
    endpoint: str
    owner: str
    principal: str
    created_ms: int
    attributes: dict[str, str] = {}
    token: str | None = None
    authenticated: bool = False
    """Was the confirmation (or the subscription that needed none) a signed call?"""
    locked: bool = False
    """Confirmed with AuthenticateOnUnsubscribe: only its owner and the topic's may unsubscribe."""

    @property
    def raw(self) -> bool:
        return self.attributes.get("RawMessageDelivery") == "true"


class TopicName(msgspec.Struct, frozen=True):
    """Where a topic is."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return arns.make("sns", self.region, self.account, self.name)


def invalid(what: str) -> Fault:
    """InvalidParameter, as SNS words it."""
    return Fault("InvalidParameterException", f"Invalid parameter: {what}")


def topic_missing() -> Fault:
    return Fault("NotFoundException", "Topic does not exist")


def subscription_missing() -> Fault:
    return Fault("NotFoundException", "Subscription does not exist")


@lru_cache(maxsize=1024)
def parse_topic(arn: str, member: str = "TopicArn") -> TopicName:
    """The topic that an ARN names. Raises InvalidParameter."""
    name, rest = _parse(arn, member)
    if rest:
        raise invalid(member)
    return name


def parse_subscription(arn: str) -> tuple[TopicName, str]:
    """The topic and the id of a subscription's ARN. Raises InvalidParameter."""
    name, rest = _parse(arn, "SubscriptionArn")
    if not rest:
        raise invalid("SubscriptionArn Reason: An ARN must have at least 7 elements, not 6")
    return name, rest


def _parse(text: str, member: str) -> tuple[TopicName, str]:
    parts = text.split(":")
    if len(parts) < 6:
        raise invalid(f"{member} Reason: An ARN must have at least 6 elements, not {len(parts)}")
    if parts[0] != "arn" or parts[2] != "sns" or not re.fullmatch(r"\d{12}", parts[4]) or len(parts) > 7:
        raise invalid(member)
    if not _NAME.fullmatch(parts[5].removesuffix(".fifo")):
        raise invalid(member)
    return TopicName(parts[4], parts[3], parts[5]), parts[6] if len(parts) == 7 else ""


def check_name(name: str, *, fifo: bool) -> None:
    """Topic names: letters, digits, hyphens, underscores, at most 256; those of FIFO topics, and no others, end in .fifo."""
    if fifo != name.endswith(".fifo") or len(name) > 256:
        if fifo:
            raise invalid(
                "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, "
                "numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
            )
        raise invalid("Topic Name")
    if not _NAME.fullmatch(name.removesuffix(".fifo")):
        raise invalid("Topic Name")


def subscription_arn(topic_arn: str, id: str) -> str:
    return f"{topic_arn}:{id}"


def tags_of(listed: list[dict[str, Any]]) -> dict[str, str]:
    """Tags as a map. Raises InvalidParameter for a key that comes twice or is AWS's."""
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    if len(tags) != len(listed):
        raise invalid("Duplicated keys are not allowed.")
    for key in tags:
        if key.lower().startswith("aws:") and not key.startswith("aws:cloudformation:"):
            raise invalid("Tag keys that start with aws: are reserved for Amazon Web Services use")
    return tags


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise Fault("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")
    return tags
