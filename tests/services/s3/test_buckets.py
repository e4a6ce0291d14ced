"""Buckets and their configurations."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.http import Request
from freehold.services.s3.buckets import head_bucket
from tests.services.s3.support import ANONYMOUS, OWNER, S3, STRANGER, refused, root, run


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "A-bucket",
        "-bucket",
        "bucket-",
        "my..bucket",
        "192.168.5.4",
        "xn--bucket",
        "b" * 64,
        "my_bucket",
        "a-s3alias",
    ],
)
def test_names_that_a_bucket_may_not_have(name: str) -> None:
    async def test(s3: S3) -> None:
        await refused(s3("CreateBucket", Bucket=name), "InvalidBucketName", "The specified bucket is not valid.")

    run(test)


def test_names_are_one_space_for_all_accounts() -> None:
    async def test(s3: S3) -> None:
        assert (await s3("CreateBucket", Bucket="bucket"))["Location"] == "/bucket"
        await refused(s3("CreateBucket", Bucket="bucket", principal=root(STRANGER)), "BucketAlreadyExists")
        west = {"region": "us-west-2", "CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
        await s3("CreateBucket", Bucket="west", **west)
        await refused(s3("CreateBucket", Bucket="west", **west), "BucketAlreadyOwnedByYou")
        await refused(s3("CreateBucket", Bucket="bucket", **west), "BucketAlreadyOwnedByYou")
        await refused(s3("CreateBucket", Bucket="mine", principal=ANONYMOUS), "AccessDenied")

    run(test)


@pytest.mark.parametrize(
    ("endpoint", "constraint", "outcome"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "eu-west-1", "eu-west-1"),
        ("us-east-1", "EU", "eu-west-1"),
        ("eu-west-1", "eu-west-1", "eu-west-1"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "moon", "InvalidLocationConstraint"),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        ("eu-west-1", "us-west-2", "IllegalLocationConstraintException"),
    ],
)
def test_location_constraints(endpoint: str, constraint: str | None, outcome: str) -> None:
    async def test(s3: S3) -> None:
        configuration = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
        attempt = s3("CreateBucket", Bucket="here", region=endpoint, **configuration)
        if outcome[0].isupper():
            await refused(attempt, outcome)
            return
        await attempt
        assert (await s3("HeadBucket", Bucket="here", region=outcome))["BucketRegion"] == outcome
        location = await s3("GetBucketLocation", Bucket="here", region=outcome)
        assert location == ({} if outcome == "us-east-1" else {"LocationConstraint": outcome})
        other = await refused(s3("HeadBucket", Bucket="here", region="ap-south-1"), "PermanentRedirect")
        assert other.headers == {"x-amz-bucket-region": outcome}

    run(test)


def test_buckets_are_listed_by_name() -> None:
    async def test(s3: S3) -> None:
        for name in ("zoo", "alpha", "alps"):
            await s3("CreateBucket", Bucket=name)
        await s3("CreateBucket", Bucket="euro", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        await s3("CreateBucket", Bucket="foreign", principal=root(STRANGER))
        found = await s3("ListBuckets")
        assert [one["Name"] for one in found["Buckets"]] == ["alpha", "alps", "bucket", "euro", "zoo"]
        assert [one["Name"] for one in (await s3("ListBuckets", Prefix="al"))["Buckets"]] == ["alpha", "alps"]
        assert [one["Name"] for one in (await s3("ListBuckets", BucketRegion="eu-west-1"))["Buckets"]] == ["euro"]
        first = await s3("ListBuckets", MaxBuckets=3)
        assert first["Buckets"][2]["BucketRegion"] == "us-east-1"
        rest = await s3("ListBuckets", MaxBuckets=3, ContinuationToken=first["ContinuationToken"])
        assert [one["Name"] for one in rest["Buckets"]] == ["euro", "zoo"] and "ContinuationToken" not in rest
        await refused(s3("ListBuckets", MaxBuckets=0), "InvalidArgument")

    run(test)


def test_only_empty_buckets_are_deleted() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k")
        await refused(
            s3("DeleteBucket", Bucket="bucket"), "BucketNotEmpty", "The bucket you tried to delete is not empty"
        )
        await s3("DeleteObject", Bucket="bucket", Key="k")
        await s3("DeleteBucket", Bucket="bucket")
        missing = await refused(
            s3("HeadBucket", Bucket="bucket"), "NoSuchBucket", "The specified bucket does not exist"
        )
        assert missing.fields == {"BucketName": "bucket"} and await s3.rows() == 0
        await s3("CreateBucket", Bucket="bucket", principal=root(STRANGER))

    run(test)


@pytest.mark.parametrize(
    "params",
    [
        {"ObjectLockEnabledForBucket": True},
        {"ObjectOwnership": "ObjectWriter"},
        {"BucketNamespace": "account-regional"},
        {"CreateBucketConfiguration": {"Location": {"Type": "LocalZone"}}},
    ],
)
def test_kinds_of_buckets_that_are_refused_by_name(params: dict[str, Any]) -> None:
    async def test(s3: S3) -> None:
        await refused(s3("CreateBucket", Bucket="special", **params), "NotImplemented")

    run(test)


def test_tags() -> None:
    async def test(s3: S3) -> None:
        await refused(s3("GetBucketTagging", Bucket="bucket"), "NoSuchTagSet", "The TagSet does not exist")
        tags = [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}]
        await s3("PutBucketTagging", Bucket="bucket", Tagging={"TagSet": tags})
        assert (await s3("GetBucketTagging", Bucket="bucket"))["TagSet"] == tags
        await s3("DeleteBucketTagging", Bucket="bucket")
        await refused(s3("GetBucketTagging", Bucket="bucket"), "NoSuchTagSet")
        many = [{"Key": str(n), "Value": ""} for n in range(51)]
        await refused(s3("PutBucketTagging", Bucket="bucket", Tagging={"TagSet": many}), "BadRequest")

    run(test)


def encryption(**default: Any) -> dict[str, Any]:
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}


def test_encryption_is_sse_s3_and_other_keys_are_refused_by_name() -> None:
    async def test(s3: S3) -> None:
        async def put(**default: Any) -> None:
            configuration = encryption(**default)
            await s3("PutBucketEncryption", Bucket="bucket", ServerSideEncryptionConfiguration=configuration)

        async def algorithm() -> str:
            found = await s3("GetBucketEncryption", Bucket="bucket")
            rule = found["ServerSideEncryptionConfiguration"]["Rules"][0]
            return str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

        assert await algorithm() == "AES256"
        await put(SSEAlgorithm="AES256")
        await put(SSEAlgorithm="aws:kms")
        await put(SSEAlgorithm="aws:kms", KMSMasterKeyID="arn:aws:kms:us-east-1:111111111111:alias/aws/s3")
        assert await algorithm() == "AES256"
        await refused(put(SSEAlgorithm="aws:kms", KMSMasterKeyID="my-key"), "NotImplemented")
        await refused(put(SSEAlgorithm="aws:kms:dsse"), "NotImplemented")
        await refused(put(SSEAlgorithm="AES256", KMSMasterKeyID="my-key"), "InvalidArgument")
        await refused(put(), "MalformedXML")
        await s3("DeleteBucketEncryption", Bucket="bucket")
        assert await algorithm() == "AES256"

    run(test)


def test_access_control_lists_say_what_is_so() -> None:
    async def test(s3: S3) -> None:
        acl = await s3("GetBucketAcl", Bucket="bucket")
        assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
        assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"] and len(acl["Owner"]["ID"]) == 64
        await s3("PutBucketAcl", Bucket="bucket", ACL="private")
        await s3("PutBucketAcl", Bucket="bucket", AccessControlPolicy=acl)
        await refused(s3("PutBucketAcl", Bucket="bucket", ACL="public-read"), "AccessControlListNotSupported")
        stranger = {"Grants": [{"Grantee": {"ID": "1" * 64, "Type": "CanonicalUser"}, "Permission": "READ"}]}
        await refused(
            s3("PutBucketAcl", Bucket="bucket", AccessControlPolicy=stranger), "AccessControlListNotSupported"
        )
        await s3.put("k")
        assert (await s3("GetObjectAcl", Bucket="bucket", Key="k"))["Owner"] == acl["Owner"]
        await s3("PutObjectAcl", Bucket="bucket", Key="k", ACL="bucket-owner-full-control")

    run(test)


def test_ownership_and_what_buckets_do_not_have() -> None:
    async def test(s3: S3) -> None:
        found = await s3("GetBucketOwnershipControls", Bucket="bucket")
        assert found["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        await s3("PutBucketOwnershipControls", Bucket="bucket", **found)
        writer = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        await refused(s3("PutBucketOwnershipControls", Bucket="bucket", OwnershipControls=writer), "NotImplemented")
        for operation, code in (
            ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
            ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
            ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
        ):
            await refused(s3(operation, Bucket="bucket"), code)
        for operation in ("GetBucketLogging", "GetBucketAccelerateConfiguration", "GetBucketNotificationConfiguration"):
            assert await s3(operation, Bucket="bucket") == {}
        assert await s3("GetBucketRequestPayment", Bucket="bucket") == {"Payer": "BucketOwner"}

    run(test)


def test_the_expected_owner_is_checked() -> None:
    async def test(s3: S3) -> None:
        await s3("HeadBucket", Bucket="bucket", ExpectedBucketOwner=OWNER)
        await refused(s3("HeadBucket", Bucket="bucket", ExpectedBucketOwner=STRANGER), "AccessDenied")

    run(test)


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 ..."}, "", "AuthorizationHeaderMalformed"),
        ({}, "X-Amz-Credential=a", "AuthorizationQueryParametersError"),
        ({}, "", None),
    ],
)
def test_a_signature_for_another_region_says_the_right_one(
    headers: dict[str, str], query: str, code: str | None
) -> None:
    async def test(s3: S3) -> None:
        params = {"Bucket": "bucket"}
        call = s3.request("HeadBucket", root(OWNER), "eu-west-1", params)
        call.http = Request("HEAD", "/bucket", query, headers)
        if code is None:
            assert (await head_bucket(call, params))["BucketRegion"] == "us-east-1"
            return
        refusal = await refused(head_bucket(call, params), code)
        assert refusal.fields == {"Region": "us-east-1"} and refusal.headers == {"x-amz-bucket-region": "us-east-1"}

    run(test)
