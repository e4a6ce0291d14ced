"""What is told of a change: the records of queues, topics and functions, the events of EventBridge."""

from __future__ import annotations

import pytest

from freehold.ports.identity import Principal
from freehold.services.s3 import lifecycle, records, service
from tests.services.s3.notifications.support import FUNCTION, configure, listening, records_of, to_queue, told
from tests.services.s3.support import OWNER, S3, run


def test_a_put_is_told_in_a_record_of_version_2_1() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        queue = to_queue("s3:ObjectCreated:*", prefix="in/") | {"Id": "mine"}
        await configure(s3, QueueConfigurations=[queue])
        await told(s3)
        await s3.put("elsewhere/a.jpg")
        await s3.put("in/red flower+1.jpg", b"hello")
        [record] = await records_of(s3)
        sequencer = record["s3"]["object"].pop("sequencer")
        assert int(sequencer, 16) and len(sequencer) == 18
        principal = record["s3"]["bucket"]["ownerIdentity"]["principalId"]
        assert principal.startswith("A") and len(principal) == 14
        assert record == {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": principal},
            "requestParameters": {"sourceIPAddress": "s3.amazonaws.com"},
            "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "cg=="},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "mine",
                "bucket": {
                    "name": "bucket", "ownerIdentity": {"principalId": principal}, "arn": "arn:aws:s3:::bucket",
                },
                "object": {"key": "in/red+flower%2B1.jpg", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592"},
            },
        }  # fmt: skip

    run(test)


def test_users_and_sessions_are_named_by_their_unique_ids() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*")])
        await told(s3)
        user = Principal(OWNER, f"arn:aws:iam::{OWNER}:user/ann", "AIDAX")
        await s3.put("k", principal=user)
        [record] = await records_of(s3)
        assert record["userIdentity"] == {"principalId": "AWS:AIDAX"}

    run(test)


def test_copies_and_multipart_uploads_have_names_of_their_own() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*")], EventBridgeConfiguration={})
        await told(s3)
        await s3.put("a")
        await s3("CopyObject", Bucket="bucket", Key="b", CopySource="bucket/a")
        begun = await s3("CreateMultipartUpload", Bucket="bucket", Key="c")
        named = {"Bucket": "bucket", "Key": "c", "UploadId": begun["UploadId"]}
        part = await s3("UploadPart", **named, PartNumber=1, Body=b"part")
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        await s3("CompleteMultipartUpload", **named, MultipartUpload=listed)
        found = await records_of(s3)
        assert [one["eventName"] for one in found] == [
            "ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
        ]  # fmt: skip
        assert found[2]["s3"]["object"]["eTag"].endswith("-1")
        events = sorted(await told(s3, f"{OWNER}:us-east-1"), key=lambda one: one["detail"]["object"]["key"])
        assert [one["detail"]["reason"] for one in events] == ["PutObject", "CopyObject", "CompleteMultipartUpload"]

    run(test)


def test_in_a_versioned_bucket_deletes_make_markers() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectRemoved:*")], EventBridgeConfiguration={})
        await told(s3)
        made = await s3.put("k")
        marker = await s3("DeleteObject", Bucket="bucket", Key="k")
        for version in (made["VersionId"], marker["VersionId"]):
            s3.clock.advance(1)
            await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=version)
        found = await records_of(s3)
        names = [one["eventName"].partition(":")[2] for one in found]
        assert names == ["DeleteMarkerCreated", "Delete", "Delete"]
        assert [one["s3"]["object"]["versionId"] for one in found] == [
            marker["VersionId"], made["VersionId"], marker["VersionId"],
        ]  # fmt: skip
        assert found[0]["s3"]["object"]["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"
        events = await told(s3, f"{OWNER}:us-east-1")
        kinds = sorted(one["detail"].get("deletion-type", "") for one in events)
        assert kinds == ["", "Delete Marker Created", "Permanently Deleted", "Permanently Deleted"]

    run(test)


def test_event_bridge_gets_details_with_plain_keys() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, EventBridgeConfiguration={})
        await s3.put("red flower", b"hello")
        [event] = await told(s3, f"{OWNER}:us-east-1")
        assert event["detail"]["object"].pop("sequencer")
        assert event == {
            "type": "Object Created",
            "source": "aws.s3",
            "resources": ["arn:aws:s3:::bucket"],
            "detail": {
                "version": "0",
                "bucket": {"name": "bucket"},
                "object": {"key": "red flower", "size": 5, "etag": "5d41402abc4b2a76b9719d911017c592"},
                "request-id": "r",
                "requester": OWNER,
                "reason": "PutObject",
            },
        }

    run(test)


def test_tags_set_and_removed() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(
            s3,
            LambdaFunctionConfigurations=[{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectTagging:*"]}],
            EventBridgeConfiguration={},
        )
        await s3.put("k")
        await s3("PutObjectTagging", Bucket="bucket", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        await s3("DeleteObjectTagging", Bucket="bucket", Key="k")
        found = [one["Records"][0] for one in await told(s3, FUNCTION)]
        assert sorted(one["eventName"] for one in found) == ["ObjectTagging:Delete", "ObjectTagging:Put"]
        assert {one["eventVersion"] for one in found} == {"2.3"}
        types = sorted(one["type"] for one in await told(s3, f"{OWNER}:us-east-1"))
        assert types == ["Object Created", "Object Tags Added", "Object Tags Deleted"]

    run(test)


def test_lifecycle_expirations_are_told_as_such() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:LifecycleExpiration:*")], EventBridgeConfiguration={})
        rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
        await s3("PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration={"Rules": [rule]})
        await s3.put("plain")
        await told(s3)
        await told(s3, f"{OWNER}:us-east-1")
        s3.clock.advance(3 * 86_400)
        await service.MANIFEST.timers[lifecycle.TIMER](s3.platform, b"bucket")
        [record] = await records_of(s3)
        assert record["eventName"] == "LifecycleExpiration:Delete"
        assert record["eventVersion"] == "2.3"
        assert record["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
        [event] = await told(s3, f"{OWNER}:us-east-1")
        assert event["detail"]["reason"] == "Lifecycle Expiration"
        assert event["detail"]["requester"] == "s3.amazonaws.com"
        assert event["detail"]["deletion-type"] == "Permanently Deleted"

    run(test)


@pytest.mark.parametrize(("events", "yes"), [(("s3:ObjectCreated:*",), True), (("s3:ObjectCreated:Post",), False)])
def test_wildcards_cover_every_type_of_their_kind(events: tuple[str, ...], yes: bool) -> None:
    assert records.wants(events, "ObjectCreated:Put") is yes
