"""Delivery status: failures counted, and where a topic has the feedback attributes, records in CloudWatch Logs.

Source: SNS Developer Guide, "Amazon SNS message delivery status": groups sns/{region}/{account}/{topic} and
.../Failure, the record's shape. Records are written with the deliveries (an outbox row) and logged after the commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from freehold.kit.clock import iso8601
from freehold.kit.ids import derived
from freehold.services.sns.model import TopicName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform
    from freehold.work.outbox import Delivery

KIND = "sns.status"
FAMILIES = {"http": "HTTP", "https": "HTTP", "sqs": "SQS", "lambda": "Lambda", "application": "Application"}


class Record(msgspec.Struct, array_like=True):
    """How one delivery ended. `redriven`: it failed, and did the dead-letter queue take it? None where there is none."""

    protocol: str
    destination: str
    delivery_id: str
    response: str
    code: int
    success: bool
    attempts: int = 1
    dwell_ms: int = 0
    redriven: bool | None = None
    logged: bool = False


class _Batch(msgspec.Struct, array_like=True):
    topic: TopicName
    message_id: str
    message_md5: str
    published_ms: int
    records: list[Record]


def wants(feedback: Mapping[str, str], protocol: str, delivery_id: str, *, success: bool) -> bool:
    """Is this delivery to be logged? Failures all, successes by the sample rate (0 where none is set)."""
    family = FAMILIES.get(protocol)
    if family is None:
        return False
    if not success:
        return f"{family}FailureFeedbackRoleArn" in feedback
    if f"{family}SuccessFeedbackRoleArn" not in feedback:
        return False
    rate = int(feedback.get(f"{family}SuccessFeedbackSampleRate", 0))
    return rate > 0 and int(delivery_id[:8], 16) % 100 < rate


def keep(
    tx: Tx,
    platform: Platform,
    topic: TopicName,
    message_id: str,
    message: str,
    published_ms: int,
    records: list[Record],
    *,
    now_ms: int,
) -> None:
    """Have records counted and logged after the commit."""
    md5 = hashlib.md5(message.encode(), usedforsecurity=False).hexdigest()
    batch = _Batch(topic, message_id, md5, published_ms, records)
    unique = f"{message_id}.{records[0].delivery_id}.{records[0].attempts}"
    platform.outbox.add(tx, KIND, msgspec.msgpack.encode(batch), id=unique, due_ms=now_ms)


def count(platform: Platform, topic: TopicName, metric: str, value: float = 1.0) -> None:
    """Count under the name of the metric in CloudWatch."""
    platform.meters.add(topic.account, topic.region, f"AWS/SNS:{metric}", value, TopicName=topic.name)


async def deliver(platform: Platform, delivery: Delivery) -> None:
    """Outbox: count and log."""
    batch = msgspec.msgpack.decode(delivery.payload, type=_Batch)
    topic, now_ms = batch.topic, platform.clock.now_ms()
    group = f"sns/{topic.region}/{topic.account}/{topic.name}"
    for record in batch.records:
        if not record.success:
            count(platform, topic, "NumberOfNotificationsFailed")
            if record.redriven is not None:
                suffix = "RedrivenToDlq" if record.redriven else "FailedToRedriveToDlq"
                count(platform, topic, f"NumberOfNotifications{suffix}")
        if record.logged:
            line = orjson.dumps(_shown(batch, record)).decode()
            where = group if record.success else f"{group}/Failure"
            stream = derived(topic.arn, iso8601(now_ms / 1000)[:10])
            platform.logs.write(topic.account, topic.region, where, stream, [(now_ms, line)])


def _shown(batch: _Batch, record: Record) -> dict[str, Any]:
    at = datetime.fromtimestamp(batch.published_ms / 1000, UTC)
    return {
        "notification": {
            "messageMD5Sum": batch.message_md5,
            "messageId": batch.message_id,
            "topicArn": batch.topic.arn,
            "timestamp": f"{at:%Y-%m-%d %H:%M:%S}.{batch.published_ms % 1000:03d}",
        },
        "delivery": {
            "deliveryId": record.delivery_id,
            "destination": record.destination,
            "providerResponse": record.response,
            "dwellTimeMs": record.dwell_ms,
            "attempts": record.attempts,
            "statusCode": record.code,
        },
        "status": "SUCCESS" if record.success else "FAILURE",
    }
