"""What happened to an object, in the two forms in which S3 tells it: event records and EventBridge details. Pure.

Sources: S3 User Guide, "Event message structure" (record versions 2.1 and 2.3), "EventBridge event message structure".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from freehold.kit.clock import iso8601
from freehold.services.s3.model import Bucket, Notification, Version, customer_id
from freehold.wire.protocols.restxml import host_id

Record = dict[str, Any]

SERVICE = "s3.amazonaws.com"
"""The principal that delivers, and the one that lifecycle rules act as."""
_NO_BYTES = "d41d8cd98f00b204e9800998ecf8427e"
_REASONS = {"Put": "PutObject", "Copy": "CopyObject", "CompleteMultipartUpload": "CompleteMultipartUpload"}
_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "LifecycleExpiration": "Object Deleted",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectTagging:Delete": "Object Tags Deleted",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, by which request."""

    request_id: str
    principal_id: str
    requester: str
    """Account of the requester, or the service."""
    address: str
    """IP address of the requester, or the service."""
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. `name` has no "s3:"; `version` is what was written, tagged or removed, or the delete marker made."""

    name: str
    key: str
    version: Version
    at_ms: int

    @property
    def category(self) -> str:
        return self.name.partition(":")[0]

    @property
    def marked(self) -> bool:
        """Was a delete marker made?"""
        return self.name.endswith(":DeleteMarkerCreated")

    @property
    def sequencer(self) -> str:
        """Greater for later events of one key, compared as text. Empty for tags, whose order S3 does not tell."""
        if self.category == "ObjectTagging":
            return ""
        sequence = self.version.sequence
        if self.category != "ObjectCreated" and not self.marked:
            sequence = max(self.at_ms << 12, sequence + 1)
        return f"{sequence:018X}"


def wants(events: tuple[str, ...], name: str) -> bool:
    """Is an event among the configured ones? `name` has no "s3:"."""
    full = f"s3:{name}"
    return full in events or any(one.endswith("*") and full.startswith(one[:-1]) for one in events)


def destination(bucket: Bucket, happened: Happened) -> Notification | None:
    """Who is to be told. Configurations do not overlap, so there is one at most."""
    key = happened.key
    for one in bucket.notifications:
        if key.startswith(one.prefix or "") and key.endswith(one.suffix or "") and wants(one.events, happened.name):
            return one
    return None


def record(bucket: Bucket, happened: Happened, actor: Actor, configuration: str) -> Record:
    """The event record that queues, topics and functions get."""
    return {
        "eventVersion": "2.3" if happened.category in ("LifecycleExpiration", "ObjectTagging") else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso8601(happened.at_ms / 1000),
        "eventName": happened.name,
        "userIdentity": {"principalId": actor.principal_id},
        "requestParameters": {"sourceIPAddress": actor.address},
        "responseElements": {"x-amz-request-id": actor.request_id, "x-amz-id-2": host_id(actor.request_id)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": customer_id(bucket.account)},
                "arn": bucket.arn,
            },
            "object": _object(
                bucket, happened, quote_plus(happened.key, safe="/*").replace("~", "%7E"), "eTag", "versionId"
            ),
        },
    }


def detail_type(happened: Happened) -> str:
    """How EventBridge calls it."""
    return _DETAIL_TYPES.get(happened.name) or _DETAIL_TYPES[happened.category]


def detail(bucket: Bucket, happened: Happened, actor: Actor) -> Record:
    """The detail of the event on EventBridge. Keys are not encoded there."""
    found: Record = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": _object(bucket, happened, happened.key, "etag", "version-id"),
        "request-id": actor.request_id,
        "requester": actor.requester,
    }
    if actor.address != SERVICE:
        found["source-ip-address"] = actor.address
    if happened.category == "ObjectCreated":
        found["reason"] = _REASONS[happened.name.partition(":")[2]]
    elif happened.category != "ObjectTagging":
        found["reason"] = "DeleteObject" if happened.category == "ObjectRemoved" else "Lifecycle Expiration"
        found["deletion-type"] = "Delete Marker Created" if happened.marked else "Permanently Deleted"
    return found


def _object(bucket: Bucket, happened: Happened, key: str, etag: str, version_id: str) -> Record:
    version = happened.version
    found: Record = {"key": key}
    if happened.category == "ObjectCreated":
        found["size"] = version.size
    if happened.marked:
        found[etag] = _NO_BYTES
    elif happened.category in ("ObjectCreated", "ObjectTagging"):
        found[etag] = version.etag
    if bucket.versioning:
        found[version_id] = version.public_id
    if sequencer := happened.sequencer:
        found["sequencer"] = sequencer
    return found
