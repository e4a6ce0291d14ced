"""Amazon EventBridge Scheduler."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest


def arn(call: Call) -> str:
    """The resource that a call names."""
    return "*"


MANIFEST = Manifest(model="scheduler", handlers=(), arn=arn, prefix="scheduler")
