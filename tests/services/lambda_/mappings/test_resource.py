"""AWS::Lambda::EventSourceMapping as stacks use it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from freehold.kit.faults import Fault
from freehold.ports.resources import ResourceContext
from freehold.services.lambda_.resources.mapping import MAPPING
from tests.services.lambda_.helpers import refused
from tests.services.lambda_.mappings.support import QUEUE, Bench, run


class Context:
    """What a stack gives a resource."""

    def __init__(self, bench: Bench, stack: str = "s") -> None:
        self.bench = bench
        self.tags = {"aws:cloudformation:stack-name": stack, "aws:cloudformation:logical-id": "Mapping"}
        self.previous_tags = self.tags
        self.busy = 0
        """How often the mapping is found in use."""

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        assert service == "lambda"
        if self.busy and operation.startswith(("Update", "Delete")):
            self.busy -= 1
            raise Fault("ResourceInUseException")
        return await self.bench.world(operation, **request)


def _context(context: Context) -> ResourceContext:
    return cast(ResourceContext, context)


PROPERTIES: dict[str, Any] = {"EventSourceArn": QUEUE, "FunctionName": "hello", "BatchSize": 5}


def test_a_mapping_is_made_changed_and_deleted() -> None:
    async def body(bench: Bench) -> None:
        context = Context(bench)
        assert MAPPING.update is not None
        old = PROPERTIES | {"ScalingConfig": {"MaximumConcurrency": 3}, "Tags": [{"Key": "a", "Value": "1"}]}
        made = await MAPPING.create(_context(context), old)
        arn = made.attributes["EventSourceMappingArn"]
        assert (await bench.world("ListTags", Resource=arn))["Tags"] == context.tags | {"a": "1"}
        context.busy = 3
        new = PROPERTIES | {"Enabled": False, "Tags": [{"Key": "b", "Value": "2"}]}
        assert await MAPPING.update(_context(context), made, old, new) == made
        await bench.settle()
        shown = await bench.world("GetEventSourceMapping", UUID=made.id)
        assert (shown["State"], shown["BatchSize"]) == ("Disabled", 5)
        assert "ScalingConfig" not in shown
        assert (await bench.world("ListTags", Resource=arn))["Tags"] == context.tags | {"b": "2"}
        context.busy = 3
        await MAPPING.delete(_context(context), made, new)
        await bench.settle()
        await refused(bench.world("GetEventSourceMapping", UUID=made.id), "ResourceNotFoundException")
        await MAPPING.delete(_context(context), made, new)

    run(body)


def test_a_create_that_is_retried_after_a_crash_finds_its_own_mapping() -> None:
    async def body(bench: Bench) -> None:
        made = await MAPPING.create(_context(Context(bench)), PROPERTIES)
        assert (await MAPPING.create(_context(Context(bench)), PROPERTIES)).id == made.id
        with pytest.raises(Fault) as caught:
            await MAPPING.create(_context(Context(bench, stack="other")), PROPERTIES)
        assert caught.value.code == "ResourceConflictException"

    run(body)
