"""Values of S3 as they lie in rows."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

import msgspec

from freehold.work.blobs import Blob

NULL = "null"
"""The version id of an object written while its bucket kept no versions; in rows it is the empty string."""


class Notification(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What one destination is told of a bucket."""

    id: str
    kind: str
    """"queue", "topic" or "function"."""
    arn: str
    events: tuple[str, ...]
    """With their "s3:", as they were given."""
    prefix: str | None = None
    suffix: str | None = None


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bucket and its configurations. `generation` is fresh for every creation: it prefixes the bucket's rows."""

    name: str
    account: str
    region: str
    generation: str
    created_ms: int
    versioning: str = ""
    """Never set (""), "Enabled" or "Suspended"."""
    tags: dict[str, str] = {}
    policy: str | None = None
    encryption: dict[str, Any] | None = None
    public_access_block: dict[str, bool] | None = None
    ownership: str = "BucketOwnerEnforced"
    cors: list[dict[str, Any]] | None = None
    lifecycle: list[dict[str, Any]] | None = None
    notifications: tuple[Notification, ...] = ()
    event_bridge: bool = False
    """Does EventBridge's default bus hear of every event?"""

    @property
    def notifies(self) -> bool:
        """Does anybody want to hear what happens to the objects?"""
        return bool(self.notifications) or self.event_bridge

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


class Version(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One version of an object, or a delete marker. New fields go to the end, with defaults."""

    version_id: str
    """Empty for the null version."""
    sequence: int
    """Orders the versions of one key: later ones are greater."""
    modified_ms: int
    size: int = 0
    etag: str = ""
    """Without its quotes."""
    blob: Blob | None = None
    """The bytes, unless they lie aside."""
    aside: str = ""
    """Id of the row which holds the bytes, or the parts of a multipart upload."""
    headers: dict[str, str] = {}
    """System metadata by member name (ContentType, CacheControl, ...)."""
    metadata: dict[str, str] = {}
    algorithm: str = ""
    checksum: str = ""
    checksum_type: str = ""
    tags: dict[str, str] = {}
    storage_class: str = ""
    """Empty for STANDARD."""
    part_count: int = 0
    """Of a multipart upload; 0 for an object put at once."""
    marker: bool = False
    """A delete marker."""

    @property
    def public_id(self) -> str:
        """The version id that callers see."""
        return self.version_id or NULL

    @property
    def quoted_etag(self) -> str:
        return f'"{self.etag}"'


class PartRecord(msgspec.Struct, frozen=True, array_like=True):
    """A part of a completed multipart object: for partNumber reads and GetObjectAttributes."""

    number: int
    size: int
    checksum: str = ""


class Aside(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of an object, or the names of its pieces, too long to lie in the row that listings read."""

    blob: Blob
    parts: list[PartRecord] = []


class Upload(msgspec.Struct, frozen=True, array_like=True):
    """A multipart upload under way."""

    upload_id: str
    initiated_ms: int
    headers: dict[str, str]
    metadata: dict[str, str]
    tags: dict[str, str]
    storage_class: str
    algorithm: str
    """What the client asked for; empty where it left the choice to S3 (CRC64NVME)."""
    checksum_type: str
    initiator: str
    """ARN of who began it."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """An uploaded part."""

    number: int
    size: int
    etag: str
    modified_ms: int
    blob: Blob
    algorithm: str
    checksum: str
    crc64nvme: str = ""
    """Kept beside a part's own checksum where the upload left the algorithm to S3."""


@lru_cache(maxsize=256)
def owner_id(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits, made from the account id."""
    return hashlib.sha256(b"freehold canonical user " + account.encode()).hexdigest()


@lru_cache(maxsize=256)
def customer_id(account: str) -> str:
    """The customer id of an account, by which event records name owners and root users."""
    return "A" + base64.b32encode(hashlib.sha256(b"freehold customer " + account.encode()).digest())[:13].decode()


def owner(account: str) -> dict[str, str]:
    """An `Owner` structure. S3 no longer returns DisplayName (since November 2025)."""
    return {"ID": owner_id(account)}
