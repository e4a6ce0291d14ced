"""Bucket policies, and the public access block that bounds them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.rules.resource_policies import Policy, PolicyError, compile_policy
from freehold.services.s3 import access, attributes, buckets, intake
from freehold.services.s3.model import Bucket

Request = dict[str, Any]
Result = dict[str, Any]

MAX_POLICY = 20 << 10
"""Bytes of a bucket policy."""
_UNSUPPLIED = ("s3:existingobjecttag/", "aws:principaltag/", "aws:resourcetag/", "aws:requesttag/", "s3:tlsversion",
               "s3:authtype", "s3:signatureage", "s3:signatureversion", "s3:x-amz-content-sha256", "s3:object-lock-",
               "s3:x-amz-grant-", "s3:if-match", "s3:if-none-match", "s3:inventoryaccessibleoptionalfields")  # fmt: skip
"""Condition keys that AWS supplies and Freehold does not yet: a policy that asks about them would not act as written."""
_SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


async def put_bucket_policy(call: Call, request: Request) -> Result:
    """Set the policy. Raises MalformedPolicy, and AccessDenied for a public one where that is blocked."""
    intake.check_document(call, request, required=False)
    document: str = request.get("Policy") or ""
    if len(document.encode()) > MAX_POLICY:
        raise malformed(f"Policy exceeds the maximum allowed document size of {MAX_POLICY} bytes.")
    policy = _compiled(document)

    def alter(bucket: Bucket) -> Bucket:
        _check_resources(policy, bucket)
        if (bucket.public_access_block or {}).get("BlockPublicPolicy") and policy.is_public:
            message = (
                f'User: {call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "{bucket.arn}" '
                "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
            )
            raise access.denied(message)
        return replace(bucket, policy=document)

    await buckets.change(call, request, alter)
    return {}


def _compiled(document: str) -> Policy:
    try:
        policy = compile_policy(document)
    except PolicyError as error:
        raise malformed(str(error)) from None
    for statement in policy.statements:
        if not all(action == "*" or action.lower().startswith("s3:") for action in statement.actions):
            raise malformed("Policy has invalid action")
    for key in sorted(policy.condition_keys()):
        if key.startswith(_UNSUPPLIED):
            raise not_implemented(f"the condition key {key} in S3 bucket policies")
    return policy


def _check_resources(policy: Policy, bucket: Bucket) -> None:
    for statement in policy.statements:
        for resource in statement.resources:
            if resource != bucket.arn and not resource.startswith(f"{bucket.arn}/") and resource != f"{bucket.arn}*":
                raise malformed("Policy has invalid resource")


def malformed(message: str) -> Fault:
    return Fault("MalformedPolicy", message, status=400)


async def get_bucket_policy(call: Call, request: Request) -> Result:
    return {"Policy": (await _with_policy(call, request)).policy}


async def get_bucket_policy_status(call: Call, request: Request) -> Result:
    bucket = await _with_policy(call, request)
    return {"PolicyStatus": {"IsPublic": compile_policy(bucket.policy or "").is_public}}


async def _with_policy(call: Call, request: Request) -> Bucket:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    if bucket.policy is None:
        raise Fault("NoSuchBucketPolicy", "The bucket policy does not exist", status=404, BucketName=bucket.name)
    return bucket


async def delete_bucket_policy(call: Call, request: Request) -> Result:
    await buckets.change(call, request, lambda bucket: replace(bucket, policy=None))
    return {}


async def put_public_access_block(call: Call, request: Request) -> Result:
    """Set the four switches; those left out are off."""
    intake.check_document(call, request, required=False)
    configuration = request.get("PublicAccessBlockConfiguration")
    if not configuration:
        raise attributes.malformed_xml()
    block = {name: bool(configuration.get(name, False)) for name in _SETTINGS}
    await buckets.change(call, request, lambda bucket: replace(bucket, public_access_block=block))
    return {}


async def get_public_access_block(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    if bucket.public_access_block is None:
        message = "The public access block configuration was not found"
        raise Fault("NoSuchPublicAccessBlockConfiguration", message, status=404, BucketName=bucket.name)
    return {"PublicAccessBlockConfiguration": bucket.public_access_block}


async def delete_public_access_block(call: Call, request: Request) -> Result:
    await buckets.change(call, request, lambda bucket: replace(bucket, public_access_block=None))
    return {}
