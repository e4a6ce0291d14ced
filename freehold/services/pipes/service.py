"""Amazon EventBridge Pipes: from a source through filter and enrichment to a target.

A pipe is a row. The supervisor keeps a runner for each that is RUNNING (supervisor.py, runner.py); a runner sleeps until
its source has something and puts batches through execution.py. What failed stays with the source, which gives it again.
"""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.pipes import check, pipes, supervisor, tags
from freehold.services.pipes.model import arn_of
from freehold.services.pipes.resources import TYPES


def arn(call: Call) -> str:
    """The pipe that a call names."""
    if "resourceArn" in call.params:
        return str(call.params["resourceArn"])
    return arn_of(call.account, call.region, call.params.get("Name", "*"))


MANIFEST = Manifest(
    model="pipes",
    handlers=(pipes, tags),
    arn=arn,
    prefix="pipes",
    types=TYPES,
    start=supervisor.start,
    settle=supervisor.settle,
    check=check.check,
)
