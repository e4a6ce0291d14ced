"""Multipart uploads: state functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.s3 import checksums, rows
from freehold.services.s3.model import Aside, Part, PartRecord, Upload, Version
from freehold.services.s3.versions import Content
from freehold.store.base import ReadTx, Tx
from freehold.work.blobs import Blob, Blobs

MAX_PARTS = 10_000
MIN_PART = 5 << 20
"""Bytes of every part but the last."""
MAX_OBJECT = 50 << 40
"""Bytes of an object (50 TB since December 2025)."""
CLEARED_AT_ONCE = 500
"""Part rows deleted in the transaction that ends an upload; more are left to the sweep."""

NO_SUCH_UPLOAD = (
    "The specified upload does not exist. "
    "The upload ID may be invalid, or the upload may have been aborted or completed."
)
INVALID_PART = (
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity "
    "tag may not match the part's entity tag."
)
INVALID_ORDER = (
    "The list of parts was not in ascending order. The parts list must be specified in order by part number."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A part as the client names it when it completes an upload."""

    number: int
    etag: str
    checksums: Mapping[str, str]


def find(tx: ReadTx, generation: str, key: bytes, upload_id: str) -> Upload:
    """The upload under way. Raises NoSuchUpload."""
    raw = tx.get(rows.upload_key(generation, key, upload_id))
    if raw is None:
        raise Fault("NoSuchUpload", NO_SUCH_UPLOAD, status=404, UploadId=upload_id)
    return rows.decode_upload(raw)


def begin(tx: Tx, generation: str, key: bytes, upload: Upload) -> None:
    tx.put(rows.upload_key(generation, key, upload.upload_id), rows.encode(upload))


def put_part(tx: Tx, blobs: Blobs, generation: str, key: bytes, upload_id: str, part: Part) -> None:
    """Keep a part; an earlier one of its number is released."""
    find(tx, generation, key, upload_id)
    at = rows.part_key(generation, upload_id, part.number)
    old = tx.get(at)
    if old is not None:
        blobs.release(tx, rows.decode_part(old).blob)
    if part.blob.inline is None:
        blobs.claim(tx, part.blob)
    tx.put(at, rows.encode(part))


def parts(tx: ReadTx, generation: str, upload_id: str) -> list[Part]:
    """All uploaded parts by number."""
    return [rows.decode_part(value) for _, value in rows.scan_all(tx, *rows.parts_span(generation, upload_id))]


def abandon(tx: Tx, blobs: Blobs, generation: str, key: bytes, upload_id: str, blob_id: str) -> bool:
    """Remove an upload and release its parts. True where part rows are left to the sweep."""
    left = parts(tx, generation, upload_id)
    _release(tx, blobs, left, blob_id)
    return end(tx, generation, key, upload_id, left)


def end(tx: Tx, generation: str, key: bytes, upload_id: str, left: Sequence[Part]) -> bool:
    """Remove the rows of an upload. True where part rows are left to the sweep."""
    tx.delete(rows.upload_key(generation, key, upload_id))
    if len(left) > CLEARED_AT_ONCE:
        tx.put(rows.leftover_key(generation, upload_id), b"")
        return True
    for part in left:
        tx.delete(rows.part_key(generation, upload_id, part.number))
    return False


def drop_unlisted(tx: Tx, blobs: Blobs, uploaded: Sequence[Part], used: Sequence[Part], blob_id: str) -> None:
    """Release the parts that a completed object does not use."""
    numbers = {part.number for part in used}
    _release(tx, blobs, [part for part in uploaded if part.number not in numbers], blob_id)


def _release(tx: Tx, blobs: Blobs, unused: Sequence[Part], blob_id: str) -> None:
    files = tuple(part.blob for part in unused if part.blob.inline is None)
    if files:
        # One row for all of them, however many there are.
        blobs.release(tx, Blob(blob_id, sum(blob.size for blob in files), None, files))


def choose(upload: Upload, uploaded: Sequence[Part], listed: Sequence[Listed]) -> list[Part]:
    """The parts of the object, in order. Raises InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest."""
    by_number = {part.number: part for part in uploaded}
    chosen: list[Part] = []
    last = 0
    for one in listed:
        if one.number <= last:
            raise Fault("InvalidPartOrder", INVALID_ORDER, status=400, UploadId=upload.upload_id)
        last = one.number
        part = by_number.get(one.number)
        if part is None or one.etag.strip('"') != part.etag or not _same_checksum(upload, part, one):
            raise Fault("InvalidPart", INVALID_PART, status=400, UploadId=upload.upload_id,
                        PartNumber=str(one.number), ETag=one.etag.strip('"'))  # fmt: skip
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MIN_PART:
            raise Fault(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                status=400,
                ProposedSize=str(part.size),
                MinSizeAllowed=str(MIN_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return chosen


def _same_checksum(upload: Upload, part: Part, listed: Listed) -> bool:
    if upload.algorithm and upload.checksum_type == checksums.COMPOSITE and upload.algorithm not in listed.checksums:
        message = (
            f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must include the "
            f"checksum for each part. It was missing for part {part.number} in the request."
        )
        raise Fault("InvalidRequest", message, status=400)
    known = {checksums.DEFAULT: part.crc64nvme, part.algorithm: part.checksum}
    return all(known.get(algorithm) == value for algorithm, value in listed.checksums.items())


def whole(upload: Upload, chosen: Sequence[Part], now_ms: int, blob_id: str) -> tuple[Version, Content]:
    """The object that the parts make: nothing is copied."""
    algorithm = upload.algorithm or checksums.DEFAULT
    values = [part.checksum if part.algorithm == algorithm else part.crc64nvme for part in chosen]
    if upload.checksum_type == checksums.COMPOSITE:
        checksum = checksums.compose(algorithm, values)
    else:
        checksum = checksums.combine(
            algorithm, [(value, part.size) for value, part in zip(values, chosen, strict=True)]
        )
    size = sum(part.size for part in chosen)
    version = Version(
        "", 0, now_ms, size, checksums.multipart_etag([part.etag for part in chosen]), headers=upload.headers,
        metadata=upload.metadata, algorithm=algorithm, checksum=checksum, checksum_type=upload.checksum_type,
        tags=upload.tags, storage_class=upload.storage_class, part_count=len(chosen),
    )  # fmt: skip
    blob = Blob(blob_id, size, None, tuple(part.blob for part in chosen if part.size))
    if not blob.parts:
        blob = Blob(blob_id, 0, b"")
    kept = upload.checksum_type == checksums.COMPOSITE
    records = [
        PartRecord(number, part.size, value if kept else "")
        for number, (part, value) in enumerate(zip(chosen, values, strict=True), start=1)
    ]
    return version, Content(blob, Aside(blob, records))


def check_number(number: Any) -> None:
    """Raise InvalidArgument for a part number out of range."""
    if not isinstance(number, int) or not 1 <= number <= MAX_PARTS:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="partNumber", ArgumentValue=str(number))
