"""Lambda.

Sources: Lambda Developer Guide, "Lambda quotas" (invocation payload 6 MB synchronous = 6,291,456 bytes, 1 MB
asynchronous, checked by the service; deployment package 50 MB zipped for direct upload, base64 in JSON about 70 MB).
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

_UPLOAD = 70_167_211  # the limit that AWS itself names in RequestEntityTooLargeException for direct uploads

PATCH = Patch(
    malformed="InvalidRequestContentException",
    default_max_body=6 * MIB,
    max_body={"CreateFunction": _UPLOAD, "UpdateFunctionCode": _UPLOAD, "PublishLayerVersion": _UPLOAD},
    # An unknown runtime is InvalidParameterValueException, with a list of its own.
    # Invoke's answer is the function's JSON: the response carries Content-Type: application/json.
    media_types={("InvocationResponse", "Payload"): "application/json"},
    validation=Validation(skip=frozenset({"Runtime"})),
)
