"""One synchronous invocation of a mapped function, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from freehold.runtime.base import Invocation
from freehold.services.lambda_ import recursion
from freehold.services.lambda_.engine import Route, engine_of
from freehold.services.lambda_.invoke import check_size, whole
from freehold.services.lambda_.mappings.buffer import payload
from freehold.services.lambda_.mappings.source import Record
from freehold.services.lambda_.names import FunctionName, parse_function
from freehold.services.lambda_.tracing import header_for

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class Target:
    """The function that a mapping invokes."""

    def __init__(self, platform: Platform, function_arn: str) -> None:
        self._platform, self._engine = platform, engine_of(platform)
        parts = function_arn.split(":")
        self.name: FunctionName = parse_function(function_arn, None, parts[4], parts[3])
        self._route: Route | None = None

    async def look(self) -> tuple[int | None, float]:
        """Reserved concurrency and timeout in seconds. Raises ResourceNotFoundException."""
        entry, self._route = await self._engine.resolve(self.name)
        return entry.reserved, self._route.spec.timeout_s

    def rouse(self) -> None:
        """Records are about to be read: an instance may thaw while they are."""
        if self._route is not None:
            self._platform.runtime.rouse(self._route.spec)

    async def invoke(self, records: Sequence[Record]) -> tuple[bytes, str | None]:
        """The function's response, and its error if it failed. Raises the Faults of Invoke."""
        engine = self._engine
        event = payload(records)
        check_size(len(event), asynchronous=False)
        entry, route = await engine.resolve(self.name)
        spec = engine.choose(route)
        trace = recursion.deepest([record.trace for record in records], spec.arn)
        header = header_for(self._platform, spec, trace)
        request_id = self._platform.ids.uuid()
        outcome = await engine.run(entry, spec, Invocation(request_id, event, route.arn, trace_header=header))
        return await whole(outcome), outcome.function_error
