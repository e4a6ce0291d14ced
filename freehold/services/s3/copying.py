"""Copies: CopyObject and UploadPartCopy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.s3 import (
    access,
    attributes,
    checksums,
    conditions,
    intake,
    multipart,
    names,
    objects,
    uploads,
    versions,
)
from freehold.services.s3.model import Version
from freehold.store.base import ReadTx

Request = dict[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What an x-amz-copy-source names."""

    bucket: str
    key: str
    version_id: str | None

    def request(self) -> Request:
        """As a request to read it."""
        named = {"Bucket": self.bucket, "Key": self.key}
        return named if self.version_id is None else named | {"VersionId": self.version_id}


def source_of(text: str) -> Source:
    """`bucket/key?versionId=...`, percent-encoded, with or without a slash before it. Raises InvalidArgument."""
    if text.startswith("arn:"):
        raise not_implemented("S3 access points as the source of a copy")
    path, _, version_id = text.partition("?versionId=")
    bucket, slash, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not slash or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="x-amz-copy-source", ArgumentValue=text)
    return Source(bucket, key, version_id or None)


async def copy_object(call: Call, request: Request) -> Result:
    """Make an object from another one's bytes, with its attributes or new ones."""
    platform = call.platform
    key = names.key_bytes(request["Key"])
    source = source_of(request["CopySource"])
    given = attributes.read(request)
    metadata_directive = _directive(request, "MetadataDirective", "x-amz-metadata-directive")
    tagging_directive = _directive(request, "TaggingDirective", "x-amz-tagging-directive")
    if "AnnotationDirective" in request:
        raise not_implemented("S3 object annotations")
    _check_self_copy(request, source, metadata_directive)
    await platform.store.read(lambda tx: access.enter(tx, call, request))
    found = await read_source(call, request, source)
    if found.version.size > intake.MAX_PUT:
        message = (
            f"The specified copy source is larger than the maximum allowable size for a copy source: {intake.MAX_PUT}"
        )
        raise Fault("InvalidRequest", message, status=400)
    asked = request.get("ChecksumAlgorithm")
    algorithm = checksums.check_algorithm(asked) if asked else found.version.algorithm
    content = await _bytes(call, source, found, 0, found.version.size)
    received = await intake.take(call, content, algorithm, keep_default=False)
    replaced = metadata_directive == "REPLACE"
    new = Version(
        "", 0, platform.clock.now_ms(), received.size, received.etag,
        headers=given.headers if replaced else found.version.headers,
        metadata=given.metadata if replaced else found.version.metadata,
        algorithm=received.algorithm, checksum=received.checksum, checksum_type=checksums.FULL_OBJECT,
        tags=given.tags if tagging_directive == "REPLACE" else found.version.tags,
        storage_class=given.storage_class,
    )  # fmt: skip
    bucket, made = await objects.write(call, request, key, new, versions.content_of(received.blob), "Copy")
    written = objects.written(bucket, request["Key"], made)
    result: Result = {
        "CopyObjectResult": {
            "ETag": made.quoted_etag, "LastModified": made.modified_ms // 1000, **objects.checksum_of(made),
        },
        "ServerSideEncryption": "AES256",
    }  # fmt: skip
    result |= {name: written[name] for name in ("VersionId", "Expiration") if name in written}
    if found.bucket.versioning:
        result["CopySourceVersionId"] = found.version.public_id
    return result


async def upload_part_copy(call: Call, request: Request) -> Result:
    """A part from the bytes of another object, or a range of them."""
    key = names.key_bytes(request["Key"])
    multipart.check_number(request["PartNumber"])
    attributes.check_encryption(request)
    source = source_of(request["CopySource"])
    _, upload = await call.platform.store.read(lambda tx: uploads.enter_upload(tx, call, request, key))
    found = await read_source(call, request, source)
    size = found.version.size
    text = request.get("CopySourceRange")
    start, end = conditions.copy_range(text, size) if text is not None else (0, size)
    if end - start > intake.MAX_PUT:
        raise intake.too_large(end - start)
    content = await _bytes(call, source, found, start, end)
    received = await intake.take(call, content, upload.algorithm, keep_default=not upload.algorithm)
    part = await uploads.keep_part(call, request, key, received)
    result: Result = {
        "CopyPartResult": {
            "ETag": f'"{part.etag}"',
            "LastModified": part.modified_ms // 1000,
            f"Checksum{part.algorithm}": part.checksum,
        },
        "ServerSideEncryption": "AES256",
    }
    if found.bucket.versioning:
        result["CopySourceVersionId"] = found.version.public_id
    return result


async def read_source(call: Call, request: Request, source: Source) -> objects.Found:
    """The object to copy from, if the copy's conditions hold. Raises as GetObject does."""
    key = names.key_bytes(source.key)
    expected = request.get("ExpectedSourceBucketOwner")

    def body(tx: ReadTx) -> objects.Found:
        bucket = access.enter_source(tx, call, source.bucket, source.key, source.version_id, expected)
        try:
            return objects.read_version(tx, call, bucket, key, source.request())
        except Fault as fault:
            if fault.code == "MethodNotAllowed":
                message = "The source of a copy request may not specifically refer to a delete marker by version id."
                raise Fault("InvalidRequest", message, status=400) from None
            raise

    found = await call.platform.store.read(body)
    conditions.check_copy(request, found.version)
    return found


async def _bytes(
    call: Call, source: Source, found: objects.Found, start: int, end: int
) -> bytes | AsyncIterator[bytes]:
    try:
        return await call.platform.blobs.read(found.blob, start, end)
    except FileNotFoundError:
        raise Fault("NoSuchKey", objects.NO_SUCH_KEY, status=404, Key=source.key) from None


def _directive(request: Request, member: str, header: str) -> str:
    value: str = request.get(member, "COPY")
    if value not in ("COPY", "REPLACE"):
        message = f"Unknown {header.removeprefix('x-amz-').replace('-', ' ')}."
        raise Fault("InvalidArgument", message, status=400, ArgumentName=header, ArgumentValue=value)
    return value


def _check_self_copy(request: Request, source: Source, directive: str) -> None:
    """A copy onto itself must change something."""
    same = source.bucket == request["Bucket"] and source.key == request["Key"] and source.version_id is None
    changes = directive == "REPLACE" or any(
        name in request for name in ("StorageClass", "ServerSideEncryption", "ChecksumAlgorithm")
    )
    if same and not changes:
        message = (
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
            "metadata, storage class, website redirect location or encryption attributes."
        )
        raise Fault("InvalidRequest", message, status=400)
