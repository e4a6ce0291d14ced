"""IAM. Source: AWS IAM API Reference, "Common errors" (ValidationError, HTTP 400)."""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

# As IAM words it; the pattern is the one of user, role, group, policy and instance profile names.
_NAME = (
    "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: "
    "+=,.@_-"
)

PATCH = Patch(default_max_body=MIB, validation=Validation(code="ValidationError", patterns={r"[\w+=,.@-]+": _NAME}))
