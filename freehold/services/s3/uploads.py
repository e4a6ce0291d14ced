"""Multipart uploads: create, upload, list, complete, abort."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.s3 import (
    access,
    announcing,
    attributes,
    checksums,
    conditions,
    intake,
    lifecycle,
    listing,
    multipart,
    names,
    objects,
    sweep,
    versions,
)
from freehold.services.s3.lists import Encoder, limit_of
from freehold.services.s3.model import Bucket, Part, Upload, Version, owner
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
Result = dict[str, Any]


async def create_multipart_upload(call: Call, request: Request) -> Result:
    """Begin an upload; its attributes become the object's."""
    platform = call.platform
    key = names.key_bytes(request["Key"])
    given = attributes.read(request)
    algorithm = checksums.check_algorithm(request["ChecksumAlgorithm"]) if "ChecksumAlgorithm" in request else ""
    if not algorithm and "ChecksumType" in request:
        message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise Fault("InvalidRequest", message, status=400)
    kind = checksums.upload_type(algorithm, request.get("ChecksumType"))
    now_ms = platform.clock.now_ms()
    # Upload ids of one key order by when they began, as S3 lists them.
    upload_id = f"{now_ms:012x}{platform.ids.secret(52)}"
    upload = Upload(
        upload_id,
        now_ms,
        given.headers,
        given.metadata,
        given.tags,
        given.storage_class,
        algorithm,
        kind,
        call.principal.arn,
    )

    def body(tx: Tx) -> Bucket:
        bucket = access.enter(tx, call, request)
        multipart.begin(tx, bucket.generation, key, upload)
        return bucket

    bucket = await platform.store.transact(body)
    result: Result = {
        "Bucket": request["Bucket"], "Key": request["Key"], "UploadId": upload_id, "ServerSideEncryption": "AES256",
    }  # fmt: skip
    if algorithm:
        result |= {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    return result | _abort_date(bucket, request["Key"], upload)


def _abort_date(bucket: Bucket, key: str, upload: Upload) -> Result:
    """When a lifecycle rule will abort the upload."""
    found = lifecycle.upload_ends(bucket.lifecycle, key, upload.initiated_ms) if bucket.lifecycle is not None else None
    return {"AbortDate": found[0] // 1000, "AbortRuleId": found[1]} if found is not None else {}


def enter_upload(tx: ReadTx, call: Call, request: Request, key: bytes) -> tuple[Bucket, Upload]:
    """The bucket and the upload that a request names."""
    bucket = access.enter(tx, call, request)
    return bucket, multipart.find(tx, bucket.generation, key, request["UploadId"])


async def upload_part(call: Call, request: Request) -> Result:
    """Keep one part."""
    key = names.key_bytes(request["Key"])
    multipart.check_number(request["PartNumber"])
    attributes.check_encryption(request)
    _, upload = await call.platform.store.read(lambda tx: enter_upload(tx, call, request, key))
    received = await intake.receive(call, request, algorithm=upload.algorithm, keep_default=not upload.algorithm)
    try:
        check_part_algorithm(upload, request, received, call)
    except Fault:
        await call.platform.blobs.discard(received.blob)
        raise
    await keep_part(call, request, key, received)
    return {
        "ETag": f'"{received.etag}"',
        "ServerSideEncryption": "AES256",
        f"Checksum{received.algorithm}": received.checksum,
    }


def check_part_algorithm(upload: Upload, request: Request, received: intake.Received, call: Call) -> None:
    """A part's checksum is by the upload's algorithm; COMPOSITE uploads need it. Raises InvalidRequest."""
    if not upload.algorithm:
        return
    claimed = checksums.claimed(request) is not None or (call.http is not None and "x-amz-trailer" in call.http.headers)
    actual = received.algorithm.lower() if claimed else "null"
    if received.algorithm != upload.algorithm or (not claimed and upload.checksum_type == checksums.COMPOSITE):
        message = (
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}, "
            f"actual checksum Type: {actual}"
        )
        raise Fault("InvalidRequest", message, status=400)


async def keep_part(call: Call, request: Request, key: bytes, received: intake.Received) -> Part:
    """Write the row of a part whose bytes are kept."""
    part = Part(
        request["PartNumber"], received.size, received.etag, call.platform.clock.now_ms(), received.blob,
        received.algorithm, received.checksum, received.crc64nvme,
    )  # fmt: skip

    def body(tx: Tx) -> None:
        bucket = access.enter(tx, call, request)
        multipart.put_part(tx, call.platform.blobs, bucket.generation, key, request["UploadId"], part)

    try:
        await call.platform.store.transact(body)
    except Fault:
        await call.platform.blobs.discard(received.blob)
        raise
    return part


async def complete_multipart_upload(call: Call, request: Request) -> Result:
    """Make the object of the listed parts, without copying a byte."""
    platform = call.platform
    key = names.key_bytes(request["Key"])
    attributes.check_encryption(request)
    listed = _listed(request)
    now_ms, entropy = platform.clock.now_ms(), platform.ids.hex(16)
    blob_id, spare_id = platform.ids.hex(24), platform.ids.hex(24)

    def body(tx: Tx) -> tuple[Bucket, Version, bool]:
        bucket, upload = enter_upload(tx, call, request, key)
        conditions.check_write(request, _current(tx, bucket, key, request))
        uploaded = multipart.parts(tx, bucket.generation, upload.upload_id)
        chosen = multipart.choose(upload, uploaded, listed)
        version, content = multipart.whole(upload, chosen, now_ms, blob_id)
        _check_claims(request, upload, version)
        multipart.drop_unlisted(tx, platform.blobs, uploaded, chosen, spare_id)
        left = multipart.end(tx, bucket.generation, key, upload.upload_id, uploaded)
        made = versions.put(tx, platform.blobs, bucket, key, version, content, entropy)
        if bucket.notifies:
            announcing.created(tx, call, bucket, request["Key"], made, "CompleteMultipartUpload", entropy)
        return bucket, made, left

    bucket, made, left = await platform.store.transact(body)
    if left:
        sweep.begin(platform)
    location = f"{call.base_url}/{bucket.name}/{quote(request['Key'])}"
    return {
        "Location": location, "Bucket": bucket.name, "Key": request["Key"], **objects.written(bucket, request["Key"], made),
    }  # fmt: skip


def _current(tx: ReadTx, bucket: Bucket, key: bytes, request: Request) -> Version | None:
    return versions.current(tx, bucket, key) if "IfMatch" in request or "IfNoneMatch" in request else None


def _listed(request: Request) -> list[multipart.Listed]:
    parts = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not 1 <= len(parts) <= multipart.MAX_PARTS:
        raise attributes.malformed_xml()
    listed = []
    for part in parts:
        if "PartNumber" not in part or "ETag" not in part:
            raise attributes.malformed_xml()
        values = {name: part[member] for member, name in checksums.MEMBERS.items() if member in part}
        listed.append(multipart.Listed(part["PartNumber"], part["ETag"], values))
    return listed


def _check_claims(request: Request, upload: Upload, version: Version) -> None:
    """What the request says of the whole object must be so."""
    size = request.get("MpuObjectSize")
    if size is not None and size != version.size:
        message = (
            f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {version.size}"
        )
        raise Fault("InvalidRequest", message, status=400)
    if version.size > multipart.MAX_OBJECT:
        raise Fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.", status=400)
    kind = request.get("ChecksumType")
    if kind is not None and kind != upload.checksum_type:
        message = f"The upload was created using the {upload.checksum_type} checksum mode."
        raise Fault("InvalidRequest", f"{message} The complete request must use the same checksum mode.", status=400)
    for member, algorithm in checksums.MEMBERS.items():
        if member in request and (algorithm != version.algorithm or not _same(request[member], version.checksum)):
            raise checksums.mismatch(algorithm)


def _same(claimed: str, computed: str) -> bool:
    # SDKs send the composite value with or without the number of parts.
    return claimed in (computed, computed.partition("-")[0])


async def abort_multipart_upload(call: Call, request: Request) -> Result:
    """Drop an upload and its parts."""
    key = names.key_bytes(request["Key"])
    blob_id = call.platform.ids.hex(24)
    if "IfMatchInitiatedTime" in request:
        raise Fault("NotImplemented", "A header you provided implies functionality that is not implemented", status=501)

    def body(tx: Tx) -> bool:
        bucket, upload = enter_upload(tx, call, request, key)
        return multipart.abandon(tx, call.platform.blobs, bucket.generation, key, upload.upload_id, blob_id)

    if await call.platform.store.transact(body):
        sweep.begin(call.platform)
    return {}


async def list_parts(call: Call, request: Request) -> Result:
    """The uploaded parts, by number."""
    key = names.key_bytes(request["Key"])
    limit = limit_of(request, "MaxParts", "max-parts")
    marker = request.get("PartNumberMarker", 0)

    def body(tx: ReadTx) -> tuple[Bucket, Upload, list[Part]]:
        bucket, upload = enter_upload(tx, call, request, key)
        return bucket, upload, multipart.parts(tx, bucket.generation, upload.upload_id)

    bucket, upload, uploaded = await call.platform.store.read_many(body)
    left = [part for part in uploaded if part.number > marker]
    page = left[:limit]
    result: Result = {
        "Bucket": bucket.name,
        "Key": request["Key"],
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(left) > len(page),
        "Parts": [_describe_part(upload, part) for part in page],
        "Initiator": _initiator(bucket, upload),
        "Owner": owner(bucket.account),
        "StorageClass": upload.storage_class or "STANDARD",
    }
    return result | _algorithm(upload) | _abort_date(bucket, request["Key"], upload)


def _describe_part(upload: Upload, part: Part) -> Result:
    described: Result = {
        "PartNumber": part.number,
        "LastModified": part.modified_ms // 1000,
        "ETag": f'"{part.etag}"',
        "Size": part.size,
    }
    if part.checksum:
        described[f"Checksum{part.algorithm}"] = part.checksum
    return described


def _initiator(bucket: Bucket, upload: Upload) -> Result:
    if upload.initiator.endswith(":root") or not upload.initiator.startswith("arn:"):
        return owner(bucket.account)
    return {"ID": upload.initiator, "DisplayName": upload.initiator.rpartition("/")[2]}


def _algorithm(upload: Upload) -> Result:
    algorithm = upload.algorithm or checksums.DEFAULT
    return {"ChecksumAlgorithm": algorithm, "ChecksumType": upload.checksum_type}


async def list_multipart_uploads(call: Call, request: Request) -> Result:
    """Uploads under way, by key and by when they began."""
    limit = limit_of(request, "MaxUploads", "max-uploads")
    encoder = Encoder(request)
    marker, upload_marker = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    query = listing.Query(
        request.get("Prefix", "").encode(), request.get("Delimiter", "").encode(), marker.encode(), limit
    )

    def body(tx: ReadTx) -> tuple[Bucket, listing.UploadsPage]:
        bucket = access.enter(tx, call, request)
        if limit == 0:
            return bucket, listing.UploadsPage()
        return bucket, listing.uploads(tx, bucket, query, upload_marker)

    bucket, page = await call.platform.store.read_many(body)
    result: Result = {
        "Bucket": bucket.name,
        "KeyMarker": encoder(marker),
        "UploadIdMarker": upload_marker,
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "Uploads": [
            {
                "UploadId": upload.upload_id,
                "Key": encoder(names.key_text(key)),
                "Initiated": upload.initiated_ms // 1000,
                "StorageClass": upload.storage_class or "STANDARD",
                "Owner": owner(bucket.account),
                "Initiator": _initiator(bucket, upload),
                **_algorithm(upload),
            }
            for key, upload in page.uploads
        ],
        "CommonPrefixes": [{"Prefix": encoder(names.key_text(prefix))} for prefix in page.prefixes],
        **encoder.echo(request),
    }
    if page.truncated:
        result |= {"NextKeyMarker": encoder(names.key_text(page.last_key)), "NextUploadIdMarker": page.last_upload}
    return result
