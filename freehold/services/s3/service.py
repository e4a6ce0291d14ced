"""Amazon S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.s3 import (
    announcing,
    buckets,
    check,
    configurations,
    copying,
    cors,
    deletions,
    expiring,
    lifecycle,
    lists,
    notifications,
    objects,
    policies,
    rows,
    sweep,
    tagging,
    uploads,
)
from freehold.services.s3.resources import TYPES
from freehold.store.base import ReadTx
from freehold.work.members import TTL_S

ACTIONS = {
    "ListBuckets": "ListAllMyBuckets",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
}
"""IAM actions whose names differ (Service Authorization Reference, "Actions for Amazon S3")."""


def arn(call: Call) -> str:
    """The bucket or object that a call names, else every bucket."""
    bucket = call.params.get("Bucket")
    if bucket is None:
        return "arn:aws:s3:::*"
    key = call.params.get("Key")
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


async def start(platform: Platform) -> None:
    """Take up clearing that a crash interrupted."""
    if platform.duties.members.alone:
        sweep.begin(platform)
    else:
        platform.duties.run("sweep:s3", lambda _: sweep.watch_over(platform, TTL_S))


async def undelivered(platform: Platform, query: Mapping[str, str]) -> Any:
    """GET /_freehold/s3-notifications?bucket=...: what notifications did not reach their destinations, and why."""

    def body(tx: ReadTx) -> list[dict[str, Any]]:
        bucket = rows.find_bucket(tx, query.get("bucket", ""))
        if bucket is None:
            return []
        start, end = rows.whole("f", bucket.generation)
        return [
            {"configurationId": key[len(start) :].decode(), **announcing.describe_dropped(value)}
            for key, value in tx.scan(start, end)
        ]

    return {"undelivered": await platform.store.read(body)}


MANIFEST = Manifest(
    model="s3",
    handlers=(
        objects,
        deletions,
        buckets,
        lists,
        uploads,
        copying,
        tagging,
        policies,
        configurations,
        notifications,
        expiring,
        cors,
    ),
    arn=arn,
    prefix="s3",
    actions=ACTIONS,
    types=TYPES,
    timers={lifecycle.TIMER: expiring.due},
    control={"s3-notifications": undelivered},
    preflight=cors.preflight,
    start=start,
    check=check.check,
)
