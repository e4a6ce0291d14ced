"""FIFO topics: sequence numbers, and deduplication for five minutes.

("sns", "q", topic id)                          the last sequence number and the bucket of the last message
("sns", "d", topic id, bucket, scope digest)    a deduplication id: the message it was published with
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from freehold.kit.tuples import pack
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import DEDUPLICATION_MS, Topic
from freehold.store.base import Tx
from freehold.store.limits import MAX_SCAN

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TIMER = "sns.deduplication"
_FIRST = 10_000_000_000_000_000_000


class Last(msgspec.Struct, array_like=True):
    number: int
    bucket: int


class Seen(msgspec.Struct, array_like=True):
    """The message that a deduplication id belongs to."""

    message_id: str
    number: int
    at_ms: int


def number_text(number: int) -> str:
    """A sequence number: 20 digits, growing."""
    return str(_FIRST + number)


def take(tx: Tx, platform: Platform, topic: Topic, draft: Draft, message_id: str, now_ms: int) -> tuple[Seen, bool]:
    """The message's place in the order, and whether it is a duplicate, whose first message it then is."""
    scope = draft.deduplication_of(topic)
    if topic.attributes.get("FifoThroughputScope") == "MessageGroup":
        scope = f"{draft.group}\x1f{scope}"
    digest = hashlib.sha256(scope.encode()).digest()
    bucket = now_ms // DEDUPLICATION_MS
    for at in (bucket, bucket - 1):
        raw = tx.get(pack("sns", "d", topic.id, at, digest))
        if raw is not None:
            seen = msgspec.msgpack.decode(raw, type=Seen)
            if seen.at_ms + DEDUPLICATION_MS > now_ms:
                return seen, True
    key = pack("sns", "q", topic.id)
    raw = tx.get(key)
    last = Last(0, -1) if raw is None else msgspec.msgpack.decode(raw, type=Last)
    seen = Seen(message_id, last.number + 1, now_ms)
    if bucket - last.bucket > 1:  # else a timer is set, which must not be put off by every bucket that is written
        platform.timers.set(tx, TIMER, topic.id.encode(), (bucket + 2) * DEDUPLICATION_MS)
    tx.put(key, msgspec.msgpack.encode(Last(seen.number, bucket)))
    tx.put(pack("sns", "d", topic.id, bucket, digest), msgspec.msgpack.encode(seen))
    return seen, False


async def forget(platform: Platform, key: bytes) -> int | None:
    """Timer: delete deduplication ids that no longer hold. Answers when there is something to delete again."""
    topic_id = key.decode()
    now_ms = platform.clock.now_ms()
    bucket = now_ms // DEDUPLICATION_MS
    start, end = pack("sns", "d", topic_id), pack("sns", "d", topic_id, bucket - 1)
    while await platform.store.transact(lambda tx: tx.clear(start, end)) == MAX_SCAN:
        pass
    left = await platform.store.read(lambda tx: tx.scan(start, pack("sns", "d", topic_id) + b"\xff", limit=1))
    return (bucket + 1) * DEDUPLICATION_MS if left else None
