"""SNS.

Source: SNS API Reference, "Publish" and "PublishBatch" (up to 1 MiB of message with MaximumMessageSize, form-encoded here),
"Common errors".
"""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

PATCH = Patch(default_max_body=4 * MIB, validation=Validation(code="ValidationError"))
