"""Bucket policies act: an explicit Deny for everybody, an Allow for other accounts and anonymous callers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.ports.identity import Principal
from tests.services.s3.support import ANONYMOUS, OWNER, S3, STRANGER, refused, root, run

ARN = "arn:aws:s3:::bucket"
SAM = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Action": ["s3:GetObject"],
            "Effect": "Allow",
            "Resource": f"{ARN}/*",
            "Principal": {"Service": "serverlessrepo.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": OWNER}},
        },
        {
            "Action": "s3:*",
            "Effect": "Deny",
            "Resource": [ARN, f"{ARN}/*"],
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ],
}


def allow(principal: Any, *actions: str, **more: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": principal,
                "Action": list(actions),
                "Resource": [ARN, f"{ARN}/*"],
                **more,
            }
        ],
    }


async def put_policy(s3: S3, policy: dict[str, Any]) -> None:
    await s3("PutBucketPolicy", Bucket="bucket", Policy=json.dumps(policy))


def test_the_policy_that_sam_puts_on_its_bucket() -> None:
    async def test(s3: S3) -> None:
        await put_policy(s3, SAM)
        assert json.loads((await s3("GetBucketPolicy", Bucket="bucket"))["Policy"]) == SAM
        assert await s3("GetBucketPolicyStatus", Bucket="bucket") == {"PolicyStatus": {"IsPublic": False}}
        await s3.put("k", b"loopback is secure transport")
        await s3.get("k")
        await s3("DeleteBucketPolicy", Bucket="bucket")
        await refused(s3("GetBucketPolicy", Bucket="bucket"), "NoSuchBucketPolicy", "The bucket policy does not exist")

    run(test)


def test_other_accounts_need_the_policys_allow() -> None:
    stranger = {"principal": root(STRANGER)}

    async def test(s3: S3) -> None:
        await s3.put("k", b"1")
        read = {"Bucket": "bucket", "Key": "k", **stranger}
        denied = await refused(s3("GetObject", **read), "AccessDenied", "Access Denied")
        assert denied.status == 403
        await put_policy(s3, allow({"AWS": f"arn:aws:iam::{STRANGER}:root"}, "s3:GetObject"))
        assert (await s3("GetObject", **read))["Body"] == b"1"
        await refused(s3("DeleteObject", **read), "AccessDenied")
        # Without s3:ListBucket nobody learns what does not exist.
        await refused(s3("GetObject", **{**read, "Key": "none"}), "AccessDenied")
        await put_policy(s3, allow({"AWS": STRANGER}, "s3:Get*", "s3:ListBucket"))
        await refused(s3("GetObject", **{**read, "Key": "none"}), "NoSuchKey")
        await s3("ListObjectsV2", Bucket="bucket", **stranger)
        await refused(s3("CopyObject", Bucket="bucket", Key="z", CopySource="bucket/k", **stranger), "AccessDenied")

    run(test)


def test_anonymous_callers_need_a_public_policy_and_its_permission() -> None:
    async def test(s3: S3) -> None:
        await s3.put("k", b"1")
        read = {"Bucket": "bucket", "Key": "k", "principal": ANONYMOUS}
        public = allow("*", "s3:GetObject")
        blocked = await refused(put_policy(s3, public), "AccessDenied")
        assert "BlockPublicPolicy" in blocked.message
        await refused(s3("GetObject", **read), "AccessDenied")
        await s3("DeletePublicAccessBlock", Bucket="bucket")
        await put_policy(s3, public)
        assert (await s3("GetObject", **read))["Body"] == b"1"
        assert (await s3("GetBucketPolicyStatus", Bucket="bucket"))["PolicyStatus"]["IsPublic"] is True
        await refused(s3("GetObject", **read, ResponseContentType="text/html"), "InvalidRequest")
        await refused(s3("PutObject", **read, Body=b""), "AccessDenied")
        restrict = {"RestrictPublicBuckets": True}
        await s3("PutPublicAccessBlock", Bucket="bucket", PublicAccessBlockConfiguration=restrict)
        await refused(s3("GetObject", **read), "AccessDenied")
        await s3.get("k")

    run(test)


def test_the_public_access_block() -> None:
    async def test(s3: S3) -> None:
        block = (await s3("GetPublicAccessBlock", Bucket="bucket"))["PublicAccessBlockConfiguration"]
        assert set(block.values()) == {True} and len(block) == 4
        await s3("PutPublicAccessBlock", Bucket="bucket", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
        block = (await s3("GetPublicAccessBlock", Bucket="bucket"))["PublicAccessBlockConfiguration"]
        assert block == {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": False,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": False,
        }
        await s3("DeletePublicAccessBlock", Bucket="bucket")
        await refused(s3("GetPublicAccessBlock", Bucket="bucket"), "NoSuchPublicAccessBlockConfiguration")

    run(test)


def test_an_explicit_deny_binds_the_owner_too_but_not_from_the_policy_itself() -> None:
    async def test(s3: S3) -> None:
        await s3.put("secret/k", b"1")
        policy = allow({"AWS": OWNER}, "s3:*")
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [ARN, f"{ARN}/secret/*"]}
        policy["Statement"].append(deny)
        await put_policy(s3, policy)
        denied = await refused(s3.get("secret/k"), "AccessDenied")
        assert denied.message.endswith("with an explicit deny in a resource-based policy")
        await refused(s3("ListObjectsV2", Bucket="bucket"), "AccessDenied")
        user = Principal(OWNER, f"arn:aws:iam::{OWNER}:user/u", "AIDA")
        await refused(s3("DeleteBucketPolicy", Bucket="bucket", principal=user), "AccessDenied")
        await s3("DeleteBucketPolicy", Bucket="bucket")
        await s3.get("secret/k")

    run(test)


def test_versions_and_batches_are_judged_by_their_own_actions() -> None:
    async def test(s3: S3) -> None:
        await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        version = (await s3.put("k"))["VersionId"]
        await s3.put("keep/k")
        policy = allow({"AWS": OWNER}, "s3:*")
        for action, resource in (("s3:GetObjectVersion", f"{ARN}/*"), ("s3:DeleteObject", f"{ARN}/keep/*")):
            deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
            policy["Statement"].append(deny)
        await put_policy(s3, policy)
        await s3.get("k")
        await refused(s3.get("k", VersionId=version), "AccessDenied")
        done = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": "k"}, {"Key": "keep/k"}]})
        assert [one["Key"] for one in done["Deleted"]] == ["k"]
        assert [(one["Key"], one["Code"]) for one in done["Errors"]] == [("keep/k", "AccessDenied")]

    run(test)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "Policies must be valid JSON and the first byte must be '{'"),
        ("[]", "Policies must be valid JSON and the first byte must be '{'"),
        ("{", "This policy contains invalid Json"),
        (json.dumps({"Version": "2012-10-17"}), "Missing required field Statement"),
        (json.dumps({"Version": "2020-01-01", "Statement": []}), "The policy must contain a valid version string"),
        (json.dumps(allow("*", "sqs:SendMessage")), "Policy has invalid action"),
        (json.dumps(allow("*", "s3:GetObject", Resource="arn:aws:s3:::other/*")), "Policy has invalid resource"),
        (json.dumps(allow({"AWS": "me"}, "s3:GetObject")), "Invalid principal in policy"),
        (json.dumps(allow("*", "s3:GetObject", Effect="Maybe")), "Invalid effect: Maybe"),
        (
            json.dumps(allow("*", "s3:GetObject", Condition={"StringSame": {"a": "b"}})),
            "Invalid Condition type : StringSame",
        ),
        (json.dumps(allow("*", "s3:GetObject", Extra=1)), "Unknown field Extra"),
    ],
)
def test_malformed_policies(document: str, message: str) -> None:
    async def test(s3: S3) -> None:
        await refused(s3("PutBucketPolicy", Bucket="bucket", Policy=document), "MalformedPolicy", message)

    run(test)


def test_a_condition_key_that_freehold_does_not_supply_is_refused_by_name() -> None:
    async def test(s3: S3) -> None:
        condition = {"StringEquals": {"s3:ExistingObjectTag/team": "a"}}
        refusal = await refused(put_policy(s3, allow("*", "s3:GetObject", Condition=condition)), "NotImplemented")
        assert "s3:existingobjecttag/team" in refusal.message

    run(test)
