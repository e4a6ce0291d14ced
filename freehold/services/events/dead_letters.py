"""Dead letters: what could not be delivered, in the queue that the target names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.queues import Outgoing
from freehold.services.events.sending import Failure, Order
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

ATTEMPTS = "MaximumRetryAttempts"
AGE = "MaximumEventAgeInSeconds"
MOST_MESSAGE = 1_024
"""Characters of an error message."""


def give_up(
    tx: Tx,
    platform: Platform,
    order: Order,
    failure: Failure,
    *,
    retries: int,
    now_ms: int,
    exhausted: str | None = None,
) -> None:
    """The end of a delivery that failed: the event goes to the dead-letter queue of its target, where there is one.

    `exhausted` names the limit of the retry policy that was reached (ATTEMPTS, AGE), None where nothing was retried.
    Attributes: EventBridge User Guide, "Using dead-letter queues to process undelivered events".
    """
    count(platform, order, "FailedInvocations")
    queue = order.target.dead_letter_arn
    if queue is None:
        return
    attributes: dict[str, dict[str, Any]] = {
        "RULE_ARN": _text(order.rule_arn),
        "TARGET_ARN": _text(order.target.arn),
        "ERROR_CODE": _text(failure.code),
        "ERROR_MESSAGE": _text(_clean(failure.message)),
        "RETRY_ATTEMPTS": {"DataType": "Number", "StringValue": str(retries)},
    }
    if exhausted is not None:
        attributes["EXHAUSTED_RETRY_CONDITION"] = _text(exhausted)
    letter = Outgoing(derived(order.id, "dead letter"), order.event.text, attributes)
    try:
        platform.queues.send(tx, queue, (letter,), now_ms=now_ms, source=order.target.source)
    except Fault:
        count(platform, order, "InvocationsFailedToBeSentToDlq")
    else:
        count(platform, order, "InvocationsSentToDlq")


def _clean(message: str) -> str:
    """Without characters that a message attribute may not hold: the words may be an endpoint's."""
    return "".join(char if char.isprintable() else " " for char in message[:MOST_MESSAGE])


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def count(platform: Platform, order: Order, meter: str) -> None:
    """Count something of a rule."""
    platform.meters.add(order.bus.account, order.bus.region, f"AWS/Events:{meter}", 1.0, RuleName=order.rule)
