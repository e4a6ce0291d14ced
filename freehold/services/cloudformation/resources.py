"""CloudFormation's own resource types."""

from __future__ import annotations

from typing import Any

from freehold.ports.resources import Physical, ResourceContext, ResourceType
from freehold.services.cloudformation.custom import CUSTOM_RESOURCE, Free
from freehold.services.cloudformation.nested import STACK

Properties = dict[str, Any]


async def _mark(ctx: ResourceContext, properties: Properties) -> Physical:
    return Physical(ctx.name(255))


async def _keep(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    return physical


async def _forget(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    return None


WAIT_CONDITION_HANDLE = ResourceType(
    name="AWS::CloudFormation::WaitConditionHandle",
    properties={},
    create=_mark,
    update=_keep,
    delete=_forget,
)
"""Does nothing without a WaitCondition, which is refused by name; templates use it as an empty resource."""

CDK_METADATA = ResourceType(
    name="AWS::CDK::Metadata",
    properties=Free(),
    create=_mark,
    update=_keep,
    delete=_forget,
)
"""What the CDK notes about itself: it does nothing on AWS either."""

TYPES = (STACK, CUSTOM_RESOURCE, WAIT_CONDITION_HANDLE, CDK_METADATA)
