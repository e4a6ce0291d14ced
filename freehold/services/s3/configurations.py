"""Configurations of a bucket: encryption, ownership, access control lists; and those that say only what is so anyway."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.s3 import access, attributes, buckets, intake, names, objects
from freehold.services.s3.model import Bucket, owner, owner_id

Request = dict[str, Any]
Result = dict[str, Any]

_DEFAULT_ENCRYPTION = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}


async def _enter(call: Call, request: Request) -> Bucket:
    """The bucket whose configuration is asked for."""
    return await call.platform.store.read(lambda tx: access.enter(tx, call, request))


async def put_bucket_encryption(call: Call, request: Request) -> Result:
    """Set the default encryption: SSE-S3. The AWS-managed KMS key is recorded as that; other keys are refused by name."""
    intake.check_document(call, request, required=False)
    found = (request.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []
    if len(found) != 1:
        raise attributes.malformed_xml()
    rule = found[0]
    if "BlockedEncryptionTypes" in rule:
        blocked = rule["BlockedEncryptionTypes"].get("EncryptionType") or []
        if any(kind not in ("NONE", "SSE-C") for kind in blocked):
            raise attributes.malformed_xml()
        # SSE-C is refused everywhere: blocking it is so already, not blocking it cannot be had.
        if "SSE-C" not in blocked:
            raise not_implemented("unblocking SSE-C for an S3 bucket")
    default = rule.get("ApplyServerSideEncryptionByDefault")
    if default is not None:
        if "SSEAlgorithm" not in default:
            raise attributes.malformed_xml()
        if default["SSEAlgorithm"] == "AES256" and default.get("KMSMasterKeyID"):
            message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms"
            raise Fault("InvalidArgument", message, status=400, ArgumentName="ApplyServerSideEncryptionByDefault")
        attributes.check_algorithm(default["SSEAlgorithm"], default.get("KMSMasterKeyID"))
    recorded = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BucketKeyEnabled": bool(rule.get("BucketKeyEnabled", False)),
    }
    await buckets.change(call, request, lambda bucket: replace(bucket, encryption=recorded))
    return {}


async def get_bucket_encryption(call: Call, request: Request) -> Result:
    """Every bucket is encrypted by default, as on AWS since January 2023."""
    bucket = await _enter(call, request)
    return {"ServerSideEncryptionConfiguration": {"Rules": [bucket.encryption or _DEFAULT_ENCRYPTION]}}


async def delete_bucket_encryption(call: Call, request: Request) -> Result:
    await buckets.change(call, request, lambda bucket: replace(bucket, encryption=None))
    return {}


async def put_bucket_ownership_controls(call: Call, request: Request) -> Result:
    """BucketOwnerEnforced is how every bucket is; anything else is refused by name."""
    intake.check_document(call, request, required=False)
    found = (request.get("OwnershipControls") or {}).get("Rules") or []
    if len(found) != 1 or "ObjectOwnership" not in found[0]:
        raise attributes.malformed_xml()
    ownership = found[0]["ObjectOwnership"]
    if ownership in ("BucketOwnerPreferred", "ObjectWriter"):
        raise not_implemented(f"the S3 object ownership {ownership}: every bucket is BucketOwnerEnforced")
    if ownership != "BucketOwnerEnforced":
        raise attributes.malformed_xml()
    await _enter(call, request)
    return {}


async def get_bucket_ownership_controls(call: Call, request: Request) -> Result:
    bucket = await _enter(call, request)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


async def get_bucket_acl(call: Call, request: Request) -> Result:
    """The owner has full control, nobody else any."""
    return _acl(await _enter(call, request))


async def get_object_acl(call: Call, request: Request) -> Result:
    key = names.key_bytes(request["Key"])
    found = await call.platform.store.read(lambda tx: objects.read_object(tx, call, request, key))
    return _acl(found.bucket)


def _acl(bucket: Bucket) -> Result:
    grantee = {"Type": "CanonicalUser", **owner(bucket.account)}
    return {"Owner": owner(bucket.account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


async def put_bucket_acl(call: Call, request: Request) -> Result:
    """Only what is so anyway: private, or full control of the owner. Raises AccessControlListNotSupported."""
    intake.check_document(call, request, required=False)
    _check_acl(request, await _enter(call, request))
    return {}


async def put_object_acl(call: Call, request: Request) -> Result:
    intake.check_document(call, request, required=False)
    key = names.key_bytes(request["Key"])
    found = await call.platform.store.read(lambda tx: objects.read_object(tx, call, request, key))
    _check_acl(request, found.bucket)
    return {}


def _check_acl(request: Request, bucket: Bucket) -> None:
    attributes.check_acl(request)
    policy = request.get("AccessControlPolicy")
    if policy is None:
        if "ACL" not in request:
            message = "Your request was missing a required header"
            raise Fault("MissingSecurityHeader", message, status=400, MissingHeaderName="x-amz-acl")
        return
    me = owner_id(bucket.account)
    for grant in policy.get("Grants") or []:
        if (grant.get("Grantee") or {}).get("ID") != me or grant.get("Permission") != "FULL_CONTROL":
            raise attributes.acl_not_supported()


async def get_bucket_logging(call: Call, request: Request) -> Result:
    await _enter(call, request)
    return {}


async def get_bucket_accelerate_configuration(call: Call, request: Request) -> Result:
    await _enter(call, request)
    return {}


async def get_bucket_request_payment(call: Call, request: Request) -> Result:
    await _enter(call, request)
    return {"Payer": "BucketOwner"}


async def get_bucket_website(call: Call, request: Request) -> Result:
    message = "The specified bucket does not have a website configuration"
    raise await _absent(call, request, "NoSuchWebsiteConfiguration", message)


async def get_bucket_replication(call: Call, request: Request) -> Result:
    message = "The replication configuration was not found"
    raise await _absent(call, request, "ReplicationConfigurationNotFoundError", message)


async def get_object_lock_configuration(call: Call, request: Request) -> Result:
    message = "Object Lock configuration does not exist for this bucket"
    raise await _absent(call, request, "ObjectLockConfigurationNotFoundError", message)


async def _absent(call: Call, request: Request, code: str, message: str) -> Fault:
    bucket = await _enter(call, request)
    return Fault(code, message, status=404, BucketName=bucket.name)
