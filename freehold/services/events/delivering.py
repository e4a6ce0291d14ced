"""Deliveries that are performed after the commit: to targets over HTTP, and again where a first attempt failed.

Retry policy and dead letters: EventBridge User Guide, "How EventBridge retries delivering events" and "Using dead-letter
queues to process undelivered events".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.services.events.sending import Failure, Order
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

KIND = "events.deliver"


def later(tx: Tx, platform: Platform, order: Order, *, due_ms: int) -> None:
    """Have an order performed through the outbox."""
    raise NotImplementedError


def failed(tx: Tx, platform: Platform, order: Order, failure: Failure, *, now_ms: int) -> None:
    """A first attempt failed: try again later, or write the dead letter."""
    raise NotImplementedError
