"""Objects: put, get, head, delete."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from freehold.services.s3 import checksums
from tests.services.s3.support import S3, refused, run, streamed

BIG = bytes(range(256)) * 1024  # 256 KiB: a file, not inline


def test_an_object_is_read_as_it_was_written() -> None:
    async def test(s3: S3) -> None:
        put = await s3.put("k", b"hello", ContentType="text/plain", CacheControl="no-store", Metadata={"a": "b"})
        assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
        assert put["ChecksumType"] == "FULL_OBJECT" and put["ChecksumCRC64NVME"]
        got = await s3("GetObject", Bucket="bucket", Key="k", ChecksumMode="ENABLED")
        assert got["Body"] == b"hello"
        assert got["ContentType"] == "text/plain" and got["CacheControl"] == "no-store"
        assert got["Metadata"] == {"a": "b"} and got["ContentLength"] == 5
        assert got["ChecksumCRC64NVME"] == put["ChecksumCRC64NVME"]
        assert got["LastModified"] == 1_767_225_600
        head = await s3("HeadObject", Bucket="bucket", Key="k")
        assert "Body" not in head and head["ETag"] == put["ETag"] and "ChecksumCRC64NVME" not in head

    run(test)


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 65_536, 65_537, 300_000, 3 << 20])
def test_sizes_around_every_threshold(size: int) -> None:
    data = hashlib.shake_128(b"seed").digest(size)

    async def test(s3: S3) -> None:
        await s3.put("bytes", data)
        await s3.put("stream", streamed(data[: size // 3], data[size // 3 :]))  # type: ignore[arg-type]
        for key in ("bytes", "stream"):
            assert await s3.get(key) == data
            if size > 10:
                assert await s3.get(key, Range="bytes=5-9") == data[5:10]
                assert await s3.get(key, Range=f"bytes={size - 3}-") == data[-3:]
                assert await s3.get(key, Range="bytes=-4") == data[-4:]

    run(test)


def test_overwriting_and_deleting_leave_nothing_behind() -> None:
    async def test(s3: S3) -> None:
        before = await s3.rows()
        for body in (b"small", b"m" * 20_000, BIG, b"again"):
            await s3.put("k", body)
            assert await s3.get("k") == body
        await s3("DeleteObject", Bucket="bucket", Key="k")
        assert await s3.rows() == before
        await refused(s3.get("k"), "NoSuchKey", "The specified key does not exist.")
        assert await s3("DeleteObject", Bucket="bucket", Key="k") == {}
        await s3.blobs.collect()
        assert not [path for path in s3.blobs._emptied.rglob("*") if path.is_file()]

    run(test)


@pytest.mark.parametrize("algorithm", sorted(checksums.SIZES))
def test_every_checksum_is_verified_stored_and_returned(algorithm: str) -> None:
    digest = checksums.begin(algorithm)
    digest.update(b"hello")
    value = checksums.encoded(digest.digest())
    member = f"Checksum{algorithm}"
    wrong = checksums.encoded(b"\0" * checksums.SIZES[algorithm])

    async def test(s3: S3) -> None:
        assert (await s3.put("k", b"hello", **{member: value}))[member] == value
        got = await s3("HeadObject", Bucket="bucket", Key="k", ChecksumMode="ENABLED")
        assert got[member] == value and got["ChecksumType"] == "FULL_OBJECT"
        message = f"The {algorithm} you specified did not match the calculated checksum."
        await refused(s3.put("k2", b"hello", **{member: wrong}), "BadDigest", message)
        await refused(s3.get("k2"), "NoSuchKey")
        message = f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
        await refused(s3.put("k", b"", **{member: "AA=="}), "InvalidRequest", message)

    run(test)


def test_checksum_vectors() -> None:
    expected = {
        "CRC32": zlib.crc32(b"123456789").to_bytes(4, "big"),
        "CRC32C": bytes.fromhex("e3069283"),
        "CRC64NVME": bytes.fromhex("ae8b14860a799888"),
    }
    for name, raw in expected.items():
        digest = checksums.begin(name)
        digest.update(b"1234")
        digest.update(b"56789")
        assert digest.digest() == raw


def test_content_md5_is_checked() -> None:
    async def test(s3: S3) -> None:
        good = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
        await s3.put("k", b"hello", ContentMD5=good)
        bad = await refused(s3.put("k", b"other", ContentMD5=good), "BadDigest")
        assert bad.message == "The Content-MD5 you specified did not match what we received."
        await refused(
            s3.put("k", b"", ContentMD5="nonsense"), "InvalidDigest", "The Content-MD5 you specified was invalid."
        )

    run(test)


def test_conditional_writes() -> None:
    async def test(s3: S3) -> None:
        await refused(s3.put("k", IfMatch='"x"'), "NoSuchKey")
        etag = (await s3.put("k", b"1", IfNoneMatch="*"))["ETag"]
        await refused(s3.put("k", b"2", IfNoneMatch="*"), "PreconditionFailed")
        await refused(s3.put("k", b"2", IfMatch='"other"'), "PreconditionFailed")
        await s3.put("k", b"2", IfMatch=etag)
        await refused(s3.put("k", b"3", IfMatch=etag), "PreconditionFailed")
        await refused(s3.put("k", b"3", IfNoneMatch=etag), "NotImplemented")
        assert await s3.get("k") == b"2"
        await refused(s3("DeleteObject", Bucket="bucket", Key="k", IfMatch=etag), "PreconditionFailed")
        await s3("DeleteObject", Bucket="bucket", Key="k", IfMatch="*")

    run(test)


def test_conditional_reads() -> None:
    async def test(s3: S3) -> None:
        etag = (await s3.put("k", b"1"))["ETag"]
        now = s3.clock.now_ms() // 1000
        assert await s3.get("k", IfMatch=etag, IfUnmodifiedSince=now - 10) == b"1"
        assert await s3.get("k", IfNoneMatch='"x"', IfModifiedSince=now + 10) == b"1"
        failed = await refused(s3.get("k", IfMatch='"x"'), "PreconditionFailed")
        assert failed.fields["Condition"] == "If-Match" and failed.status == 412
        await refused(s3.get("k", IfUnmodifiedSince=now - 1), "PreconditionFailed")
        same = await refused(s3.get("k", IfNoneMatch=f'"x", {etag}'), "NotModified")
        assert same.status == 304 and same.headers is not None and same.headers["ETag"] == etag
        await refused(s3.get("k", IfModifiedSince=now), "NotModified")

    run(test)


def test_ranges() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"0123456789")
        call = await s3("GetObject", Bucket="bucket", Key="k", Range="bytes=2-4")
        assert call["Body"] == b"234" and call["ContentRange"] == "bytes 2-4/10" and call["ContentLength"] == 3
        assert await s3.get("k", Range="bytes=8-100") == b"89"
        assert await s3.get("k", Range="bytes=-100") == b"0123456789"
        for ignored in ("bytes=1-2,4-5", "items=1-2", "bytes=5-2", "bytes=-"):
            assert await s3.get("k", Range=ignored) == b"0123456789"
        refusal = await refused(s3.get("k", Range="bytes=10-"), "InvalidRange")
        assert refusal.status == 416 and refusal.fields["ActualObjectSize"] == "10"
        await refused(s3.get("k", Range="bytes=-0"), "InvalidRange")
        await s3.put("empty", b"")
        await refused(s3.get("empty", Range="bytes=0-"), "InvalidRange")
        await refused(s3.get("k", Range="bytes=0-", PartNumber=1), "InvalidRequest")
        await refused(s3.get("k", PartNumber=2), "InvalidPartNumber")
        assert await s3.get("k", PartNumber=1) == b"0123456789"

    run(test)


def test_response_overrides_and_attributes() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"x", Tagging="a=1&b=2", StorageClass="STANDARD_IA", ContentEncoding="aws-chunked,gzip")
        got = await s3("GetObject", Bucket="bucket", Key="k", ResponseContentType="text/csv", ResponseExpires=0)
        assert got["ContentType"] == "text/csv" and got["Expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
        assert got["TagCount"] == 2 and got["StorageClass"] == "STANDARD_IA" and got["ContentEncoding"] == "gzip"
        asked = ["ETag,Checksum", "StorageClass", "ObjectSize", "ObjectParts"]
        found = await s3("GetObjectAttributes", Bucket="bucket", Key="k", ObjectAttributes=asked)
        assert found["ETag"] == "9dd4e461268c8034f5c8564e155c67a6" and found["ObjectSize"] == 1
        assert found["StorageClass"] == "STANDARD_IA" and "ChecksumCRC64NVME" in found["Checksum"]
        assert "ObjectParts" not in found

    run(test)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Metadata": {"a": "b" * 2048}}, "MetadataTooLarge"),
        ({"StorageClass": "DEEP_ARCHIVE"}, "NotImplemented"),
        ({"StorageClass": "FAST"}, "InvalidStorageClass"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/2"}, "NotImplemented"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, "NotImplemented"),
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
        ({"SSECustomerAlgorithm": "AES256"}, "NotImplemented"),
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"GrantRead": "id=1"}, "AccessControlListNotSupported"),
        ({"Tagging": "a=1&a=2"}, "InvalidArgument"),
        ({"Tagging": "&".join(f"k{n}=v" for n in range(11))}, "BadRequest"),
        ({"Tagging": "aws:x=1"}, "InvalidTag"),
        ({"WebsiteRedirectLocation": "/x"}, "NotImplemented"),
        ({"ObjectLockMode": "GOVERNANCE"}, "InvalidRequest"),
        ({"ChecksumXXHASH3": "AAAA"}, "NotImplemented"),
        ({"ChecksumCRC32": "AAAAAA==", "ChecksumSHA1": "x"}, "InvalidRequest"),
        ({"Key": "k" * 1025}, "KeyTooLongError"),
        ({"ExpectedBucketOwner": "999999999999"}, "AccessDenied"),
        ({"Bucket": "other"}, "NoSuchBucket"),
    ],
)
def test_what_s3_or_freehold_refuses(params: dict[str, Any], code: str) -> None:
    async def test(s3: S3) -> None:
        before = await s3.rows()
        await refused(s3("PutObject", **{"Bucket": "bucket", "Key": "k", "Body": b"", **params}), code)
        assert await s3.rows() == before

    run(test)


@pytest.mark.parametrize("key", [None, "alias/aws/s3", "arn:aws:kms:us-east-1:111111111111:alias/aws/s3"])
def test_the_aws_managed_kms_key_is_recorded_as_sse_s3(key: str | None) -> None:
    async def test(s3: S3) -> None:
        params = {"SSEKMSKeyId": key} if key else {}
        put = await s3.put("k", b"x", ServerSideEncryption="aws:kms", **params)
        assert put["ServerSideEncryption"] == "AES256"

    run(test)


def test_delete_objects() -> None:
    async def test(s3: S3) -> None:
        for n in range(250):
            await s3.put(f"k{n:03d}")
        asked = [{"Key": f"k{n:03d}"} for n in range(250)] + [{"Key": "absent"}, {"Key": "k" * 2000}]
        done = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": asked})
        assert len(done["Deleted"]) == 251 and [error["Code"] for error in done["Errors"]] == ["KeyTooLongError"]
        assert not (await s3("ListObjectsV2", Bucket="bucket"))["Contents"]
        quiet = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": "a"}], "Quiet": True})
        assert quiet == {"Deleted": [], "Errors": []}
        for wrong in ([], [{"Key": "k"}] * 1001):
            await refused(s3("DeleteObjects", Bucket="bucket", Delete={"Objects": wrong}), "MalformedXML")

    run(test)


def test_object_tags() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"x" * 100_000, Tagging="a=1")
        assert (await s3("GetObjectTagging", Bucket="bucket", Key="k"))["TagSet"] == [{"Key": "a", "Value": "1"}]
        tags = [{"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
        await s3("PutObjectTagging", Bucket="bucket", Key="k", Tagging={"TagSet": tags})
        assert (await s3("GetObjectTagging", Bucket="bucket", Key="k"))["TagSet"] == tags
        assert len(await s3.get("k")) == 100_000
        await s3("DeleteObjectTagging", Bucket="bucket", Key="k")
        assert (await s3("GetObjectTagging", Bucket="bucket", Key="k"))["TagSet"] == []
        await refused(s3("GetObjectTagging", Bucket="bucket", Key="z"), "NoSuchKey")
        twice = [{"Key": "a", "Value": "1"}] * 2
        await refused(s3("PutObjectTagging", Bucket="bucket", Key="k", Tagging={"TagSet": twice}), "InvalidTag")

    run(test)


def test_copies() -> None:
    async def test(s3: S3) -> None:
        await s3.put("a b", BIG, ContentType="text/plain", Metadata={"m": "1"}, Tagging="t=1")
        copied = await s3("CopyObject", Bucket="bucket", Key="copy", CopySource="/bucket/a%20b")
        assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(BIG).hexdigest()}"'
        head = await s3("HeadObject", Bucket="bucket", Key="copy")
        assert head["ContentType"] == "text/plain" and head["Metadata"] == {"m": "1"} and head["TagCount"] == 1
        assert await s3.get("copy") == BIG
        await s3("DeleteObject", Bucket="bucket", Key="a b")
        await s3.blobs.collect()
        assert await s3.get("copy") == BIG
        replace = {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE", "Metadata": {"n": "2"}}
        await s3("CopyObject", Bucket="bucket", Key="copy", CopySource="bucket/copy", ContentType="a/b", **replace)
        head = await s3("HeadObject", Bucket="bucket", Key="copy")
        assert head["ContentType"] == "a/b" and head["Metadata"] == {"n": "2"} and "TagCount" not in head
        await refused(s3("CopyObject", Bucket="bucket", Key="copy", CopySource="bucket/copy"), "InvalidRequest")
        await refused(s3("CopyObject", Bucket="bucket", Key="z", CopySource="bucket/none"), "NoSuchKey")
        await refused(s3("CopyObject", Bucket="bucket", Key="z", CopySource="none/none"), "NoSuchBucket")
        await refused(s3("CopyObject", Bucket="bucket", Key="z", CopySource="bucket"), "InvalidArgument")
        source = {"Bucket": "bucket", "Key": "z", "CopySource": "bucket/copy"}
        await refused(s3("CopyObject", **source, CopySourceIfMatch='"x"'), "PreconditionFailed")
        await refused(s3("CopyObject", **source, CopySourceIfNoneMatch=head["ETag"]), "PreconditionFailed")

    run(test)


def test_a_refused_write_leaves_no_file() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"there")
        attempts: list[tuple[dict[str, Any], str]] = [
            ({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"),
            ({"ContentMD5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
            ({"IfNoneMatch": "*"}, "PreconditionFailed"),
        ]
        for params, code in attempts:
            await refused(s3.put("k", BIG, **params), code)
            await refused(s3.put("k", streamed(BIG), **params), code)  # type: ignore[arg-type]
        assert not [path for path in s3.blobs._emptied.rglob("*") if path.is_file()]
        assert await s3.get("k") == b"there"

    run(test)
