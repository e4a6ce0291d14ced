"""Messages to HTTP endpoints as rows of the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from freehold.services.sns.model import Subscription, TopicName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

KIND = "sns.http"


class Job(msgspec.Struct, array_like=True, kw_only=True):
    """One message to one HTTP endpoint. `attempt` counts from 1; `turn` counts the rows it has had."""

    kind: str
    topic: TopicName
    topic_id: str
    subscription_id: str
    delivery_id: str
    message_id: str
    text: str
    published_ms: int
    subject: str | None = None
    attributes: dict[str, dict[str, Any]] = {}
    trace: str | None = None
    token: str = ""
    attempt: int = 1
    turn: int = 0
    admitted: bool = False
    """It waited for its place under the throttle policy, and has it now."""
    removed: Subscription | None = None
    """Of an UnsubscribeConfirmation: the subscription that is gone."""


def add(tx: Tx, platform: Platform, job: Job, due_ms: int) -> None:
    """Have it posted at `due_ms`."""
    platform.outbox.add(tx, KIND, msgspec.msgpack.encode(job), id=f"{job.delivery_id}.{job.turn}", due_ms=due_ms)
