"""Objects: put, get, head."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

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
    names,
    versions,
)
from freehold.services.s3.model import Bucket, PartRecord, Version
from freehold.store.base import ReadTx, Tx
from freehold.work.blobs import INLINE, Blob

NO_SUCH_KEY = "The specified key does not exist."
NO_ATTRIBUTES = (
    "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
)
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}

Request = dict[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """An object that was read."""

    bucket: Bucket
    version: Version
    blob: Blob
    parts: list[PartRecord]


async def put_object(call: Call, request: Request) -> Result:
    """Keep the bytes, then make them the object in one transaction."""
    platform = call.platform
    key = names.key_bytes(request["Key"])
    given = attributes.read(request)
    if not _small(request):
        # Refuse before gigabytes have been sent; everything is checked again when the object is made.
        await platform.store.read(lambda tx: access.enter(tx, call, request))
    received = await intake.receive(call, request)
    new = Version(
        "", 0, platform.clock.now_ms(), received.size, received.etag, headers=given.headers, metadata=given.metadata,
        algorithm=received.algorithm, checksum=received.checksum, checksum_type=checksums.FULL_OBJECT, tags=given.tags,
        storage_class=given.storage_class,
    )  # fmt: skip
    bucket, made = await write(call, request, key, new, versions.content_of(received.blob), "Put")
    return written(bucket, request["Key"], made)


async def write(
    call: Call, request: Request, key: bytes, new: Version, content: versions.Content, how: str
) -> tuple[Bucket, Version]:
    """Make the object, if the request's conditions hold. `how` is what notifications call it: Put, Copy."""
    blobs = call.platform.blobs
    entropy = call.platform.ids.hex(16)
    conditional = "IfMatch" in request or "IfNoneMatch" in request

    def body(tx: Tx) -> tuple[Bucket, Version]:
        bucket = access.enter(tx, call, request)
        if conditional:
            conditions.check_write(request, versions.current(tx, bucket, key))
        made = versions.put(tx, blobs, bucket, key, new, content, entropy)
        if bucket.notifies:
            announcing.created(tx, call, bucket, request["Key"], made, how, entropy)
        return bucket, made

    try:
        return await call.platform.store.transact(body)
    except Fault:
        await blobs.discard(content.blob)
        raise


def written(bucket: Bucket, key: str, version: Version) -> Result:
    """What every write of an object answers in its headers."""
    result: Result = {"ETag": version.quoted_etag, "ServerSideEncryption": "AES256", **checksum_of(version)}
    if bucket.versioning:
        result["VersionId"] = version.public_id
    if bucket.lifecycle is not None:
        result |= expiration(bucket.lifecycle, key, version)
    return result


def expiration(rules: list[dict[str, Any]], key: str, version: Version) -> Result:
    """When a current object expires, as its headers say it."""
    found = lifecycle.expiry(rules, key, version)
    return {"Expiration": lifecycle.expiration_header(found)} if found is not None else {}


def checksum_of(version: Version) -> Result:
    """The checksum members of an object."""
    if not version.checksum:
        return {}
    return {f"Checksum{version.algorithm}": version.checksum, "ChecksumType": version.checksum_type}


def _small(request: Request) -> bool:
    return isinstance(request.get("Body", b""), bytes) or request.get("ContentLength", 1 << 62) <= INLINE


def read_object(tx: ReadTx, call: Call, request: Request, key: bytes) -> Found:
    """The object version that a request reads. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed for delete markers."""
    bucket = access.enter(tx, call, request)
    return read_version(tx, call, bucket, key, request)


def read_version(tx: ReadTx, call: Call, bucket: Bucket, key: bytes, request: Request) -> Found:
    """The same, in a bucket that was entered."""
    version_id = request.get("VersionId")
    version = versions.find(tx, bucket, key, version_id)
    if version is None or version.marker:
        if not access.may_list(call, bucket):
            raise access.denied()
        raise absent(version, names.key_text(key), version_id)
    if version.blob is not None:
        return Found(bucket, version, version.blob, [])
    aside = versions.aside_of(tx, bucket, version)
    return Found(bucket, version, aside.blob, aside.parts)


def absent(marker: Version | None, key: str, version_id: str | None) -> Fault:
    """Why there is nothing to read."""
    if marker is not None:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.public_id}
        if version_id is None:
            return Fault("NoSuchKey", NO_SUCH_KEY, status=404, headers=headers, Key=key)
        headers |= {"Allow": "DELETE", "Last-Modified": conditions.http_date(marker.modified_ms // 1000)}
        message = "The specified method is not allowed against this resource."
        return Fault(
            "MethodNotAllowed", message, status=405, headers=headers, Method="GET", ResourceType="DeleteMarker"
        )
    if version_id is not None:
        message = "The specified version does not exist."
        return Fault("NoSuchVersion", message, status=404, Key=key, VersionId=version_id)
    return Fault("NoSuchKey", NO_SUCH_KEY, status=404, Key=key)


async def get_object(call: Call, request: Request) -> Result:
    """The object, or the asked range or part of it."""
    found, result, start, end = await _look_up(call, request)
    body = result["Body"] = await content(call, request, found, start, end)
    if call.http is not None and isinstance(body, bytes):
        del result["ContentLength"]  # front says the length of a complete body itself
    return result


async def head_object(call: Call, request: Request) -> Result:
    """What GetObject would say, without the bytes."""
    return (await _look_up(call, request))[1]


async def _look_up(call: Call, request: Request) -> tuple[Found, Result, int, int]:
    key = names.key_bytes(request["Key"])
    attributes.check_encryption(request)
    if call.principal.account == access.ANONYMOUS and any(name.startswith("Response") for name in request):
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise Fault("InvalidRequest", message, status=400)
    found = await call.platform.store.read(lambda tx: read_object(tx, call, request, key))
    version = found.version
    conditions.check_read(request, version)
    result = describe(found.bucket, version)
    if found.bucket.lifecycle is not None and "VersionId" not in request:
        result |= expiration(found.bucket.lifecycle, request["Key"], version)
    if request.get("ChecksumMode") == "ENABLED" and not ("Range" in request or "PartNumber" in request):
        result |= checksum_of(version)
    for name, member in _OVERRIDES.items():
        if name in request:
            result[member] = request[name]
    if "ResponseExpires" in request:
        result["Expires"] = conditions.http_date(request["ResponseExpires"])
    start, end = _extent(call, request, found, result)
    result["ContentLength"] = end - start
    return found, result, start, end


def describe(bucket: Bucket, version: Version) -> Result:
    """The head of an object."""
    result: Result = {
        "AcceptRanges": "bytes",
        "LastModified": version.modified_ms // 1000,
        "ETag": version.quoted_etag,
        "ContentType": attributes.DEFAULT_TYPE,
        "ServerSideEncryption": "AES256",
        "Metadata": version.metadata,
        **version.headers,
    }
    if bucket.versioning:
        result["VersionId"] = version.public_id
    if version.storage_class:
        result["StorageClass"] = version.storage_class
    if version.tags:
        result["TagCount"] = len(version.tags)
    return result


def _extent(call: Call, request: Request, found: Found, result: Result) -> tuple[int, int]:
    """[start, end) of what is asked; marks the answer as partial."""
    size = found.version.size
    text, number = request.get("Range"), request.get("PartNumber")
    if number is not None:
        if text is not None:
            message = "Cannot specify both Range header and partNumber query parameter"
            raise Fault("InvalidRequest", message, status=400)
        extent = _part_extent(found, number)
        if found.version.part_count:
            result["PartsCount"] = found.version.part_count
        if size == 0:
            return extent
    else:
        asked = conditions.byte_range(text, size) if text is not None else None
        if asked is None:
            return 0, size
        extent = asked
    start, end = extent
    result["ContentRange"] = f"bytes {start}-{end - 1}/{size}"
    call.status = 206
    return start, end


def _part_extent(found: Found, number: int) -> tuple[int, int]:
    parts = found.parts
    count = len(parts) or 1
    if not 1 <= number <= 10_000:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="partNumber", ArgumentValue=str(number))
    if number > count:
        raise Fault(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            status=416,
            ActualPartCount=str(count),
            PartNumberRequested=str(number),
        )
    if not parts:
        return 0, found.version.size
    start = sum(part.size for part in parts[: number - 1])
    return start, start + parts[number - 1].size


async def content(call: Call, request: Request, found: Found, start: int, end: int) -> bytes | AsyncIterator[bytes]:
    """Bytes of an object; looked up once more if it was replaced since."""
    blobs = call.platform.blobs
    try:
        return await blobs.read(found.blob, start, end)
    except FileNotFoundError:
        key = names.key_bytes(request["Key"])
        again = await call.platform.store.read(lambda tx: read_object(tx, call, request, key))
        if again.version.sequence == found.version.sequence or again.version.size != found.version.size:
            raise
        return await blobs.read(again.blob, start, end)


async def get_object_attributes(call: Call, request: Request) -> Result:
    """The attributes that are asked for by name."""
    key = names.key_bytes(request["Key"])
    attributes.check_encryption(request)
    asked = {name.strip() for one in request.get("ObjectAttributes", []) for name in one.split(",")} - {""}
    if not asked:
        raise Fault("InvalidRequest", NO_ATTRIBUTES, status=400)
    known = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
    if not asked <= known:
        raise Fault("InvalidArgument", "Invalid attribute name specified.", status=400)
    found = await call.platform.store.read(lambda tx: read_object(tx, call, request, key))
    version = found.version
    result: Result = {"LastModified": version.modified_ms // 1000}
    if found.bucket.versioning:
        result["VersionId"] = version.public_id
    if "ETag" in asked:
        result["ETag"] = version.etag
    if "Checksum" in asked:
        result["Checksum"] = checksum_of(version)
    if "StorageClass" in asked:
        result["StorageClass"] = version.storage_class or "STANDARD"
    if "ObjectSize" in asked:
        result["ObjectSize"] = version.size
    if "ObjectParts" in asked and found.parts:
        result["ObjectParts"] = _parts_page(request, found)
    return result


def _parts_page(request: Request, found: Found) -> Result:
    marker, limit = request.get("PartNumberMarker", 0), min(request.get("MaxParts", 1000), 1000)
    result: Result = {"TotalPartsCount": len(found.parts)}
    if not any(part.checksum for part in found.parts):
        return result
    left = [part for part in found.parts if part.number > marker]
    page = left[:limit]
    member = f"Checksum{found.version.algorithm}"
    return result | {
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(left) > len(page),
        "Parts": [{"PartNumber": part.number, "Size": part.size, member: part.checksum} for part in page],
    }
