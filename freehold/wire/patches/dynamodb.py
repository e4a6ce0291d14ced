"""DynamoDB and its streams.

Sources: DynamoDB Developer Guide, "Error handling" (the `__type` prefixes; every error of the client is HTTP 400),
"Service quotas" (BatchWriteItem carries 16 MB), and the `x-amz-crc32` header of its responses.
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch

_TYPES = {
    "": "com.amazonaws.dynamodb.v20120810#",
    "ValidationException": "com.amazon.coral.validate#",
    "SerializationException": "com.amazon.coral.service#",
    "UnknownOperationException": "com.amazon.coral.service#",
    "AccessDeniedException": "com.amazon.coral.service#",
    "UnrecognizedClientException": "com.amazon.coral.service#",
    "MissingAuthenticationTokenException": "com.amazon.coral.service#",
    "IncompleteSignatureException": "com.amazon.coral.service#",
    "InvalidSignatureException": "com.amazon.coral.service#",
    "ExpiredTokenException": "com.amazon.coral.service#",
    "InternalFailure": "com.amazon.coral.service#",
}

PATCH = Patch(default_max_body=16 * MIB, type_prefixes=_TYPES, crc32=True)
STREAMS = Patch(default_max_body=MIB, type_prefixes=_TYPES, crc32=True)
