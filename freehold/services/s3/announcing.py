"""Telling what happens to objects: deliveries are part of the transaction that makes it happen.

A destination that is gone, or refuses S3 by its policy, is not told, as on AWS; a row counts what was dropped:

    s3 f {generation}{configuration id}    Dropped
"""

from __future__ import annotations

import msgspec
import orjson

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.call import Call
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.ports.platform import Platform
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.s3 import records, rows
from freehold.services.s3.access import ANONYMOUS
from freehold.services.s3.model import Bucket, Notification, Version, customer_id
from freehold.services.s3.records import SERVICE, Actor, Happened
from freehold.services.s3.versions import Deletion
from freehold.store.base import Tx

SUBJECT = "Amazon S3 Notification"


class Dropped(msgspec.Struct, frozen=True, array_like=True):
    """Notifications that did not reach their destination."""

    arn: str
    count: int
    code: str
    """Why the last one did not."""
    at_ms: int


_decode_dropped = msgspec.msgpack.Decoder(Dropped).decode


def actor_of(call: Call) -> Actor:
    """Who makes a call, as event records name them."""
    principal = call.principal
    if principal.account == ANONYMOUS:
        who = "Anonymous"
    elif principal.arn.endswith(":root"):
        who = customer_id(principal.account)
    else:
        who = f"AWS:{principal.user_id}"
    address = call.http.client if call.http is not None else SERVICE
    return Actor(call.request_id, who, principal.account, address, call.cause.trace)


def lifecycle_actor(request_id: str) -> Actor:
    """S3 itself, by its lifecycle rules."""
    return Actor(request_id, SERVICE, SERVICE, SERVICE)


def source_of(bucket: Bucket) -> Source:
    """Who delivers: what the policies of destinations decide about."""
    return Source(SERVICE, bucket.arn, bucket.account)


def created(tx: Tx, call: Call, bucket: Bucket, key: str, made: Version, how: str, seed: str) -> None:
    """An object was made. `how` is Put, Copy or CompleteMultipartUpload; `seed` is unique to this change."""
    happened = Happened(f"ObjectCreated:{how}", key, made, made.modified_ms)
    announce(tx, call.platform, bucket, happened, actor_of(call), seed)


def deleted(
    tx: Tx, platform: Platform, bucket: Bucket, key: str, done: Deletion, actor: Actor, now_ms: int, seed: str
) -> None:
    """Something was deleted, unless there was nothing."""
    if done.version is None:
        return
    category = "LifecycleExpiration" if actor.requester == SERVICE else "ObjectRemoved"
    kind = "DeleteMarkerCreated" if done.made else "Delete"
    announce(tx, platform, bucket, Happened(f"{category}:{kind}", key, done.version, now_ms), actor, seed)


def announce(tx: Tx, platform: Platform, bucket: Bucket, happened: Happened, actor: Actor, seed: str) -> None:
    """Tell whoever is to hear it. Costs nothing more than this call where nobody is."""
    found = records.destination(bucket, happened)
    if found is not None:
        payload = orjson.dumps({"Records": [records.record(bucket, happened, actor, found.id)]})
        try:
            deliver(tx, platform, bucket, found, payload, derived("s3", seed, found.id), happened.at_ms, actor.trace)
        except Fault as fault:
            _drop(tx, bucket, found, fault.code, happened.at_ms)
    if bucket.event_bridge:
        event = Event(
            derived("s3", seed, "event"), "aws.s3", records.detail_type(happened),
            records.detail(bucket, happened, actor), (bucket.arn,), happened.at_ms / 1000, actor.trace,
        )  # fmt: skip
        platform.events.emit(tx, bucket.account, bucket.region, event, now_ms=happened.at_ms)


def deliver(
    tx: Tx,
    platform: Platform,
    bucket: Bucket,
    to: Notification,
    payload: bytes,
    id: str,
    now_ms: int,
    trace: str | None,
) -> None:
    """Hand a payload to one destination. Raises the destination's Faults, having written nothing."""
    source = source_of(bucket)
    if to.kind == "queue":
        platform.queues.send(tx, to.arn, [Outgoing(id, payload.decode(), trace=trace)], now_ms=now_ms, source=source)
    elif to.kind == "topic":
        platform.topics.publish(
            tx, to.arn, Note(id, payload.decode(), SUBJECT, trace=trace), now_ms=now_ms, source=source
        )
    else:
        platform.functions.enqueue(tx, to.arn, payload, id=id, now_ms=now_ms, source=source, trace=trace)


def _drop(tx: Tx, bucket: Bucket, to: Notification, code: str, now_ms: int) -> None:
    key = rows.dropped_key(bucket.generation, to.id)
    raw = tx.get(key)
    before = _decode_dropped(raw).count if raw is not None else 0
    tx.put(key, rows.encode(Dropped(to.arn, before + 1, code, now_ms)))


def describe_dropped(raw: bytes) -> dict[str, str | int]:
    """What a row says of notifications that were dropped."""
    found = _decode_dropped(raw)
    return {"destination": found.arn, "count": found.count, "lastCode": found.code, "lastTimeMs": found.at_ms}
