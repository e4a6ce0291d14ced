"""CloudFormation. Source: AWS CloudFormation API Reference, "Common errors" (ValidationError, HTTP 400)."""

from __future__ import annotations

from freehold.wire.patches.base import Patch, Validation

PATCH = Patch(validation=Validation(code="ValidationError"))
