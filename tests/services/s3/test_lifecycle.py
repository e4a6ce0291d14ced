"""Lifecycle rules act at midnight UTC, in service time."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.services.s3 import lifecycle
from freehold.services.s3.expiring import due
from tests.services.s3.support import S3, refused, run

DAY = 86_400


async def put_rules(s3: S3, *rules: dict[str, Any]) -> None:
    complete = [{"Status": "Enabled", "Filter": {}, **rule} for rule in rules]
    await s3("PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration={"Rules": complete})


async def midnight(s3: S3, days: int) -> None:
    """Let days pass; the timer fires at each midnight."""
    for _ in range(days):
        s3.clock.advance(DAY)
        assert await due(s3.platform, b"bucket") == lifecycle.next_midnight(s3.clock.now_ms())


async def keys(s3: S3) -> list[str]:
    return [one["Key"] for one in (await s3("ListObjectsV2", Bucket="bucket"))["Contents"]]


def test_objects_expire_at_the_midnight_after_their_days() -> None:
    async def test(s3: S3) -> None:
        s3.clock.advance(36_000)  # 10:00
        await s3.put("logs/a", b"1")
        await s3.put("logs/b", b"1", Tagging="keep=yes")
        await s3.put("data", b"1")
        both = {"And": {"Prefix": "logs/", "Tags": [{"Key": "keep", "Value": "yes"}]}}
        await put_rules(
            s3,
            {"ID": "logs", "Filter": {"Prefix": "logs/", "ObjectSizeLessThan": 5}, "Expiration": {"Days": 2}},
            {"ID": "kept", "Filter": both, "Expiration": {"Days": 1}, "Status": "Disabled"},
        )
        head = await s3("HeadObject", Bucket="bucket", Key="logs/a")
        assert head["Expiration"] == 'expiry-date="Sun, 04 Jan 2026 00:00:00 GMT", rule-id="logs"'
        assert "Expiration" not in await s3("HeadObject", Bucket="bucket", Key="data")
        s3.clock.advance(14 * 3600)
        await midnight(s3, 1)
        assert await keys(s3) == ["data", "logs/a", "logs/b"]
        await midnight(s3, 1)
        assert await keys(s3) == ["data"]

    run(test)


def test_noncurrent_versions_and_markers_expire() -> None:
    async def test(s3: S3) -> None:
        await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2", b"3", b"4"):
            await s3.put("k", body)
        await s3.put("other", b"1")
        noncurrent = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
        await put_rules(
            s3,
            {"NoncurrentVersionExpiration": noncurrent},
            {"Filter": {"Prefix": "other"}, "Expiration": {"Days": 1}},
            {"Filter": {"Prefix": "k"}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        )
        await midnight(s3, 1)
        page = await s3("ListObjectVersions", Bucket="bucket")
        assert [(one["Key"], one["IsLatest"]) for one in page["Versions"]] == [
            ("k", True), ("k", False), ("k", False), ("other", False),
        ]  # fmt: skip
        assert [one["Key"] for one in page["DeleteMarkers"]] == ["other"]
        await put_rules(
            s3,
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
            {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        )
        await midnight(s3, 2)
        page = await s3("ListObjectVersions", Bucket="bucket")
        assert [one["Key"] for one in page["Versions"]] == ["k"] and page["DeleteMarkers"] == []
        assert await s3.get("k") == b"4"

    run(test)


def test_unfinished_uploads_are_aborted() -> None:
    async def test(s3: S3) -> None:
        await put_rules(
            s3, {"ID": "u", "Filter": {"Prefix": "a"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
        )
        made = await s3("CreateMultipartUpload", Bucket="bucket", Key="a")
        assert made["AbortRuleId"] == "u" and made["AbortDate"] == s3.clock.now_ms() // 1000 + DAY
        await s3("UploadPart", Bucket="bucket", Key="a", UploadId=made["UploadId"], PartNumber=1, Body=b"x" * 100_000)
        await s3("CreateMultipartUpload", Bucket="bucket", Key="b")
        await midnight(s3, 1)
        left = (await s3("ListMultipartUploads", Bucket="bucket"))["Uploads"]
        assert [one["Key"] for one in left] == ["b"]

    run(test)


def test_more_objects_than_a_page() -> None:
    async def test(s3: S3) -> None:
        for n in range(1100):
            await s3.put(f"k{n:04d}", b"")
        await put_rules(s3, {"Expiration": {"Days": 1}})
        await midnight(s3, 1)
        assert await keys(s3) == []

    run(test)


def test_rules_are_kept_shown_and_removed() -> None:
    async def test(s3: S3) -> None:
        await refused(s3("GetBucketLifecycleConfiguration", Bucket="bucket"), "NoSuchLifecycleConfiguration")
        await put_rules(
            s3, {"Expiration": {"Days": 1}}, {"ID": "b", "Expiration": {"Date": 1_800_000_000 // DAY * DAY}}
        )
        found = (await s3("GetBucketLifecycleConfiguration", Bucket="bucket"))["Rules"]
        assert found[0]["Expiration"] == {"Days": 1} and found[0]["ID"] and found[1]["ID"] == "b"
        assert await s3.store.read(lambda tx: s3.platform.timers.due(tx, lifecycle.TIMER, b"bucket")) is not None
        await s3("DeleteBucketLifecycle", Bucket="bucket")
        await refused(s3("GetBucketLifecycleConfiguration", Bucket="bucket"), "NoSuchLifecycleConfiguration")
        assert await s3.store.read(lambda tx: s3.platform.timers.due(tx, lifecycle.TIMER, b"bucket")) is None
        assert await due(s3.platform, b"bucket") is None
        await put_rules(s3, {"Expiration": {"Days": 1}})
        await s3("DeleteBucket", Bucket="bucket")
        assert await s3.store.read(lambda tx: s3.platform.timers.due(tx, lifecycle.TIMER, b"bucket")) is None

    run(test)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({}, "InvalidRequest"),
        ({"Expiration": {}}, "MalformedXML"),
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Expiration": {"Days": 1, "Date": 0}}, "MalformedXML"),
        ({"Expiration": {"Date": 5}}, "InvalidArgument"),
        ({"Expiration": {"Days": 1}, "Status": "On"}, "MalformedXML"),
        ({"Expiration": {"Days": 1}, "Prefix": "both"}, "MalformedXML"),
        ({"NoncurrentVersionExpiration": {}}, "MalformedXML"),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": -1}}, "InvalidArgument"),
        ({"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "NotImplemented"),
        ({"Expiration": {"Days": 1}, "ID": "x" * 256}, "InvalidArgument"),
    ],
)
def test_what_rules_are_refused(rule: dict[str, Any], code: str) -> None:
    async def test(s3: S3) -> None:
        await refused(put_rules(s3, rule), code)

    run(test)
