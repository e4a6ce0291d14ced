"""SNS. Source: SNS API Reference, "Publish" and "PublishBatch" (256 KiB of message, form-encoded here), "Common errors"."""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

PATCH = Patch(default_max_body=2 * MIB, validation=Validation(code="ValidationError"))
