"""Systems Manager. Source: Systems Manager API Reference, "Common errors" (ValidationException)."""

from __future__ import annotations

from freehold.wire.patches.base import MIB, Patch

PATCH = Patch(default_max_body=MIB)
