"""Topics: how other services publish to SNS inside their own transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from freehold.ports.identity import Source
from freehold.store.base import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class Note:
    """A message to publish. `id` is its message id (a UUID), chosen before the transaction. `attributes` are message
    attributes in the shape of Publish."""

    id: str
    message: str
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group: str | None = None
    deduplication: str | None = None
    trace: str | None = None


class Topics(Protocol):
    """Offered by sns. Topics are named by ARN."""

    def publish(self, tx: Tx, topic_arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        """Publish inside the caller's transaction. Raises the Faults of Publish: NotFound, AuthorizationError (the
        topic's policy does not let `source` publish), InvalidParameter."""
        ...

    def check(self, tx: ReadTx, topic_arn: str, source: Source) -> None:
        """Raise the Fault that `publish` would raise for this topic and source."""
        ...

    async def signed(self, bodies: Sequence[str]) -> list[str]:
        """Bodies of queues' messages that were sent `unsigned` (ports.queues.Outgoing), with their signatures. The same
        body always gets the same signature. About 0.4 ms each, in a thread."""
        ...
