"""Multipart uploads."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from freehold.services.s3 import checksums, multipart
from tests.services.s3.support import S3, refused, run

MIB = 1 << 20
FIVE = bytes(range(256)) * (5 * MIB // 256)


async def begin(s3: S3, key: str = "k", **params: Any) -> dict[str, Any]:
    made = await s3("CreateMultipartUpload", Bucket="bucket", Key=key, **params)
    return {"Bucket": "bucket", "Key": key, "UploadId": made["UploadId"]}


async def part(s3: S3, upload: dict[str, Any], number: int, body: bytes, **params: Any) -> dict[str, Any]:
    done = await s3("UploadPart", **upload, PartNumber=number, Body=body, **params)
    return {"PartNumber": number, "ETag": done["ETag"]}


def digest(algorithm: str, data: bytes) -> bytes:
    running = checksums.begin(algorithm)
    running.update(data)
    return running.digest()


def test_parts_become_one_object_without_being_copied() -> None:
    async def test(s3: S3) -> None:
        before = await s3.rows()
        upload = await begin(s3, ContentType="text/plain", Metadata={"a": "b"}, Tagging="t=1")
        parts = [await part(s3, upload, 1, FIVE), await part(s3, upload, 2, b"tail")]
        files = sorted(path for path in s3.blobs._emptied.rglob("*") if path.is_file())
        done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        assert sorted(path for path in s3.blobs._emptied.rglob("*") if path.is_file()) == files
        joined = hashlib.md5(FIVE).digest() + hashlib.md5(b"tail").digest()
        assert done["ETag"] == f'"{hashlib.md5(joined).hexdigest()}-2"'
        whole = FIVE + b"tail"
        assert done["ChecksumCRC64NVME"] == checksums.encoded(digest("CRC64NVME", whole))
        assert done["ChecksumType"] == "FULL_OBJECT"
        got = await s3("GetObject", Bucket="bucket", Key="k")
        assert got["Body"] == whole and got["ContentType"] == "text/plain" and got["Metadata"] == {"a": "b"}
        at = len(FIVE)
        assert await s3.get("k", Range=f"bytes={at - 2}-{at + 1}") == FIVE[-2:] + b"ta"
        second = await s3("GetObject", Bucket="bucket", Key="k", PartNumber=2)
        assert second["Body"] == b"tail" and second["PartsCount"] == 2
        assert second["ContentRange"] == f"bytes {at}-{at + 3}/{at + 4}"
        assert (await s3("HeadObject", Bucket="bucket", Key="k", PartNumber=1))["ContentLength"] == at
        await refused(s3("ListParts", **upload), "NoSuchUpload")
        await s3("DeleteObject", Bucket="bucket", Key="k")
        assert await s3.rows() == before
        await s3.blobs.collect()
        assert not [path for path in s3.blobs._emptied.rglob("*") if path.is_file()]

    run(test)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(algorithm: str) -> None:
    member = f"Checksum{algorithm}"
    values = [checksums.encoded(digest(algorithm, body)) for body in (FIVE, b"tail")]

    async def test(s3: S3) -> None:
        upload = await begin(s3, ChecksumAlgorithm=algorithm)
        parts = []
        for number, (body, value) in enumerate(zip((FIVE, b"tail"), values, strict=True), 1):
            parts.append(await part(s3, upload, number, body, **{member: value}) | {member: value})
        bare = [{key: one[key] for key in ("PartNumber", "ETag")} for one in parts]
        missing = await refused(
            s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": bare}), "InvalidRequest"
        )
        assert missing.message.endswith("It was missing for part 1 in the request.")
        swapped = [parts[0] | {member: values[1]}, parts[1]]
        await refused(s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": swapped}), "InvalidPart")
        done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        joined = b"".join(base64.b64decode(value) for value in values)
        assert done[member] == f"{checksums.encoded(digest(algorithm, joined))}-2"
        assert done["ChecksumType"] == "COMPOSITE"
        found = await s3("GetObjectAttributes", Bucket="bucket", Key="k", ObjectAttributes=["ObjectParts", "Checksum"])
        assert found["ObjectParts"]["TotalPartsCount"] == 2
        assert [one[member] for one in found["ObjectParts"]["Parts"]] == values
        assert [one["Size"] for one in found["ObjectParts"]["Parts"]] == [len(FIVE), 4]

    run(test)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_full_object_checksums(algorithm: str) -> None:
    member = f"Checksum{algorithm}"

    async def test(s3: S3) -> None:
        upload = await begin(s3, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
        parts = [await part(s3, upload, 1, FIVE), await part(s3, upload, 7, b"tail")]
        wrong = {member: checksums.encoded(b"\0" * checksums.SIZES[algorithm])}
        await refused(s3("CompleteMultipartUpload", **upload, **wrong, MultipartUpload={"Parts": parts}), "BadDigest")
        done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        assert done[member] == checksums.encoded(digest(algorithm, FIVE + b"tail"))

    run(test)


def test_checksums_of_parts_must_be_the_uploads() -> None:
    async def test(s3: S3) -> None:
        upload = await begin(s3, ChecksumAlgorithm="SHA256")
        sha1 = checksums.encoded(digest("SHA1", b"x"))
        message = "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: sha1"
        await refused(part(s3, upload, 1, b"x", ChecksumSHA1=sha1), "InvalidRequest", message)
        message = "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null"
        await refused(part(s3, upload, 1, b"x"), "InvalidRequest", message)
        for algorithm, kind in (("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
            await refused(begin(s3, ChecksumAlgorithm=algorithm, ChecksumType=kind), "InvalidRequest")
        # An upload that leaves the choice to S3 takes parts with any checksum and has CRC64NVME as a whole.
        upload = await begin(s3)
        parts = [await part(s3, upload, 1, b"x", ChecksumSHA1=sha1)]
        done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        assert done["ChecksumCRC64NVME"] == checksums.encoded(digest("CRC64NVME", b"x"))

    run(test)


def test_what_completing_refuses() -> None:
    async def test(s3: S3) -> None:
        upload = await begin(s3)
        one, two = await part(s3, upload, 1, b"small"), await part(s3, upload, 2, b"x")
        attempts: list[tuple[list[dict[str, Any]], str]] = [
            ([], "MalformedXML"),
            ([{"PartNumber": 1}], "MalformedXML"),
            ([two, one], "InvalidPartOrder"),
            ([one, one], "InvalidPartOrder"),
            ([one, {"PartNumber": 3, "ETag": one["ETag"]}], "InvalidPart"),
            ([{"PartNumber": 1, "ETag": two["ETag"]}], "InvalidPart"),
            ([one, two], "EntityTooSmall"),
        ]
        for parts, code in attempts:
            await refused(s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts}), code)
        complete = {**upload, "MultipartUpload": {"Parts": [one]}}
        await refused(s3("CompleteMultipartUpload", **complete, MpuObjectSize=6), "InvalidRequest")
        await s3.put("k", b"there")
        await refused(s3("CompleteMultipartUpload", **complete, IfNoneMatch="*"), "PreconditionFailed")
        await s3("CompleteMultipartUpload", **complete, MpuObjectSize=5)
        assert await s3.get("k") == b"small"
        await refused(s3("CompleteMultipartUpload", **complete), "NoSuchUpload")
        for number in (0, 10_001):
            await refused(part(s3, upload, number, b"x"), "InvalidArgument")
        await refused(part(s3, {**upload, "UploadId": "none"}, 1, b"x"), "NoSuchUpload")

    run(test)


def test_a_part_replaces_the_one_before_and_unused_parts_go() -> None:
    async def test(s3: S3) -> None:
        before = await s3.rows()
        upload = await begin(s3)
        await part(s3, upload, 1, FIVE)
        last = await part(s3, upload, 1, FIVE[::-1])
        await part(s3, upload, 2, FIVE)
        listed = await s3("ListParts", **upload)
        assert [(one["PartNumber"], one["Size"]) for one in listed["Parts"]] == [(1, len(FIVE)), (2, len(FIVE))]
        assert listed["IsTruncated"] is False and listed["ChecksumAlgorithm"] == "CRC64NVME"
        page = await s3("ListParts", **upload, MaxParts=1)
        assert page["IsTruncated"] and page["NextPartNumberMarker"] == 1
        rest = await s3("ListParts", **upload, PartNumberMarker=1)
        assert [one["PartNumber"] for one in rest["Parts"]] == [2]
        await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": [last]})
        await s3.blobs.collect()
        assert len([path for path in s3.blobs._emptied.rglob("*") if path.is_file()]) == 1
        assert await s3.get("k") == FIVE[::-1]
        await s3("DeleteObject", Bucket="bucket", Key="k")
        assert await s3.rows() == before

    run(test)


def test_aborting_and_deleting_the_bucket_release_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "CLEARED_AT_ONCE", 3)

    async def test(s3: S3) -> None:
        before = await s3.rows()
        upload = await begin(s3)
        for number in range(1, 6):
            await part(s3, upload, number, b"x" * 70_000)
        await s3("AbortMultipartUpload", **upload)
        await refused(s3("AbortMultipartUpload", **upload), "NoSuchUpload")
        await settled(s3)
        assert await s3.rows() == before
        upload = await begin(s3)
        await part(s3, upload, 1, FIVE)
        await begin(s3, "another")
        await s3("DeleteBucket", Bucket="bucket")
        await settled(s3)
        assert await s3.rows() == 0
        await s3.blobs.collect()
        assert not [path for path in s3.blobs._emptied.rglob("*") if path.is_file()]

    run(test)


async def settled(s3: S3) -> None:
    """Wait until the background has cleared up."""
    for task in list(s3.tasks._tasks):
        await task


def test_uploads_are_listed() -> None:
    async def test(s3: S3) -> None:
        first = await begin(s3, "a/1")
        s3.clock.advance(1)
        second = await begin(s3, "a/1", StorageClass="STANDARD_IA")
        third = await begin(s3, "b")
        everything = await s3("ListMultipartUploads", Bucket="bucket")
        ids = [one["UploadId"] for one in everything["Uploads"]]
        assert ids == [first["UploadId"], second["UploadId"], third["UploadId"]]
        assert everything["Uploads"][1]["StorageClass"] == "STANDARD_IA"
        rolled = await s3("ListMultipartUploads", Bucket="bucket", Delimiter="/")
        assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}] and len(rolled["Uploads"]) == 1
        seen: list[str] = []
        marker: dict[str, str] = {}
        while True:
            page = await s3("ListMultipartUploads", Bucket="bucket", MaxUploads=1, **marker)
            seen += [one["UploadId"] for one in page["Uploads"]]
            if not page["IsTruncated"]:
                break
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        assert seen == ids

    run(test)


def test_parts_from_other_objects() -> None:
    async def test(s3: S3) -> None:
        await s3.put("source", FIVE)
        upload = await begin(s3)
        copied = await s3("UploadPartCopy", **upload, PartNumber=1, CopySource="bucket/source")
        ranged = await s3(
            "UploadPartCopy", **upload, PartNumber=2, CopySource="bucket/source", CopySourceRange="bytes=3-9"
        )
        parts = [
            {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]},
            {"PartNumber": 2, "ETag": ranged["CopyPartResult"]["ETag"]},
        ]
        await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        assert await s3.get("k") == FIVE + FIVE[3:10]
        upload = await begin(s3)
        for wrong in ("bytes=0-", "bytes=5-2", f"bytes=0-{len(FIVE)}"):
            params = {"CopySource": "bucket/source", "CopySourceRange": wrong}
            await refused(s3("UploadPartCopy", **upload, PartNumber=1, **params), "InvalidArgument")

    run(test)


def test_a_crash_does_not_lose_what_is_still_to_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    from freehold.services.s3 import sweep

    monkeypatch.setattr(multipart, "CLEARED_AT_ONCE", 1)
    monkeypatch.setattr(sweep, "begin", lambda platform: None)

    async def test(s3: S3) -> None:
        before = await s3.rows()
        upload = await begin(s3)
        for number in (1, 2, 3):
            await part(s3, upload, number, b"x")
        await s3("AbortMultipartUpload", **upload)
        assert await s3.rows() == before + 4
        await sweep.run(s3.platform)
        assert await s3.rows() == before

    run(test)


def test_more_parts_than_a_transaction_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART", 1)

    async def test(s3: S3) -> None:
        before = await s3.rows()
        upload = await begin(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        bodies = [str(number).encode() for number in range(1, 1201)]
        parts = [await part(s3, upload, number, body) for number, body in enumerate(bodies, 1)]
        listed = await s3("ListParts", **upload)
        assert len(listed["Parts"]) == 1000 and listed["IsTruncated"] and listed["NextPartNumberMarker"] == 1000
        done = await s3("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        whole = b"".join(bodies)
        assert done["ChecksumCRC32"] == checksums.encoded(digest("CRC32", whole)) and await s3.get("k") == whole
        await settled(s3)
        await s3("DeleteObject", Bucket="bucket", Key="k")
        assert await s3.rows() == before

    run(test)
