"""CloudFormation types: AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.services.s3.resources import TYPES
from tests.services.s3.support import OWNER, S3, refused, root, run

BUCKET, POLICY = TYPES
SAM_BUCKET = {
    "VersioningConfiguration": {"Status": "Enabled"},
    "Tags": [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
    },
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    },
}


class Context:
    """A ResourceContext over the handlers."""

    account, stack_name, logical_id = OWNER, "stack", "SamCliSourceBucket"
    stack_id = "arn:aws:cloudformation:us-east-1:111111111111:stack/stack/1"
    principal, ids = root(OWNER), Ids(seed=2)

    def __init__(self, s3: S3, region: str = "us-east-1") -> None:
        self._s3, self.region = s3, region
        self.tags = {
            "aws:cloudformation:stack-name": "stack",
            "aws:cloudformation:stack-id": self.stack_id,
            "team": "a",
        }

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        assert service == "s3"
        return await self._s3(operation, region=self.region, **request)

    def made(self, physical_id: str) -> None:
        self.partial_id = physical_id

    def name(self, max_length: int = 64, *, lower: bool = False) -> str:
        return "stack-samclisourcebucket-1a2b3c4d5e6f"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_bucket_that_sam_makes(region: str) -> None:
    async def test(s3: S3) -> None:
        context: Any = Context(s3, region)
        made = await BUCKET.create(context, SAM_BUCKET)
        name = made.id
        assert made.attributes["Arn"] == f"arn:aws:s3:::{name}"
        assert set(made.attributes) == BUCKET.attributes
        assert await context.call("s3", "GetBucketVersioning", Bucket=name) == {"Status": "Enabled"}
        tags = (await context.call("s3", "GetBucketTagging", Bucket=name))["TagSet"]
        assert {tag["Key"] for tag in tags} == {"ManagedStackSource", "team", *(t for t in context.tags)}
        # Created once more after a crash: the bucket is the stack's own.
        assert (await BUCKET.create(context, SAM_BUCKET)).id == name
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{name}/*"},
            ],
        }
        properties = {"Bucket": name, "PolicyDocument": document}
        policy = await POLICY.create(context, properties)
        await refused(context.call("s3", "PutObject", Bucket=name, Key="k", Body=b""), "AccessDenied")
        await POLICY.delete(context, policy, properties)
        await POLICY.delete(context, policy, properties)
        changed = {key: value for key, value in SAM_BUCKET.items() if key == "Tags"}
        assert BUCKET.update is not None
        await BUCKET.update(context, made, SAM_BUCKET, changed)
        assert await context.call("s3", "GetBucketVersioning", Bucket=name) == {"Status": "Suspended"}
        await refused(context.call("s3", "GetPublicAccessBlock", Bucket=name), "NoSuchPublicAccessBlockConfiguration")
        await BUCKET.delete(context, made, changed)
        await BUCKET.delete(context, made, changed)

    run(test)


def test_a_bucket_that_another_stack_owns_is_not_taken_over() -> None:
    async def test(s3: S3) -> None:
        context: Any = Context(s3)
        with pytest.raises(Fault) as caught:
            await BUCKET.create(context, {"BucketName": "bucket"})
        assert caught.value.message == "bucket already exists"
        await s3("PutBucketTagging", Bucket="bucket", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        with pytest.raises(Fault):
            await BUCKET.create(context, {"BucketName": "bucket"})

    run(test)


def test_a_customer_managed_key_fails_by_name() -> None:
    async def test(s3: S3) -> None:
        context: Any = Context(s3)
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:111111111111:key/1"}
        rules = [{"ServerSideEncryptionByDefault": default}]
        properties = {"BucketEncryption": {"ServerSideEncryptionConfiguration": rules}}
        await refused(BUCKET.create(context, properties), "NotImplemented")  # type: ignore[arg-type]

    run(test)


def test_lifecycle_rules_of_a_template() -> None:
    async def test(s3: S3) -> None:
        context: Any = Context(s3)
        rules = [
            {"Id": "a", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": 1},
            {
                "Status": "Enabled",
                "Prefix": "x",
                "ObjectSizeGreaterThan": "5",
                "TagFilters": [{"Key": "k", "Value": "v"}],
                "ExpirationDate": "2027-01-01T00:00:00Z",
                "NoncurrentVersionExpirationInDays": 3,
            },
            {"Status": "Disabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        ]
        properties = {"LifecycleConfiguration": {"Rules": rules}}
        made = await BUCKET.create(context, properties)
        found = (await context.call("s3", "GetBucketLifecycleConfiguration", Bucket=made.id))["Rules"]
        assert found[0] == {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
        assert found[1]["Filter"]["And"] == {
            "Prefix": "x",
            "ObjectSizeGreaterThan": 5,
            "Tags": [{"Key": "k", "Value": "v"}],
        }
        assert found[1]["Expiration"] == {"Date": 1_798_761_600}
        assert found[1]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 3}
        assert BUCKET.update is not None
        await BUCKET.update(context, made, properties, {})
        await refused(
            context.call("s3", "GetBucketLifecycleConfiguration", Bucket=made.id), "NoSuchLifecycleConfiguration"
        )

    run(test)


def test_cors_rules_of_a_template() -> None:
    async def test(s3: S3) -> None:
        context: Any = Context(s3)
        rule = {"Id": "r", "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposedHeaders": ["ETag"], "MaxAge": 5}
        properties = {"CorsConfiguration": {"CorsRules": [rule]}}
        made = await BUCKET.create(context, properties)
        assert (await context.call("s3", "GetBucketCors", Bucket=made.id))["CORSRules"] == [
            {
                "ID": "r",
                "AllowedMethods": ["GET"],
                "AllowedOrigins": ["*"],
                "ExposeHeaders": ["ETag"],
                "MaxAgeSeconds": 5,
            }
        ]
        assert BUCKET.update is not None
        await BUCKET.update(context, made, properties, {})
        await refused(context.call("s3", "GetBucketCors", Bucket=made.id), "NoSuchCORSConfiguration")

    run(test)
