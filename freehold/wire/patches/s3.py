"""S3.

Sources: Amazon S3 API Reference, "Error responses, list of error codes" (statuses) and the operations' pages; S3 User
Guide, "Uploading objects" (5 GB in one PUT; the object store bounds its own). S3 does not check its model's patterns.
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, UNLIMITED, Patch, Validation

STATUSES = {
    "AccessDenied": 403,
    "AccessControlListNotSupported": 400,
    "AllAccessDisabled": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "ConditionalRequestConflict": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "IllegalLocationConstraintException": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidBucketState": 409,
    "InvalidDigest": 400,
    "InvalidObjectState": 403,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidSecurity": 403,
    "InvalidTag": 400,
    "InvalidToken": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedACLError": 400,
    "MalformedPolicy": 400,
    "MalformedXML": 400,
    "MaxMessageLengthExceeded": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "MissingRequestBodyError": 400,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchPublicAccessBlockConfiguration": 404,
    "NoSuchTagSet": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NoSuchWebsiteConfiguration": 404,
    "NotFound": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "ObjectLockConfigurationNotFoundError": 404,
    "OperationAborted": 409,
    "OwnershipControlsNotFoundError": 404,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "ReplicationConfigurationNotFoundError": 404,
    "RequestIsNotMultiPartContent": 400,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "ServerSideEncryptionConfigurationNotFoundError": 404,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "TooManyBuckets": 400,
    "UnresolvableGrantByEmailAddress": 400,
    "XAmzContentSHA256Mismatch": 400,
}

PATCH = Patch(
    statuses=STATUSES,
    # XML documents of S3 are small; DeleteObjects holds 1,000 keys of 1 KiB, CompleteMultipartUpload 10,000 parts.
    default_max_body=MIB,
    max_body={
        "PutObject": UNLIMITED,
        "UploadPart": UNLIMITED,
        "DeleteObjects": 4 * MIB,
        "CompleteMultipartUpload": 4 * MIB,
    },
    # Superseded by ...Configuration; directory buckets live at another endpoint (s3express-control).
    hidden=frozenset(
        {
            "GetBucketLifecycle",
            "PutBucketLifecycle",
            "GetBucketNotification",
            "PutBucketNotification",
            "ListDirectoryBuckets",
            "WriteGetObjectResponse",
        }
    ),
    validation=Validation(style="none"),
)
