"""Destinations that keep what they are told, and what the tests of notifications ask of a bucket."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.store.base import ReadTx, Tx
from tests.services.s3.support import OWNER, S3

QUEUE = f"arn:aws:sqs:us-east-1:{OWNER}:q"
TOPIC = f"arn:aws:sns:us-east-1:{OWNER}:t"
FUNCTION = f"arn:aws:lambda:us-east-1:{OWNER}:function:f"


class Port:
    """Queues, topics, functions and events that keep what they are given as rows of the transaction."""

    def __init__(self) -> None:
        self.gone: dict[str, str] = {}
        """Destinations that refuse: code by ARN."""

    def check(self, tx: ReadTx, arn: str, source: Source) -> None:
        assert source == Source("s3.amazonaws.com", "arn:aws:s3:::bucket", OWNER)
        if arn in self.gone:
            raise Fault(self.gone[arn])

    def _keep(self, tx: Tx, arn: str, id: str, payload: Any) -> None:
        tx.put(b"told" + arn.encode() + b"\0" + id.encode(), orjson.dumps(payload))

    def send(self, tx: Tx, arn: str, messages: list[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        self.check(tx, arn, source)
        for one in messages:
            self._keep(tx, arn, one.id, orjson.loads(one.body))
        return [None] * len(messages)

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self.check(tx, arn, source)
        assert note.subject == "Amazon S3 Notification"
        self._keep(tx, arn, note.id, orjson.loads(note.message))

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self.check(tx, arn, source)
        self._keep(tx, arn, id, orjson.loads(payload))

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        kept = {"type": event.detail_type, "source": event.source, "resources": event.resources, "detail": event.detail}
        self._keep(tx, f"{account}:{region}", event.id, kept)


def listening(s3: S3) -> Port:
    """Give an S3 its neighbours."""
    port: Any = Port()
    s3.platform.queues = s3.platform.topics = s3.platform.functions = s3.platform.events = port
    found: Port = port
    return found


async def told(s3: S3, arn: str = QUEUE) -> list[Any]:
    """What a destination was told since the last look, in order of keys and sequence."""
    prefix = b"told" + arn.encode() + b"\0"

    def body(tx: Tx) -> list[Any]:
        found = tx.scan(prefix, prefix[:-1] + b"\1")
        for key, _ in found:
            tx.delete(key)
        return [orjson.loads(value) for _, value in found]

    return await s3.store.transact(body)


async def records_of(s3: S3, arn: str = QUEUE) -> list[dict[str, Any]]:
    found = [one for message in await told(s3, arn) for one in message["Records"]]
    return sorted(found, key=lambda one: (one["s3"]["object"]["key"], one["s3"]["object"].get("sequencer", "")))


async def configure(s3: S3, **configuration: Any) -> None:
    await s3("PutBucketNotificationConfiguration", Bucket="bucket", NotificationConfiguration=configuration)


def to_queue(*events: str, prefix: str | None = None, suffix: str | None = None, arn: str = QUEUE) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("suffix", suffix)) if value]
    return {"QueueArn": arn, "Events": list(events), **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})}
