"""Queues: how other services send to SQS inside their own transactions, and how mappings and pipes consume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from freehold.ports.identity import Source
from freehold.store.base import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. `id` is its message id (a UUID), chosen before the transaction. `attributes` are message
    attributes in the shape of SendMessage (`{"DataType": "String", "StringValue": "x"}`, BinaryValue as bytes)."""

    id: str
    body: str
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group: str | None = None
    deduplication: str | None = None
    delay_s: int | None = None
    """None: the queue's own delay."""
    trace: str | None = None
    """The system attribute AWSTraceHeader."""
    unsigned: bool = False
    """The body lacks its signature: whoever receives it gets what `Topics.signed` makes of it, always the same and as long
    as this. A signature costs more than the sending, and most messages are received by those who look at none."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message in flight, under its receipt handle. `system` are all its system attributes, as strings."""

    id: str
    receipt: str
    body: str
    body_md5: str
    attributes: Mapping[str, Mapping[str, Any]]
    attributes_md5: str | None
    system: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What a consumer must know of a queue."""

    arn: str
    url_path: str
    """`/{account}/{name}`."""
    fifo: bool
    visibility_timeout_s: int


class Queues(Protocol):
    """Offered by sqs. Queues are named by ARN."""

    def send(
        self, tx: Tx, queue_arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source
    ) -> list[str | None]:
        """Send inside the caller's transaction: durable with it or not at all. Answers sequence numbers (FIFO).

        A duplicate within a FIFO queue's deduplication interval is taken and not delivered. Raises the Faults of
        SendMessage: QueueDoesNotExist, AccessDenied (the queue's policy does not let `source` send),
        InvalidParameterValue, MissingParameter (a FIFO queue needs a group), and so on; then nothing was sent.
        """
        ...

    def check(self, tx: ReadTx, queue_arn: str, source: Source) -> None:
        """Raise the Fault that `send` would raise for this queue and source: QueueDoesNotExist, AccessDenied."""
        ...

    def settings(self, tx: ReadTx, queue_arn: str) -> QueueSettings | None:
        """None where there is no such queue. Cheap: cached under the queue's version."""
        ...

    def watch_key(self, queue_arn: str) -> bytes:
        """The store's key that is woken when a message may have become receivable by a send or a change of visibility.
        Time makes messages receivable too: see `receive`."""
        ...

    async def receive(
        self, queue_arn: str, *, most: int, visibility_timeout_s: int | None = None
    ) -> tuple[list[Received], int | None]:
        """Up to `most` (at most 1,000) messages that are receivable now, and if there were fewer, the service time (ms)
        at which the next one will be (None: not before somebody sends). Does not wait; on the embedded engine not even
        until the receive is durable: the work on a message may begin, and whoever it is lost to in a crash gets it again.
        Raises QueueDoesNotExist."""
        ...

    async def delete(self, queue_arn: str, receipts: Sequence[str]) -> None:
        """Delete messages (at most 1,000); receipts that are stale or unknown are passed over, as DeleteMessage does."""
        ...

    async def change_visibility(self, queue_arn: str, receipts: Sequence[str], timeout_s: int) -> None:
        """Make messages in flight receivable again after `timeout_s` seconds (0: at once); stale ones are passed over."""
        ...
