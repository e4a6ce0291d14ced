"""Who may: the owner, and whom the bucket's policy lets in. Also the checks that come with every bucket: region, owner.

An explicit Deny of the bucket's policy applies to everybody; callers of another account, and anonymous ones, need its
Allow. Policies of identities are enforced with IAM's own issue.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.rules.resource_policies import ALLOW, DENY, Caller, Policy, compile_policy, request_context
from freehold.services.s3 import cors_rules, rows
from freehold.services.s3.model import Bucket, owner_id
from freehold.store.base import ReadTx

ANONYMOUS = "anonymous"
"""Account of callers without a signature, as front says it."""
NO_SUCH_BUCKET = "The specified bucket does not exist"
ACCESS_DENIED = "Access Denied"

_VERSIONED = frozenset(
    (
        "GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetObjectAcl",
        "GetObjectAttributes",
    )
)  # fmt: skip
_ROOT_KEEPS = frozenset(("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"))


def enter(tx: ReadTx, call: Call, request: dict[str, Any]) -> Bucket:
    """The bucket of a request. Raises NoSuchBucket, AuthorizationHeaderMalformed, PermanentRedirect, AccessDenied."""
    name = request["Bucket"]
    raw = tx.get(rows.bucket_key(name))
    if raw is None:
        raise Fault("NoSuchBucket", NO_SUCH_BUCKET, status=404, BucketName=name)
    bucket = rows.decode_bucket(raw)
    if bucket.region != call.region:
        _check_region(call, bucket)
    if bucket.cors is not None and call.http is not None and (origin := call.http.headers.get("origin")):
        # Browsers look at refusals too, so the headers are there before anything is refused.
        rule = cors_rules.find(bucket.cors, origin, call.http.method, [])
        call.response_headers.update(cors_rules.allowed(rule, origin) if rule is not None else {})
    if (expected := request.get("ExpectedBucketOwner")) is not None and expected != bucket.account:
        raise denied()
    if bucket.policy is not None or call.principal.account != bucket.account:
        check(call, bucket, action_of(call, request), request.get("Key"), request)
    return bucket


def enter_source(tx: ReadTx, call: Call, name: str, key: str, version_id: str | None, expected: str | None) -> Bucket:
    """The bucket that a copy reads from: the caller needs GetObject there."""
    bucket = rows.find_bucket(tx, name)
    if bucket is None:
        raise Fault("NoSuchBucket", NO_SUCH_BUCKET, status=404, BucketName=name)
    if expected is not None and expected != bucket.account:
        raise denied()
    action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
    check(call, bucket, action, key, {"VersionId": version_id} if version_id else {})
    return bucket


def check(call: Call, bucket: Bucket, action: str, key: str | None, request: dict[str, Any]) -> None:
    """Raise AccessDenied where the caller may not do this."""
    resource = bucket.arn if key is None else f"{bucket.arn}/{key}"
    caller = caller_of(call)
    own = caller.account == bucket.account
    if bucket.policy is None:
        if not own:
            raise denied()
        return
    if own and action in _ROOT_KEEPS and caller.arn == f"arn:aws:iam::{bucket.account}:root":
        return
    policy = compile_policy(bucket.policy)
    decision = policy.decide(caller, action, resource, _context(call, bucket, request))
    if decision == DENY:
        message = f'User: {caller.arn or "anonymous"} is not authorized to perform: {action} on resource: "{resource}" '
        raise denied(message + "with an explicit deny in a resource-based policy")
    if own:
        return
    if decision != ALLOW or (_restricted(bucket, policy) and caller.service is None):
        raise denied()


def may_list(call: Call, bucket: Bucket) -> bool:
    """May the caller learn that a key does not exist? Without s3:ListBucket S3 answers 403 instead of 404."""
    if call.principal.account == bucket.account:
        return True
    try:
        check(call, bucket, "s3:ListBucket", None, {})
    except Fault:
        return False
    return True


def caller_of(call: Call) -> Caller:
    principal = call.principal
    if principal.account == ANONYMOUS:
        return Caller("", "")
    return Caller(principal.arn, principal.account, principal.service, owner_id(principal.account))


def action_of(call: Call, request: dict[str, Any]) -> str:
    """The action on the bucket or object itself; reading a named version is an action of its own."""
    action = call.action or f"s3:{call.operation.name}"
    if request.get("VersionId") and action.removeprefix("s3:") in _VERSIONED:
        return action.replace("Object", "ObjectVersion", 1)
    return action


def denied(message: str = ACCESS_DENIED) -> Fault:
    return Fault("AccessDenied", message, status=403)


def _restricted(bucket: Bucket, policy: Policy) -> bool:
    """RestrictPublicBuckets: a public policy lets in only the owner's account and AWS services."""
    block = bucket.public_access_block or {}
    return bool(block.get("RestrictPublicBuckets")) and policy.is_public


def _check_region(call: Call, bucket: Bucket) -> None:
    headers = {"x-amz-bucket-region": bucket.region}
    if call.http is None:
        message = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        )
        endpoint = f"s3.{bucket.region}.amazonaws.com"
        raise Fault("PermanentRedirect", message, status=301, headers=headers, Endpoint=endpoint, Bucket=bucket.name)
    if "authorization" not in call.http.headers and "X-Amz-Credential=" not in call.http.query:
        return  # unsigned: nothing says a region
    wrong = f"the region '{call.region}' is wrong; expecting '{bucket.region}'"
    if "authorization" in call.http.headers:
        code, message = "AuthorizationHeaderMalformed", f"The authorization header is malformed; {wrong}"
    else:
        code, message = "AuthorizationQueryParametersError", f"Error parsing the X-Amz-Credential parameter; {wrong}"
    raise Fault(code, message, status=400, headers=headers, Region=bucket.region)


def _context(call: Call, bucket: Bucket, request: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The condition keys that Freehold knows of a request."""
    http = call.http
    now = call.platform.clock.now()
    principal = call.principal
    values: dict[str, Any] = {
        "aws:SecureTransport": "true" if http is None or http.scheme == "https" or _loopback(http.client) else "false",
        "aws:SourceIp": http.client if http is not None else None,
        "aws:UserAgent": http.headers.get("user-agent") if http is not None else None,
        "aws:Referer": http.headers.get("referer") if http is not None else None,
        "aws:CurrentTime": str(now),
        "aws:EpochTime": str(int(now)),
        "aws:RequestedRegion": call.region,
        "aws:ResourceAccount": bucket.account,
        "s3:ResourceAccount": bucket.account,
        "s3:prefix": request.get("Prefix"),
        "s3:delimiter": request.get("Delimiter"),
        "s3:max-keys": str(request["MaxKeys"]) if "MaxKeys" in request else None,
        "s3:VersionId": request.get("VersionId"),
        "s3:x-amz-acl": request.get("ACL"),
        "s3:x-amz-copy-source": request.get("CopySource"),
        "s3:x-amz-metadata-directive": request.get("MetadataDirective"),
        "s3:x-amz-server-side-encryption": request.get("ServerSideEncryption"),
        "s3:x-amz-storage-class": request.get("StorageClass"),
        "s3:object-creation-operation": "true"
        if call.operation.name in ("PutObject", "CompleteMultipartUpload")
        else None,
        "s3:LocationConstraint": bucket.region,
    }
    for name, value in parse_qsl(request.get("Tagging", "") if isinstance(request.get("Tagging"), str) else ""):
        values[f"s3:RequestObjectTag/{name}"] = value
    if principal.account != ANONYMOUS:
        values |= {
            "aws:PrincipalArn": principal.arn,
            "aws:PrincipalAccount": principal.account,
            "aws:userid": principal.user_id,
            "aws:username": principal.arn.rpartition("/")[2] if ":user/" in principal.arn else None,
            "aws:PrincipalIsAWSService": "true" if principal.service else "false",
            "aws:SourceAccount": principal.account if principal.service else None,
        }
    return request_context(values)


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
