"""Delivery policies: what they may say, and when an HTTP delivery is tried again.

Source: SNS Developer Guide, "Amazon SNS message delivery retries", "Creating an HTTP/S delivery policy": the phases are
without delay, pre-backoff (at the minimum), backoff (from minimum to maximum), post-backoff (at the maximum); a policy
lasts one hour at most.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import orjson

from freehold.services.sns.model import invalid

FUNCTIONS = ("arithmetic", "exponential", "geometric", "linear")
MAX_RETRIES = 100
MAX_DELAY_S = 3600
MAX_TOTAL_S = 3600
CONTENT_TYPES = frozenset(
    (
        "application/json",
        "application/octet-stream",
        "application/soap+xml",
        "application/x-www-form-urlencoded",
        "application/xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
    )
)
DEFAULT_CONTENT_TYPE = "text/plain; charset=UTF-8"


class Retries(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A healthy retry policy. Delays are seconds."""

    min_delay_target: int = 20
    max_delay_target: int = 20
    num_retries: int = 3
    num_max_delay_retries: int = 0
    num_no_delay_retries: int = 0
    num_min_delay_retries: int = 0
    backoff_function: str = "linear"

    def delay_s(self, retry: int) -> float | None:
        """Seconds before a retry (from 1 on); None when there is no further one."""
        if retry > self.num_retries:
            return None
        at = retry - self.num_no_delay_retries
        if at <= 0:
            return 0
        if at <= self.num_min_delay_retries:
            return self.min_delay_target
        at -= self.num_min_delay_retries
        between = self.num_retries - self.num_no_delay_retries - self.num_min_delay_retries - self.num_max_delay_retries
        if at > between:
            return self.max_delay_target
        return self._backoff(at, between)

    def _backoff(self, at: int, steps: int) -> float:
        """The delay of step `at` of `steps` from the minimum to the maximum."""
        low, high = self.min_delay_target, self.max_delay_target
        if steps <= 1 or low == high:
            return low
        done = (at - 1) / (steps - 1)
        if self.backoff_function == "linear":
            return low + (high - low) * done
        if self.backoff_function == "geometric":
            return float(low * (high / low) ** done)
        if self.backoff_function == "arithmetic":
            # The increments grow by the same amount each time.
            return low + (high - low) * (at - 1) * at / ((steps - 1) * steps)
        # The increments double each time.
        return low + (high - low) * float((2 ** (at - 1) - 1) / (2 ** (steps - 1) - 1))


class Throttle(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    max_receives_per_second: int | None = None


class RequestPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    header_content_type: str | None = None


class _Http(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    default_healthy_retry_policy: Retries | None = None
    disable_subscription_overrides: bool = False
    default_throttle_policy: Throttle | None = None
    default_request_policy: RequestPolicy | None = None


class _OfTopic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    http: _Http


class _OfSubscription(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    healthy_retry_policy: Retries | None = None
    sickly_retry_policy: None = None
    throttle_policy: Throttle | None = None
    request_policy: RequestPolicy | None = None
    guaranteed: bool = False


class Effective(msgspec.Struct, frozen=True):
    """What holds for the deliveries of one subscription."""

    retries: Retries = Retries()
    per_second: int | None = None
    content_type: str = DEFAULT_CONTENT_TYPE


def check(text: str, *, topic: bool, prefix: str = "DeliveryPolicy: ") -> None:
    """Raise InvalidParameter for what is no delivery policy of a topic, or of a subscription."""
    try:
        _of_topic(text) if topic else _of_subscription(text)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise invalid(f"{prefix}{error}") from None
    if topic:
        http = _of_topic(text).http
        parts = (http.default_healthy_retry_policy, http.default_throttle_policy, http.default_request_policy)
        name = "http.defaultHealthyRetryPolicy"
    else:
        own = _of_subscription(text)
        parts = (own.healthy_retry_policy, own.throttle_policy, own.request_policy)
        name = "healthyRetryPolicy"
    retries, throttle, request = parts
    if retries is not None:
        _check_retries(retries, f"{prefix}{name}")
    if throttle is not None and throttle.max_receives_per_second is not None and throttle.max_receives_per_second < 1:
        raise invalid(f"{prefix}throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1")
    if request is not None and request.header_content_type is not None:
        kind, _, rest = request.header_content_type.partition(";")
        if kind.strip().lower() not in CONTENT_TYPES or (rest and not rest.strip().lower().startswith("charset=")):
            raise invalid(f"{prefix}requestPolicy.headerContentType is not a supported content type")


def _check_retries(policy: Retries, name: str) -> None:
    if not 0 <= policy.num_retries <= MAX_RETRIES:
        raise invalid(f"{name}.numRetries must be between 0 and {MAX_RETRIES}")
    if not 1 <= policy.min_delay_target <= MAX_DELAY_S:
        raise invalid(f"{name}.minDelayTarget must be between 1 and {MAX_DELAY_S}")
    if not policy.min_delay_target <= policy.max_delay_target <= MAX_DELAY_S:
        raise invalid(
            f"{name}.maxDelayTarget must be greater than or equal to minDelayTarget and at most {MAX_DELAY_S}"
        )
    counts = (policy.num_no_delay_retries, policy.num_min_delay_retries, policy.num_max_delay_retries)
    if min(counts) < 0:
        raise invalid(f"{name}: numbers of retries must be 0 or greater")
    if sum(counts) > policy.num_retries:
        raise invalid(f"{name}: the sum of the numbers of retries of all phases must not exceed numRetries")
    if policy.backoff_function not in FUNCTIONS:
        raise invalid(f"{name}.backoffFunction must be one of {', '.join(FUNCTIONS)}")
    if sum(policy.delay_s(retry) or 0 for retry in range(1, policy.num_retries + 1)) > MAX_TOTAL_S:
        raise invalid(f"{name}: the total time of all retries must not exceed {MAX_TOTAL_S} seconds")


@lru_cache(maxsize=256)
def _of_topic(text: str) -> _OfTopic:
    return msgspec.json.decode(text, type=_OfTopic)


@lru_cache(maxsize=256)
def _of_subscription(text: str) -> _OfSubscription:
    return msgspec.json.decode(text, type=_OfSubscription)


@lru_cache(maxsize=256)
def effective(topic: str | None, subscription: str | None) -> Effective:
    """What a topic's policy and a subscription's mean together: the subscription's wins unless the topic forbids it."""
    http = _of_topic(topic).http if topic else _Http()
    own = _of_subscription(subscription) if subscription else _OfSubscription()
    if http.disable_subscription_overrides:
        own = _OfSubscription()
    throttle = own.throttle_policy or http.default_throttle_policy or Throttle()
    request = own.request_policy or http.default_request_policy or RequestPolicy()
    return Effective(
        own.healthy_retry_policy or http.default_healthy_retry_policy or Retries(),
        throttle.max_receives_per_second,
        request.header_content_type or DEFAULT_CONTENT_TYPE,
    )


def shown_of_topic(text: str | None) -> str:
    """EffectiveDeliveryPolicy of a topic."""
    found = effective(text, None)
    http: dict[str, Any] = {
        "defaultHealthyRetryPolicy": msgspec.to_builtins(found.retries),
        "disableSubscriptionOverrides": bool(text) and _of_topic(text or "").http.disable_subscription_overrides,
        **({"defaultThrottlePolicy": {"maxReceivesPerSecond": found.per_second}} if found.per_second else {}),
        "defaultRequestPolicy": {"headerContentType": found.content_type},
    }
    return orjson.dumps({"http": http}).decode()


def shown_of_subscription(topic: str | None, subscription: str | None) -> str:
    """EffectiveDeliveryPolicy of an HTTP subscription."""
    found = effective(topic, subscription)
    policy = {
        "healthyRetryPolicy": msgspec.to_builtins(found.retries),
        "sicklyRetryPolicy": None,
        "throttlePolicy": {"maxReceivesPerSecond": found.per_second} if found.per_second else None,
        "requestPolicy": {"headerContentType": found.content_type},
        "guaranteed": False,
    }
    return orjson.dumps(policy).decode()
