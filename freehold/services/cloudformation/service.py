"""AWS CloudFormation."""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.cloudformation import change_sets, check, custom, listing, retention, stacks, templates
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.resources import TYPES


def arn(call: Call) -> str:
    """The stack that a call names, else all of them."""
    name = call.params.get("StackName")
    if not name:
        change_set = call.params.get("ChangeSetName", "")
        return change_set if change_set.startswith("arn:") else "*"
    return name if name.startswith("arn:") else call.arn("cloudformation", f"stack/{name}/*")


async def start(platform: Platform) -> None:
    """Take up the operations that a crash cut off."""
    await engine(platform).resume()


MANIFEST = Manifest(
    model="cloudformation",
    handlers=(stacks, change_sets, listing, templates),
    arn=arn,
    prefix="cloudformation",
    types=TYPES,
    hosts={custom.DOOR: custom.answered},
    timers={retention.OWNER: retention.forget},
    start=start,
    check=check.check,
)
