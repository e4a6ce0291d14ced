"""What a request says of the object it writes: headers, metadata, tags, storage class, encryption, access."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from freehold.kit.faults import Fault, not_implemented

MAX_METADATA = 2048
"""Bytes of names and values of user metadata."""
MAX_OBJECT_TAGS = 10
MAX_BUCKET_TAGS = 50
DEFAULT_TYPE = "binary/octet-stream"

HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
STORAGE_CLASSES = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
"""Classes whose objects are read at once; Freehold keeps them as labels."""
_REFUSED_CLASSES = (
    "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP", "AWS_BACKUP_WARM",
    "AWS_BACKUP_LOW_COST_WARM",
)  # fmt: skip
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_OWNERS_ACLS = ("private", "bucket-owner-full-control")
_ACLS = (
    "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
    "bucket-owner-full-control",
)  # fmt: skip
_CUSTOMER_KEY = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_LOCK = (
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
)
_RARE = frozenset(
    (
        "ACL", "ServerSideEncryption", "SSEKMSKeyId", "SSEKMSEncryptionContext", "WebsiteRedirectLocation",
        "WriteOffsetBytes", *_GRANTS, *_LOCK, *_CUSTOMER_KEY, *(f"CopySource{name}" for name in _CUSTOMER_KEY),
    )
)  # fmt: skip
"""Members that most writes do not have and that need a look."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Of an object about to be written."""

    headers: dict[str, str]
    metadata: dict[str, str]
    tags: dict[str, str]
    storage_class: str
    """Empty for STANDARD."""


def read(request: Mapping[str, Any]) -> Attributes:
    """The attributes in a PutObject, CreateMultipartUpload or CopyObject. Raises what S3 refuses."""
    if not _RARE.isdisjoint(request):
        check_unsupported(request)
        check_acl(request)
        check_encryption(request)
    headers = {name: request[name] for name in HEADERS if name in request}
    if (encoding := headers.get("ContentEncoding")) is not None:
        # aws-chunked is how the request was sent, not what the object is.
        kept = [part for part in (piece.strip() for piece in encoding.split(",")) if part and part != "aws-chunked"]
        headers["ContentEncoding"] = ",".join(kept)
        if not kept:
            del headers["ContentEncoding"]
    metadata = request.get("Metadata") or {}
    check_metadata(metadata)
    tagging = request.get("Tagging")
    return Attributes(
        headers, dict(metadata), tags_of_header(tagging) if tagging else {}, storage_class(request.get("StorageClass"))
    )


def storage_class(name: str | None) -> str:
    """How a storage class lies in a row. Raises InvalidStorageClass, NotImplemented."""
    if name is None or name == "STANDARD":
        return ""
    if name in STORAGE_CLASSES:
        return name
    if name in _REFUSED_CLASSES:
        raise not_implemented(f"the S3 storage class {name}")
    raise Fault("InvalidStorageClass", "The storage class you specified is not valid", status=400)


def check_metadata(metadata: Mapping[str, str]) -> None:
    if not metadata:
        return
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA:
        raise Fault(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            status=400,
            Size=str(size),
            MaxSizeAllowed=str(MAX_METADATA),
        )


def check_acl(request: Mapping[str, Any]) -> None:
    """Every bucket enforces its owner: an ACL may only say what is so anyway. Raises AccessControlListNotSupported."""
    acl = request.get("ACL")
    if acl is not None and acl not in _ACLS:
        raise Fault("InvalidArgument", "", status=400, ArgumentName="x-amz-acl", ArgumentValue=acl)
    if (acl is not None and acl not in _OWNERS_ACLS) or any(name in request for name in _GRANTS):
        raise acl_not_supported()


def acl_not_supported() -> Fault:
    return Fault("AccessControlListNotSupported", "The bucket does not allow ACLs", status=400)


def check_encryption(request: Mapping[str, Any]) -> None:
    """Objects are SSE-S3; the AWS-managed KMS key counts as that. Raises NotImplemented for keys of the customer."""
    if any(name.startswith(("SSECustomer", "CopySourceSSECustomer")) for name in request):
        raise not_implemented("S3 server-side encryption with customer-provided keys (SSE-C)")
    algorithm = request.get("ServerSideEncryption")
    if algorithm is not None:
        check_algorithm(algorithm, request.get("SSEKMSKeyId"))
    elif "SSEKMSKeyId" in request:
        raise _invalid_encryption(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            "null",
        )
    if "SSEKMSEncryptionContext" in request:
        raise not_implemented("the S3 encryption context x-amz-server-side-encryption-context")


def check_algorithm(algorithm: str, key_id: str | None) -> None:
    """Refuse any encryption but SSE-S3 and SSE-KMS by the default key, by name."""
    if algorithm == "AES256":
        return
    if algorithm == "aws:kms":
        if key_id is None or key_id.rpartition("alias/")[2] == "aws/s3":
            return
        raise not_implemented("S3 server-side encryption by a KMS key other than alias/aws/s3")
    if algorithm in ("aws:kms:dsse", "aws:fsx", "aws:backup"):
        raise not_implemented(f"the S3 server-side encryption {algorithm}")
    raise _invalid_encryption("The encryption method specified is not supported", algorithm)


def _invalid_encryption(message: str, value: str) -> Fault:
    name = "x-amz-server-side-encryption"
    return Fault("InvalidArgument", message, status=400, ArgumentName=name, ArgumentValue=value)


def check_unsupported(request: Mapping[str, Any]) -> None:
    """Refuse by name what would otherwise be accepted and ignored."""
    if "WebsiteRedirectLocation" in request:
        raise not_implemented("x-amz-website-redirect-location (S3 website hosting)")
    if "WriteOffsetBytes" in request:
        raise not_implemented("appending to S3 objects (x-amz-write-offset-bytes)")
    if any(name in request for name in _LOCK):
        raise Fault("InvalidRequest", "Bucket is missing Object Lock Configuration", status=400)


def tags_of_header(text: str) -> dict[str, str]:
    """The tags of an `x-amz-tagging` header. Raises InvalidArgument, InvalidTag, BadRequest."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False, errors="strict")
    except ValueError:
        pairs = []
    if not pairs or len({name for name, _ in pairs}) != len(pairs):
        message = (
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
            "duplicates."
        )
        raise Fault("InvalidArgument", message, status=400, ArgumentName="x-amz-tagging", ArgumentValue=text)
    return checked_tags(pairs, MAX_OBJECT_TAGS, "Object tags")


def tags_of_set(tag_set: list[dict[str, str]], limit: int, kind: str) -> dict[str, str]:
    """The tags of a TagSet. `kind` is "Object tags" or "Bucket tag count"."""
    pairs = []
    for tag in tag_set:
        if "Key" not in tag or "Value" not in tag:
            raise malformed_xml()
        pairs.append((tag["Key"], tag["Value"]))
    if len({name for name, _ in pairs}) != len(pairs):
        raise Fault("InvalidTag", "Cannot provide multiple Tags with the same key", status=400)
    return checked_tags(pairs, limit, kind)


def bucket_tags(tag_set: list[dict[str, str]], *, internal: bool) -> dict[str, str]:
    """The tags of a bucket. Only internal calls may bring system tags: CloudFormation marks the buckets of its stacks."""
    system = {}
    if internal:
        system = {tag["Key"]: tag["Value"] for tag in tag_set if tag["Key"].startswith("aws:cloudformation:")}
    own = [tag for tag in tag_set if tag.get("Key") not in system]
    return tags_of_set(own, MAX_BUCKET_TAGS, "Bucket tag count") | system


def checked_tags(pairs: list[tuple[str, str]], limit: int, kind: str) -> dict[str, str]:
    """Tags within S3's limits."""
    if len(pairs) > limit:
        raise Fault("BadRequest", f"{kind} cannot be greater than {limit}", status=400)
    for name, value in pairs:
        if not 1 <= len(name) <= 128:
            raise Fault("InvalidTag", "The TagKey you have provided is invalid", status=400, TagKey=name)
        if name.lower().startswith("aws:"):
            raise Fault("InvalidTag", "System tags cannot be added/updated by requester", status=400, TagKey=name)
        if len(value) > 256:
            raise Fault(
                "InvalidTag", "The TagValue you have provided is invalid", status=400, TagKey=name, TagValue=value
            )
    return dict(pairs)


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def malformed_xml() -> Fault:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return Fault("MalformedXML", message, status=400)
