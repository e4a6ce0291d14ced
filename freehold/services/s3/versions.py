"""Objects and their versions: state functions.

The current version of a key, where it is an object, is one row of `o`. Everything else (older versions, delete markers,
also a delete marker that is the latest) is in `v`, newest first. A bucket that never kept versions has only `o`.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from freehold.kit.faults import Fault
from freehold.services.s3 import rows
from freehold.services.s3.model import NULL, Aside, Bucket, Version
from freehold.store.base import ReadTx, Tx
from freehold.work.blobs import Blob, Blobs

ASIDE_BYTES = 4096
"""Bytes beyond which an object's content lies aside, so that a listing does not read it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What an object is to hold: its blob, and its Aside where it does not fit into the object's row."""

    blob: Blob
    aside: Aside | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete did: the version id to report (empty for none), and whether it is a delete marker."""

    version_id: str = ""
    marker: bool = False
    version: Version | None = None
    """What is gone, or the delete marker that was made; None where there was nothing to delete."""
    made: bool = False
    """Was a delete marker made?"""


def content_of(blob: Blob) -> Content:
    """How a blob that was just written lies in rows."""
    far = blob.inline is not None and len(blob.inline) > ASIDE_BYTES
    return Content(blob, Aside(blob) if far else None)


def current(tx: ReadTx, bucket: Bucket, key: bytes) -> Version | None:
    """The object that a key has now; None where there is none, or a delete marker."""
    raw = tx.get(rows.current_key(bucket.generation, key))
    return rows.decode_version(raw) if raw is not None else None


def find(tx: ReadTx, bucket: Bucket, key: bytes, version_id: str | None) -> Version | None:
    """The version that a read means; delete markers too. Raises InvalidArgument for an impossible version id."""
    if version_id is None:
        found = current(tx, bucket, key)
        if found is None and bucket.versioning:
            return _newest_in_history(tx, bucket, key)
        return found
    if version_id == NULL:
        found = current(tx, bucket, key)
        if found is not None and not found.version_id:
            return found
        return _null_in_history(tx, bucket, key)
    sequence = sequence_of(version_id)
    found = current(tx, bucket, key)
    if found is None or found.sequence != sequence:
        raw = tx.get(rows.history_key(bucket.generation, key, sequence))
        found = rows.decode_version(raw) if raw is not None else None
    return found if found is not None and found.version_id == version_id else None


def blob_of(tx: ReadTx, bucket: Bucket, version: Version) -> Blob:
    """Where an object's bytes are."""
    if version.blob is not None:
        return version.blob
    return aside_of(tx, bucket, version).blob


def aside_of(tx: ReadTx, bucket: Bucket, version: Version) -> Aside:
    """What lies aside of an object's row."""
    raw = tx.get(rows.aside_key(bucket.generation, version.aside))
    if raw is None:
        raise LookupError(f"the content of a version of bucket {bucket.name} is gone")
    return rows.decode_aside(raw)


def put(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes, new: Version, content: Content, entropy: str) -> Version:
    """Make `new` the current version of `key`; what it replaces is kept or released as the bucket's versioning says.

    `new` brings no id, sequence or place of its content; `entropy` is the random half of a version id.
    """
    generation = bucket.generation
    at = rows.current_key(generation, key)
    raw = tx.get(at)
    old = rows.decode_version(raw) if raw is not None else None
    sequence = _next_sequence(tx, bucket, key, old, new.modified_ms)
    if old is not None:
        _retire(tx, blobs, bucket, key, old)
    if bucket.versioning == "Suspended":
        _drop_null(tx, blobs, bucket, key)
    version_id = make_id(sequence, entropy) if bucket.versioning == "Enabled" else ""
    blob, aside = content.blob, content.aside
    if blob.inline is None and not blob.parts:
        blobs.claim(tx, blob)
    if aside is not None:
        tx.put(rows.aside_key(generation, blob.id), rows.encode(aside))
        made = replace(new, version_id=version_id, sequence=sequence, aside=blob.id)
    else:
        made = replace(new, version_id=version_id, sequence=sequence, blob=blob)
    tx.put(at, rows.encode(made))
    return made


def delete(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes, now_ms: int, entropy: str) -> Deletion:
    """Delete the current version: for good where no versions are kept, else by a delete marker."""
    old = current(tx, bucket, key)
    if not bucket.versioning:
        if old is not None:
            tx.delete(rows.current_key(bucket.generation, key))
            _release(tx, blobs, bucket, old)
        return Deletion(version=old)
    sequence = _next_sequence(tx, bucket, key, old, now_ms)
    if old is not None:
        tx.delete(rows.current_key(bucket.generation, key))
        _retire(tx, blobs, bucket, key, old)
    if bucket.versioning == "Suspended":
        _drop_null(tx, blobs, bucket, key)
    version_id = make_id(sequence, entropy) if bucket.versioning == "Enabled" else ""
    marker = Version(version_id, sequence, now_ms, marker=True)
    _put_history(tx, bucket, key, marker)
    return Deletion(marker.public_id, True, marker, made=True)


def delete_version(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes, version_id: str) -> Deletion:
    """Delete one version for good; deleting what is not there succeeds. The newest version left becomes current."""
    found = find(tx, bucket, key, version_id)
    if found is None:
        return Deletion(version_id)
    at = rows.current_key(bucket.generation, key)
    raw = tx.get(at)
    if raw is not None and rows.decode_version(raw).sequence == found.sequence:
        tx.delete(at)
        _release(tx, blobs, bucket, found)
        _promote(tx, bucket, key)
        return Deletion(version_id, version=found)
    _drop_history(tx, blobs, bucket, key, found)
    if raw is None:
        _promote(tx, bucket, key)
    return Deletion(version_id, found.marker, found)


def update(tx: Tx, bucket: Bucket, key: bytes, version: Version) -> None:
    """Write a version back whose tags have changed, wherever it lies."""
    at = rows.current_key(bucket.generation, key)
    raw = tx.get(at)
    if raw is not None and rows.decode_version(raw).sequence == version.sequence:
        tx.put(at, rows.encode(version))
    else:
        tx.put(rows.history_key(bucket.generation, key, version.sequence), rows.encode(version))


def make_id(sequence: int, entropy: str) -> str:
    """A version id: 16 hexadecimal digits that find the row, 16 that nobody can guess."""
    return f"{sequence:016x}{entropy}"


def sequence_of(version_id: str) -> int:
    """The sequence inside a version id. Raises InvalidArgument where it cannot be one."""
    try:
        if len(version_id) == 32:
            return int(version_id[:16], 16)
    except ValueError:
        pass
    raise Fault(
        "InvalidArgument",
        "Invalid version id specified",
        status=400,
        ArgumentName="versionId",
        ArgumentValue=version_id,
    )


def _next_sequence(tx: ReadTx, bucket: Bucket, key: bytes, old: Version | None, now_ms: int) -> int:
    """Later than every version of the key, even when the clock stands."""
    newest = old
    if newest is None and bucket.versioning:
        newest = _newest_in_history(tx, bucket, key)
    return max(now_ms << 12, newest.sequence + 1 if newest is not None else 0)


def _newest_in_history(tx: ReadTx, bucket: Bucket, key: bytes) -> Version | None:
    start, end = rows.history_span(bucket.generation, key)
    found = tx.scan(start, end, limit=1)
    return rows.decode_version(found[0][1]) if found else None


def _null_in_history(tx: ReadTx, bucket: Bucket, key: bytes) -> Version | None:
    raw = tx.get(rows.null_key(bucket.generation, key))
    if raw is None:
        return None
    found = tx.get(rows.history_key(bucket.generation, key, rows.decode_int(raw)))
    return rows.decode_version(found) if found is not None else None


def _retire(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes, old: Version) -> None:
    """What was current is replaced: kept among the versions, or released where it is replaced for good."""
    if bucket.versioning == "Enabled" or (bucket.versioning == "Suspended" and old.version_id):
        _put_history(tx, bucket, key, old)
    else:
        _release(tx, blobs, bucket, old)


def _put_history(tx: Tx, bucket: Bucket, key: bytes, version: Version) -> None:
    tx.put(rows.history_key(bucket.generation, key, version.sequence), rows.encode(version))
    if not version.version_id:
        tx.put(rows.null_key(bucket.generation, key), rows.encode(version.sequence))


def _drop_null(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes) -> None:
    found = _null_in_history(tx, bucket, key)
    if found is not None:
        _drop_history(tx, blobs, bucket, key, found)


def _drop_history(tx: Tx, blobs: Blobs, bucket: Bucket, key: bytes, version: Version) -> None:
    tx.delete(rows.history_key(bucket.generation, key, version.sequence))
    if not version.version_id:
        tx.delete(rows.null_key(bucket.generation, key))
    if not version.marker:
        _release(tx, blobs, bucket, version)


def _promote(tx: Tx, bucket: Bucket, key: bytes) -> None:
    """The newest version left is the current one now; a delete marker stays where it is."""
    newest = _newest_in_history(tx, bucket, key)
    if newest is None or newest.marker:
        return
    tx.delete(rows.history_key(bucket.generation, key, newest.sequence))
    if not newest.version_id:
        tx.delete(rows.null_key(bucket.generation, key))
    tx.put(rows.current_key(bucket.generation, key), rows.encode(newest))


def _release(tx: Tx, blobs: Blobs, bucket: Bucket, version: Version) -> None:
    """The bytes of a version that is removed."""
    if version.blob is not None:
        if version.blob.inline is None:
            blobs.release(tx, version.blob)
        return
    at = rows.aside_key(bucket.generation, version.aside)
    raw = tx.get(at)
    if raw is not None:
        blobs.release(tx, rows.decode_aside(raw).blob)
        tx.delete(at)
