"""S3's invariants: every object has its bytes, versions are in order, and what nothing names is being cleared."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import unpack
from freehold.services.s3 import rows
from freehold.services.s3.announcing import Dropped
from freehold.services.s3.model import Aside, Bucket, Version
from freehold.work.checking import Report, Snapshot, shown

_bucket = msgspec.msgpack.Decoder(Bucket).decode
_dropped = msgspec.msgpack.Decoder(Dropped).decode

_OF_BUCKETS = ("o", "v", "n", "d", "u", "p", "f")


def check(snapshot: Snapshot, report: Report) -> None:
    """Buckets one after the other, then what belongs to none."""
    buckets = 0
    for key, value in snapshot.below("s3", "b"):
        buckets += 1
        bucket = report.decode(shown(key), value, _bucket)
        if bucket is None:
            continue
        if snapshot.get(rows.owned_key(bucket.account, bucket.name)) is None:
            report.broken(f"bucket {bucket.name} is not among those of its account {bucket.account}")
        report.notes.put("generation", bucket.generation.encode())
        _check_bucket(snapshot, report, bucket.name, bucket.generation)
    report.same("buckets by account", sum(1 for _ in snapshot.below("s3", "a")), buckets)
    for kind in snapshot.next_parts("s3"):
        if kind in _OF_BUCKETS:
            for generation in snapshot.next_parts("s3", kind, raw=True):
                _unnamed(snapshot, report, str(kind), str(generation))
        elif kind not in ("a", "b", "x"):
            report.broken(f"there are rows of unknown kind {kind!r}")


def _check_bucket(snapshot: Snapshot, report: Report, name: str, generation: str) -> None:
    report.notes.forget("aside")
    prefix = rows.space("o", generation)
    for key, value in snapshot.under(prefix):
        what = f"object {name}/{_text(key[len(prefix) :])}"
        version = report.decode(what, value, rows.decode_version)
        if version is None:
            continue
        if version.marker:
            report.broken(f"{what} is a delete marker, which is never current")
        _bytes(snapshot, report, what, generation, version)
    _history(snapshot, report, name, generation)
    for key, value in snapshot.below("s3", "f", generation):
        report.decode(shown(key), value, _dropped)
    asides = sum(1 for _ in snapshot.below("s3", "d", generation))
    report.same(f"bucket {name} has rows aside", asides, sum(1 for _ in report.notes.all("aside")))
    _uploads(snapshot, report, name, generation)


def _bytes(snapshot: Snapshot, report: Report, what: str, generation: str, version: Version) -> None:
    """The bytes of a version, and their size."""
    blob = version.blob
    if version.aside:
        if not report.notes.put("aside", version.aside.encode()):
            report.broken(f"{what} shares the row of its bytes with another version")
        raw = snapshot.get(rows.aside_key(generation, version.aside))
        aside: Aside | None = report.decode(f"the bytes of {what}", raw, rows.decode_aside) if raw is not None else None
        if aside is None:
            report.broken(f"{what} has lost its bytes: there is no row {version.aside} aside")
            return
        blob = aside.blob
    if blob is None:
        report.broken(f"{what} names no bytes")
        return
    report.same(f"{what} has bytes", blob.size, version.size)
    if blob.parts:
        report.same(f"{what} has bytes in its parts", sum(part.size for part in blob.parts), blob.size)
    report.names(what, blob)


def _history(snapshot: Snapshot, report: Report, name: str, generation: str) -> None:
    """Versions that are not current, newest first; the newest of all is current unless it is a delete marker."""
    nulls, last = 0, None
    prefix = rows.space("v", generation)
    for row_key, value in snapshot.under(prefix):
        key, sequence = rows.split_history(generation, row_key)
        what = f"version {sequence:x} of {name}/{_text(key)}"
        version = report.decode(what, value, rows.decode_version)
        if version is None:
            continue
        report.same(f"{what} is of sequence", version.sequence, sequence)
        if key != last:
            last = key
            _newest(snapshot, report, what, generation, key, version)
        if not version.version_id:
            nulls += 1
            raw = snapshot.get(rows.null_key(generation, key))
            if raw is None or report.decode(what, raw, rows.decode_int) != sequence:
                report.broken(f"{what} is the null version, but is not found as such")
        if not version.marker:
            _bytes(snapshot, report, what, generation, version)
    report.same(
        f"bucket {name} has rows of null versions", sum(1 for _ in snapshot.below("s3", "n", generation)), nulls
    )


def _newest(snapshot: Snapshot, report: Report, what: str, generation: str, key: bytes, version: Version) -> None:
    raw = snapshot.get(rows.current_key(generation, key))
    current = report.decode(what, raw, rows.decode_version) if raw is not None else None
    if current is None and not version.marker:
        report.broken(f"{what} is the newest that is left, but the key has no current version")
    if current is not None and current.sequence <= version.sequence:
        report.broken(f"{what} is newer than the current version")


def _uploads(snapshot: Snapshot, report: Report, name: str, generation: str) -> None:
    """Uploads under way and their parts; parts of ended uploads only where they are being cleared."""
    report.notes.forget("upload")
    for row_key, value in snapshot.below("s3", "u", generation):
        upload = report.decode(shown(row_key), value, rows.decode_upload)
        if upload is not None:
            report.notes.put("upload", upload.upload_id.encode())
    prefix = rows.space("p", generation)
    for row_key, value in snapshot.under(prefix):
        (upload_id,) = unpack(row_key[len(prefix) : -2])
        what = f"part {int.from_bytes(row_key[-2:], 'big')} of upload {upload_id!r} to {name}"
        part = report.decode(what, value, rows.decode_part)
        if part is None:
            continue
        if report.notes.get("upload", str(upload_id).encode()) is not None:
            report.same(f"{what} has bytes", part.blob.size, part.size)
            report.names(what, part.blob)
        elif snapshot.get(rows.leftover_key(generation, str(upload_id))) is None:
            report.broken(f"{what}: that upload has ended, and nothing clears its parts")


def _unnamed(snapshot: Snapshot, report: Report, kind: str, generation: str) -> None:
    """Rows of deleted buckets: uploads only, as long as they are being aborted; and parts that are being cleared."""
    if report.notes.get("generation", generation.encode()) is not None:
        return
    if kind == "u" and snapshot.get(rows.leftover_key(generation, "")) is not None:
        _uploads(snapshot, report, f"the deleted bucket of generation {generation}", generation)
    elif kind == "p":
        being_cleared = any(True for _ in snapshot.below("s3", "x", generation))
        if not being_cleared:
            report.broken(f"parts of generation {generation} belong to no bucket, and nothing clears them")
    else:
        report.broken(f"rows {kind} of generation {generation} belong to no bucket, and nothing clears them")


def _text(key: bytes) -> str:
    return key.decode(errors="replace")[:100]
