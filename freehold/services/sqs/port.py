"""Queues, as other services use them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from freehold.kit.faults import Fault
from freehold.kit.ids import BASE32, derived
from freehold.ports.identity import Source
from freehold.ports.platform import Platform
from freehold.ports.queues import Outgoing, QueueSettings, Received
from freehold.services.sqs import access, drafts, polling, receipts, rendering, state
from freehold.services.sqs.catalog import memory, no_queue
from freehold.services.sqs.digests import of_attributes
from freehold.services.sqs.model import MAX_DELAY_S, Delivery, Draft, Place, Queue, place_of_arn
from freehold.store.base import ReadTx, Tx

_MOST = 500
"""Messages in one transaction: three rows each."""


class QueuesPort:
    """The port `Queues`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def send(
        self, tx: Tx, queue_arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source
    ) -> list[str | None]:
        queue = self._existing(tx, queue_arn)
        access.check_source(queue, source)
        sender = sender_of(source)
        sent = state.send(tx, queue, [_draft(message, sender) for message in messages], now_ms, memory(self._platform))
        return [sequence for _, sequence in sent]

    def check(self, tx: ReadTx, queue_arn: str, source: Source) -> None:
        access.check_source(self._existing(tx, queue_arn), source)

    def settings(self, tx: ReadTx, queue_arn: str) -> QueueSettings | None:
        place = place_of_arn(queue_arn)
        queue = memory(self._platform).find(tx, place) if place is not None else None
        if queue is None:
            return None
        path = f"/{queue.place.account}/{queue.place.name}"
        return QueueSettings(queue.arn, path, queue.fifo, queue.record.visibility_s)

    def watch_key(self, queue_arn: str) -> bytes:
        return _place(queue_arn).watch_key

    async def receive(
        self, queue_arn: str, *, most: int, visibility_timeout_s: int | None = None
    ) -> tuple[list[Received], int | None]:
        place, platform = _place(queue_arn), self._platform
        found: list[Received] = []
        while len(found) < most:
            wanted = min(most - len(found), _MOST)
            queue, taken = await polling.Poll(platform, place, wanted, visibility_timeout_s).once(early=True)
            found += [_received(queue, delivery) for delivery in taken.deliveries]
            if not taken.more and len(taken.deliveries) < wanted:
                return found, taken.next_due_ms
        return found, None

    async def delete(self, queue_arn: str, receipts: Sequence[str]) -> None:
        now_ms = self._platform.clock.now_ms()
        for at in range(0, len(receipts), _MOST):
            handles = receipts[at : at + _MOST]

            def body(tx: Tx, handles: Sequence[str] = handles) -> None:
                state.delete(tx, self._existing(tx, queue_arn), handles, now_ms)

            await self._platform.store.transact(body, lane=self.watch_key(queue_arn))

    async def change_visibility(self, queue_arn: str, receipts: Sequence[str], timeout_s: int) -> None:
        now_ms = self._platform.clock.now_ms()

        def change(tx: Tx, handle: str) -> None:
            try:
                state.change_visibility(tx, self._existing(tx, queue_arn), handle, timeout_s, now_ms)
            except Fault as fault:  # stale: refused before anything was written
                if fault.code == "QueueDoesNotExist":
                    raise

        for at in range(0, len(receipts), _MOST):
            handles = receipts[at : at + _MOST]

            def body(tx: Tx, handles: Sequence[str] = handles) -> None:
                for handle in handles:
                    change(tx, handle)

            await self._platform.store.transact(body, lane=self.watch_key(queue_arn))

    def _existing(self, tx: ReadTx, queue_arn: str) -> Queue:
        return memory(self._platform).existing(tx, _place(queue_arn))


def _place(queue_arn: str) -> Place:
    place = place_of_arn(queue_arn)
    if place is None:
        raise no_queue()
    return place


@lru_cache(maxsize=1024)
def sender_of(source: Source) -> str:
    """The SenderId of messages that a service sends: on AWS an opaque id of the service."""
    if source.role is not None:
        return f"AROA{_opaque(source.role)}:{source.service.partition('.')[0]}"
    return f"AIDA{_opaque(source.service)}"


def _opaque(text: str) -> str:
    number = int(derived("sqs sender", text).replace("-", ""), 16)
    return "".join(BASE32[number >> 5 * at & 31] for at in range(17))


def _draft(message: Outgoing, sender: str) -> Draft:
    if message.delay_s is not None and not 0 <= message.delay_s <= MAX_DELAY_S:
        raise drafts.invalid(
            f"Value {message.delay_s} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        )
    if not message.body:
        raise Fault("MissingParameter", "The request must contain the parameter MessageBody.")
    draft = drafts.make(
        message.id,
        message.body,
        sender,
        drafts.parse_attributes(message.attributes),
        drafts.token("MessageGroupId", message.group),
        drafts.token("MessageDeduplicationId", message.deduplication),
        message.delay_s,
        message.trace or "",
    )
    if message.unsigned:
        draft.md5 = ""  # of what is received, that is: made then (polling.py)
    return draft


def _received(queue: Queue, delivery: Delivery) -> Received:
    message = delivery.message
    return Received(
        message.id,
        receipts.encode(queue.record.id, delivery.seq, delivery.receives),
        message.body,
        message.md5,
        rendering.shape(message.attributes),
        of_attributes(message.attributes) if message.attributes else None,
        rendering.system(queue, delivery),
    )
