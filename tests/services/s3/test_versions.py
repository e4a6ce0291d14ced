"""Versioning: every version stays until it is deleted by its id; a delete marker hides, and may itself be deleted."""

from __future__ import annotations

from typing import Any

from tests.services.s3.support import S3, refused, run


async def keep_versions(s3: S3, status: str = "Enabled") -> None:
    await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": status})


async def listed(s3: S3, **params: Any) -> list[tuple[str, str, bool, bool]]:
    """(key, version id, is latest, is delete marker), in the order of the answer's two lists."""
    page = await s3("ListObjectVersions", Bucket="bucket", **params)
    return [(one["Key"], one["VersionId"], one["IsLatest"], False) for one in page["Versions"]] + [
        (one["Key"], one["VersionId"], one["IsLatest"], True) for one in page["DeleteMarkers"]
    ]


def test_a_bucket_says_its_versioning() -> None:
    async def test(s3: S3) -> None:
        assert await s3("GetBucketVersioning", Bucket="bucket") == {}
        await keep_versions(s3)
        assert await s3("GetBucketVersioning", Bucket="bucket") == {"Status": "Enabled"}
        await keep_versions(s3, "Suspended")
        assert await s3("GetBucketVersioning", Bucket="bucket") == {"Status": "Suspended"}
        change = {"Status": "Enabled", "MFADelete": "Enabled"}
        await refused(s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration=change), "NotImplemented")
        await refused(
            s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={}),
            "IllegalVersioningConfigurationException",
        )

    run(test)


def test_versions_are_kept_and_read_by_id() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        ids = [(await s3.put("k", body))["VersionId"] for body in (b"1", b"2" * 10_000, b"3" * 100_000)]
        assert len(set(ids)) == 3 and all(len(one) == 32 for one in ids)
        assert [await s3.get("k", VersionId=one) for one in ids] == [b"1", b"2" * 10_000, b"3" * 100_000]
        assert (await s3("GetObject", Bucket="bucket", Key="k"))["VersionId"] == ids[2]
        assert await listed(s3) == [
            ("k", ids[2], True, False),
            ("k", ids[1], False, False),
            ("k", ids[0], False, False),
        ]
        await refused(s3.get("k", VersionId="0" * 32), "NoSuchVersion")
        await refused(s3.get("k", VersionId="nonsense"), "InvalidArgument", "Invalid version id specified")

    run(test)


def test_a_delete_marker_hides_and_is_removed_by_its_id() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        first = (await s3.put("k", b"1"))["VersionId"]
        marker = await s3("DeleteObject", Bucket="bucket", Key="k")
        assert marker["DeleteMarker"] is True
        hidden = await refused(s3.get("k"), "NoSuchKey")
        assert hidden.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": marker["VersionId"]}
        assert (await s3("ListObjectsV2", Bucket="bucket"))["KeyCount"] == 0
        assert await listed(s3) == [("k", first, False, False), ("k", marker["VersionId"], True, True)]
        not_allowed = await refused(s3.get("k", VersionId=marker["VersionId"]), "MethodNotAllowed")
        assert not_allowed.status == 405
        gone = await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=marker["VersionId"])
        assert gone == {"VersionId": marker["VersionId"], "DeleteMarker": True}
        assert await s3.get("k") == b"1"

    run(test)


def test_deleting_the_newest_version_brings_back_the_one_before() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        empty = await s3.rows()
        ids = [(await s3.put("k", body))["VersionId"] for body in (b"1", b"2", b"3")]
        await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=ids[2])
        assert await s3.get("k") == b"2"
        await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=ids[0])
        assert await s3.get("k") == b"2"
        assert await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=ids[0]) == {"VersionId": ids[0]}
        await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=ids[1])
        await refused(s3.get("k"), "NoSuchKey")
        assert await s3.rows() == empty

    run(test)


def test_objects_from_before_versioning_have_the_null_version() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"old")
        await keep_versions(s3)
        assert await listed(s3) == [("k", "null", True, False)]
        new = (await s3.put("k", b"new"))["VersionId"]
        assert await s3.get("k", VersionId="null") == b"old" and await s3.get("k", VersionId=new) == b"new"
        assert await listed(s3) == [("k", new, True, False), ("k", "null", False, False)]
        await s3("DeleteObject", Bucket="bucket", Key="k", VersionId="null")
        await refused(s3.get("k", VersionId="null"), "NoSuchVersion")

    run(test)


def test_suspended_writes_replace_only_the_null_version() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        kept = (await s3.put("k", b"kept"))["VersionId"]
        await keep_versions(s3, "Suspended")
        assert (await s3.put("k", b"null 1"))["VersionId"] == "null"
        assert (await s3.put("k", b"null 2"))["VersionId"] == "null"
        assert await listed(s3) == [("k", "null", True, False), ("k", kept, False, False)]
        await keep_versions(s3)
        newest = (await s3.put("k", b"newest"))["VersionId"]
        await keep_versions(s3, "Suspended")
        await s3.put("k", b"null 3")
        assert await listed(s3) == [
            ("k", "null", True, False),
            ("k", newest, False, False),
            ("k", kept, False, False),
        ]
        marker = await s3("DeleteObject", Bucket="bucket", Key="k")
        assert marker == {"VersionId": "null", "DeleteMarker": True}
        assert [one[1:] for one in await listed(s3)] == [
            (newest, False, False),
            (kept, False, False),
            ("null", True, True),
        ]
        await s3("DeleteObject", Bucket="bucket", Key="k", VersionId="null")
        assert await s3.get("k") == b"newest"

    run(test)


def test_versions_stay_in_order_while_the_clock_stands() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        ids = [(await s3.put("k", str(n).encode()))["VersionId"] for n in range(40)]
        assert [one[1] for one in await listed(s3)] == ids[::-1]
        for at in range(39, 0, -7):
            assert await s3.get("k", VersionId=ids[at]) == str(at).encode()

    run(test)


def test_pages_of_versions() -> None:
    async def test(s3: S3) -> None:
        await s3.put("a", b"null")
        await keep_versions(s3)
        for key in ("a", "a\x00", "a/1", "a/2", "b", "a", "b", "a/2"):
            await s3.put(key)
        await s3("DeleteObject", Bucket="bucket", Key="b")
        everything = sorted(await listed(s3), key=lambda one: one[0].encode())
        assert len(everything) == 10
        for size in (1, 2, 3, 7):
            found: list[tuple[str, str]] = []
            params: dict[str, Any] = {}
            while True:
                page = await s3("ListObjectVersions", Bucket="bucket", MaxKeys=size, **params)
                entries = page["Versions"] + page["DeleteMarkers"]
                assert 1 <= len(entries) <= size
                found += [(one["Key"], one["VersionId"]) for one in entries]
                if not page["IsTruncated"]:
                    break
                params = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
            assert sorted(found) == sorted(one[:2] for one in everything) and len(set(found)) == 10
        rolled = await s3("ListObjectVersions", Bucket="bucket", Delimiter="/")
        assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
        assert {one["Key"] for one in rolled["Versions"]} == {"a", "a\x00", "b"}
        inside = await s3("ListObjectVersions", Bucket="bucket", Prefix="a/", Delimiter="/")
        assert [one["Key"] for one in inside["Versions"]] == ["a/1", "a/2", "a/2"]
        await refused(s3("ListObjectVersions", Bucket="bucket", VersionIdMarker="x"), "InvalidArgument")

    run(test)


def test_tags_of_a_version_and_copies_of_a_version() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        old = (await s3.put("k", b"old"))["VersionId"]
        await s3.put("k", b"new")
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        assert await s3("PutObjectTagging", Bucket="bucket", Key="k", VersionId=old, Tagging=tags) == {"VersionId": old}
        assert (await s3("GetObjectTagging", Bucket="bucket", Key="k"))["TagSet"] == []
        assert (await s3("GetObjectTagging", Bucket="bucket", Key="k", VersionId=old))["TagSet"] == tags["TagSet"]
        copied = await s3("CopyObject", Bucket="bucket", Key="k", CopySource=f"bucket/k?versionId={old}")
        assert copied["CopySourceVersionId"] == old and copied["VersionId"] != old
        assert await s3.get("k") == b"old"
        marker = (await s3("DeleteObject", Bucket="bucket", Key="k"))["VersionId"]
        source = f"bucket/k?versionId={marker}"
        await refused(s3("CopyObject", Bucket="bucket", Key="z", CopySource=source), "InvalidRequest")

    run(test)


def test_a_bucket_with_versions_is_not_empty() -> None:
    async def test(s3: S3) -> None:
        await keep_versions(s3)
        await s3.put("k")
        await s3("DeleteObject", Bucket="bucket", Key="k")
        refusal = await refused(s3("DeleteBucket", Bucket="bucket"), "BucketNotEmpty")
        assert refusal.message.endswith("You must delete all versions in the bucket.")
        gone = [{"Key": key, "VersionId": version} for key, version, _, _ in await listed(s3)]
        done = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": gone})
        assert len(done["Deleted"]) == 2
        assert [one.get("DeleteMarkerVersionId") is not None for one in done["Deleted"]] == [False, True]
        await s3("DeleteBucket", Bucket="bucket")
        assert await s3.rows() == 0

    run(test)
