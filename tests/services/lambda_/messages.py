"""Queues, topics and buses whose messages are rows of the test's own: what a transaction sent is there if it committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.store.base import ReadTx, Store, Tx


class Messages:
    """The ports Queues, Topics and Events, as far as destinations use them. A target whose name ends in "gone" is not
    there, one that ends in "broken" fails as nothing should; a queue whose name ends in "full" refuses messages."""

    def __init__(self) -> None:
        self.sources: list[Source] = []

    def _take(self, tx: Tx, target: str, id: str, message: Any, source: Source) -> None:
        self.check(tx, target, source)
        self.sources.append(source)
        if target.endswith("broken"):
            raise KeyError(target)
        tx.put(pack("sent", target, id), msgspec.msgpack.encode(message))

    def check(self, tx: ReadTx, target: str, source: Source) -> None:
        if target.endswith("gone"):
            raise Fault("QueueDoesNotExist", "The specified queue does not exist.")

    def send(
        self, tx: Tx, queue_arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source
    ) -> list[str | None]:
        (message,) = messages
        if queue_arn.endswith("full"):
            raise Fault("OverLimit", "Too many messages.")
        self._take(tx, queue_arn, message.id, message, source)
        return [None]

    def publish(self, tx: Tx, topic_arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self._take(tx, topic_arn, note.id, note, source)

    def put(self, tx: Tx, bus_arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        self._take(tx, bus_arn, event.id, event, source)


async def sent(store: Store, target: str) -> list[dict[str, Any]]:
    """What a target has got."""
    rows = await store.read(lambda tx: tx.scan(*span("sent", target)))
    return [msgspec.msgpack.decode(raw) for _, raw in rows]
