"""IAM. Source: AWS IAM API Reference, "Common errors" (ValidationError, HTTP 400)."""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

PATCH = Patch(default_max_body=MIB, validation=Validation(code="ValidationError"))
