"""Buckets: create, delete, head, list; location and versioning."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.tuples import after, pack
from freehold.ports.call import Call
from freehold.services.s3 import access, attributes, intake, lifecycle, names, rows, sweep
from freehold.services.s3.model import Bucket, owner
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
Result = dict[str, Any]

MAX_LISTED = 10_000
"""Buckets of one page of ListBuckets; also the quota of an account."""
HOME = "us-east-1"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z")
_OWNED = msgspec.msgpack.Decoder(tuple[str, int])
PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
"""What every new bucket has (since April 2023)."""


async def create_bucket(call: Call, request: Request) -> Result:
    """Make a bucket. In us-east-1 the owner may do so again; elsewhere that is BucketAlreadyOwnedByYou."""
    name = request["Bucket"]
    names.check_bucket_name(name)
    region = _region(call.region, request.get("CreateBucketConfiguration") or {})
    _check_options(request)
    tag_set = (request.get("CreateBucketConfiguration") or {}).get("Tags", [])
    tags = attributes.bucket_tags(tag_set, internal=call.http is None)
    bucket = Bucket(
        name, call.account, region, call.platform.ids.hex(12), call.platform.clock.now_ms(), tags=tags,
        public_access_block=PRIVATE,
    )  # fmt: skip
    if call.principal.account == access.ANONYMOUS:
        raise access.denied()
    await call.platform.store.transact(lambda tx: _create(tx, bucket))
    return {"Location": f"/{name}", "BucketArn": bucket.arn}


def _create(tx: Tx, bucket: Bucket) -> None:
    existing = rows.find_bucket(tx, bucket.name)
    if existing is not None:
        if existing.account != bucket.account:
            message = (
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
                "Please select a different name and try again."
            )
            raise Fault("BucketAlreadyExists", message, status=409, BucketName=bucket.name)
        if bucket.region != HOME or existing.region != HOME:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise Fault("BucketAlreadyOwnedByYou", message, status=409, BucketName=bucket.name)
        return
    tx.put(rows.bucket_key(bucket.name), rows.encode(bucket))
    tx.put(rows.owned_key(bucket.account, bucket.name), rows.encode((bucket.region, bucket.created_ms)))


def _region(endpoint: str, configuration: Request) -> str:
    """Where the bucket shall be, by the endpoint's region and the LocationConstraint."""
    asked = configuration.get("LocationConstraint")
    if asked in (None, ""):
        if endpoint == HOME:
            return HOME
        asked = "unspecified"
    elif asked == HOME or (asked != "EU" and not _REGION.match(asked)):
        message = "The specified location-constraint is not valid"
        raise Fault("InvalidLocationConstraint", message, status=400, LocationConstraint=asked)
    region = "eu-west-1" if asked == "EU" else asked
    if endpoint not in (HOME, region):
        message = "location constraint is incompatible for the region specific endpoint this request was sent to."
        raise Fault("IllegalLocationConstraintException", f"The {asked} {message}", status=400)
    return region


def _check_options(request: Request) -> None:
    configuration = request.get("CreateBucketConfiguration") or {}
    if configuration.get("Location") or configuration.get("Bucket"):
        raise not_implemented("S3 directory buckets")
    if request.get("ObjectLockEnabledForBucket"):
        raise not_implemented("S3 Object Lock")
    if request.get("BucketNamespace", "global") != "global":
        raise not_implemented("S3 bucket names in an account-regional namespace")
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    if ownership != "BucketOwnerEnforced":
        raise not_implemented(f"the S3 object ownership {ownership}: every bucket is BucketOwnerEnforced")
    attributes.check_acl(request)


async def delete_bucket(call: Call, request: Request) -> Result:
    """Remove an empty bucket. Uploads under way go with it."""

    def body(tx: Tx) -> bool:
        bucket = access.enter(tx, call, request)
        _check_empty(tx, bucket)
        tx.delete(rows.bucket_key(bucket.name))
        tx.delete(rows.owned_key(bucket.account, bucket.name))
        tx.clear(*rows.whole("f", bucket.generation))
        if bucket.lifecycle is not None:
            call.platform.timers.set(tx, lifecycle.TIMER, bucket.name.encode(), None)
        if not tx.scan(*rows.whole("u", bucket.generation), limit=1):
            return False
        tx.put(rows.leftover_key(bucket.generation, ""), b"")
        return True

    if await call.platform.store.transact(body):
        sweep.begin(call.platform)
    return {}


def _check_empty(tx: ReadTx, bucket: Bucket) -> None:
    message = "The bucket you tried to delete is not empty"
    if not tx.scan(*rows.whole("o", bucket.generation), limit=1):
        if not tx.scan(*rows.whole("v", bucket.generation), limit=1):
            return
        message += ". You must delete all versions in the bucket."
    raise Fault("BucketNotEmpty", message, status=409, BucketName=bucket.name)


async def head_bucket(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    return {"BucketRegion": bucket.region, "BucketArn": bucket.arn, "AccessPointAlias": False}


async def list_buckets(call: Call, request: Request) -> Result:
    """The account's buckets by name."""
    if call.principal.account == access.ANONYMOUS:
        raise access.denied()
    limit, prefix, region = request.get("MaxBuckets"), request.get("Prefix", ""), request.get("BucketRegion")
    if limit is not None and not 1 <= limit <= MAX_LISTED:
        message = "Argument max-buckets must be an integer between 1 and 10000"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="max-buckets", ArgumentValue=str(limit))
    token = request.get("ContinuationToken")
    start = pack("s3", "a", call.account) + b"\x02" + prefix.encode()
    end = after(start)
    if token:
        start = max(start, rows.owned_key(call.account, _marker(token)) + b"\x00")
    found = await call.platform.store.read_many(lambda tx: rows.scan_all(tx, start, end))
    at = len(pack("s3", "a", call.account)) + 1
    detailed = bool({"MaxBuckets", "Prefix", "BucketRegion", "ContinuationToken"} & request.keys())
    buckets: list[Result] = []
    result: Result = {"Owner": owner(call.account)}
    for key, value in found:
        name = key[at:-1].decode()
        where, created_ms = _OWNED.decode(value)
        if region is not None and where != region:
            continue
        if limit is not None and len(buckets) == limit:
            result["ContinuationToken"] = base64.urlsafe_b64encode(buckets[-1]["Name"].encode()).decode()
            break
        entry = {"Name": name, "CreationDate": created_ms // 1000}
        buckets.append(entry | ({"BucketRegion": where, "BucketArn": f"arn:aws:s3:::{name}"} if detailed else {}))
    if prefix:
        result["Prefix"] = prefix
    return result | {"Buckets": buckets}


def _marker(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        message = "The continuation token provided is incorrect"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="continuation-token") from None


async def get_bucket_location(call: Call, request: Request) -> Result:
    """Where the bucket is; us-east-1 is said by saying nothing."""
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    return {"LocationConstraint": bucket.region} if bucket.region != HOME else {}


async def get_bucket_versioning(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    return {"Status": bucket.versioning} if bucket.versioning else {}


async def put_bucket_versioning(call: Call, request: Request) -> Result:
    """Begin or suspend keeping versions; what was never begun cannot end."""
    intake.check_document(call, request, required=False)
    configuration = request.get("VersioningConfiguration") or {}
    status = configuration.get("Status")
    if "MFA" in request or configuration.get("MFADelete", "Disabled") != "Disabled":
        raise not_implemented("S3 MFA delete")
    if status not in ("Enabled", "Suspended"):
        message = "The Versioning element must be specified" if status is None else attributes.malformed_xml().message
        raise Fault(
            "IllegalVersioningConfigurationException" if status is None else "MalformedXML", message, status=400
        )

    await change(call, request, lambda bucket: replace(bucket, versioning=status))
    return {}


async def change(call: Call, request: Request, alter: Callable[[Bucket], Bucket]) -> Bucket:
    """Change a bucket's configuration in one transaction."""

    def body(tx: Tx) -> Bucket:
        bucket = access.enter(tx, call, request)
        changed = alter(bucket)
        if changed != bucket:
            tx.put(rows.bucket_key(bucket.name), rows.encode(changed))
        return changed

    return await call.platform.store.transact(body)
