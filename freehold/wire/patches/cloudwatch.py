"""CloudWatch. Source: CloudWatch API Reference, "PutMetricData" (a request of 1 MB, compressed or not), "Common errors"."""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch, Validation

PATCH = Patch(default_max_body=MIB + 64 * 1024, validation=Validation(code="ValidationError"))
