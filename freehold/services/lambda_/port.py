"""Functions: what lambda_ offers other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.ports.call import Cause
from freehold.ports.functions import Invoked
from freehold.runtime.base import Invocation
from freehold.services.lambda_ import events
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.invoke import address, check_json, check_size, whole
from freehold.services.lambda_.tracing import header_for

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class FunctionsPort:
    """`ports.functions.Functions` in this process: no HTTP, no copy of the payload."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        cause: Cause,
        source: str,
        source_arn: str | None = None,
        asynchronous: bool = False,
        stream: bool = False,
        client_context: str | None = None,
    ) -> Invoked:
        """Invoke the function that a full ARN names, with its qualifier. `client_context` is JSON, not base64."""
        platform, engine = self._platform, engine_of(self._platform)
        parts = function_arn.split(":", 5)
        region, account = (parts[3], parts[4]) if len(parts) == 6 else (platform.settings.default_region, "")
        name = address(function_arn, None, account or platform.settings.default_account, region)
        check_size(len(payload), asynchronous=asynchronous)
        request_id = platform.ids.uuid()
        entry, route = await engine.resolve(name)
        if asynchronous:
            check_json(payload)
            await events.keep(engine, name, payload, request_id, client_context, cause.trace)
            return Invoked(b"", None, route.spec.version, request_id)
        spec = engine.choose(route)
        trace = header_for(platform, spec, cause.trace)
        invocation = Invocation(request_id, payload, route.arn, client_context, trace_header=trace, stream=stream)
        outcome = await engine.run(entry, spec, invocation)
        if not stream or isinstance(outcome.payload, bytes):
            outcome.payload = await whole(outcome)
        return Invoked(outcome.payload, outcome.function_error, spec.version, request_id, outcome.content_type)
