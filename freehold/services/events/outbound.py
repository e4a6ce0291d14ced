"""Orders that take a call: log groups, API destinations, APIs of API Gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.services.events.sending import Failure, Order

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


async def send(platform: Platform, order: Order) -> Failure | None:
    """Send an order. None: it arrived."""
    return Failure("INVALID_PARAMETER", f"Freehold cannot send to {order.target.arn}.", False)
