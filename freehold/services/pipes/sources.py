"""Sources: where a pipe's events come from. Queues now; streams will offer the same few methods."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from freehold.kit import arns
from freehold.ports.queues import Received

if TYPE_CHECKING:
    from freehold.ports.platform import Platform
    from freehold.store.base import ReadTx


@dataclass(frozen=True, slots=True)
class Item:
    """An event of a source, and the bytes of its JSON. `id` names it in partial failures; items of a `group` keep their
    order."""

    id: str
    receipt: str
    event: dict[str, Any]
    size: int
    group: str | None = None
    trace: str | None = None


class Source(Protocol):
    """A source of one pipe."""

    @property
    def watch_key(self) -> bytes:
        """Woken when there may be something to receive."""
        ...

    def exists(self, tx: ReadTx) -> bool: ...

    async def receive(self, most: int) -> tuple[list[Item], int | None]:
        """What is there now, and when (service time, ms) there will be more without anybody sending."""
        ...

    async def done(self, items: Sequence[Item]) -> None:
        """These are dealt with. What is not comes again by the source's own rules (a queue's visibility timeout)."""
        ...


class QueueSource:
    """An SQS queue."""

    def __init__(self, platform: Platform, arn: str) -> None:
        self._platform, self._arn = platform, arn
        parsed = arns.parse(arn)
        self._region = parsed.region if parsed is not None else ""

    @property
    def watch_key(self) -> bytes:
        return self._platform.queues.watch_key(self._arn)

    def exists(self, tx: ReadTx) -> bool:
        return self._platform.queues.settings(tx, self._arn) is not None

    async def receive(self, most: int) -> tuple[list[Item], int | None]:
        received, due_ms = await self._platform.queues.receive(self._arn, most=most)
        return [self._item(message) for message in received], due_ms

    async def done(self, items: Sequence[Item]) -> None:
        await self._platform.queues.delete(self._arn, [item.receipt for item in items])

    def _item(self, message: Received) -> Item:
        event: dict[str, Any] = {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": dict(message.system),
            "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._region,
        }
        if message.attributes_md5:
            event["md5OfMessageAttributes"] = message.attributes_md5
        system = message.system
        return Item(
            message.id,
            message.receipt,
            event,
            len(orjson.dumps(event)),
            system.get("MessageGroupId") if "SequenceNumber" in system else None,
            system.get("AWSTraceHeader"),
        )


def _attribute(value: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown
