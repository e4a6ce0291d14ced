"""Functions: what lambda_ offers other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Cause
from freehold.ports.functions import Invoked
from freehold.ports.identity import Source
from freehold.runtime.base import Invocation
from freehold.services.lambda_ import access, limits, recursion
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.invoke import address, check_json, check_size, whole
from freehold.services.lambda_.names import FunctionName
from freehold.services.lambda_.tracing import header_for
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

ENFORCED = frozenset(("events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com"))
"""Services that a function's policy must let in when they invoke it without a role."""

LINEAGE = frozenset(("lambda.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com", "sqs.amazonaws.com"))
"""Services in whose chains of events Lambda detects loops."""


class FunctionsPort:
    """`ports.functions.Functions` in this process: no HTTP, no copy of the payload."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def _address(self, function_arn: str) -> FunctionName:
        settings = self._platform.settings
        parts = function_arn.split(":", 5)
        region, account = (parts[3], parts[4]) if len(parts) == 6 else (settings.default_region, "")
        return address(function_arn, None, account or settings.default_account, region)

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
        name = self._address(function_arn)
        if source in ENFORCED:
            owner = arns.parse(source_arn or "")
            asking = Source(source, source_arn or "", owner.account if owner and owner.account else name.account)
            await platform.store.read(lambda tx: access.check_service(tx, name, asking))
        check_size(len(payload), asynchronous=asynchronous)
        request_id = platform.ids.uuid()
        entry, route = await engine.resolve(name)
        if asynchronous:
            check_json(payload)
            await events.keep(platform, name, payload, request_id, client_context, cause.trace)
            return Invoked(b"", None, route.spec.version, request_id)
        spec = engine.choose(route)
        trace = header_for(platform, spec, cause.trace)
        invocation = Invocation(request_id, payload, route.arn, client_context, trace_header=trace, stream=stream)
        outcome = await engine.run(entry, spec, invocation)
        if not stream or isinstance(outcome.payload, bytes):
            outcome.payload = await whole(outcome)
        return Invoked(outcome.payload, outcome.function_error, spec.version, request_id, outcome.content_type)

    def enqueue(
        self,
        tx: Tx,
        function_arn: str,
        payload: bytes,
        *,
        id: str,
        now_ms: int,
        source: Source,
        trace: str | None = None,
    ) -> None:
        """Accept an asynchronous invocation inside the caller's transaction (ports.functions.Functions). `payload` is
        JSON, which the caller vouches for."""
        name = self._address(function_arn)
        if len(payload) > limits.MAX_ASYNC_PAYLOAD:
            raise Fault(
                "RequestTooLargeException",
                f"{len(payload)} byte payload is too large for the Event invocation type "
                f"(limit {limits.MAX_ASYNC_PAYLOAD} bytes)",
                Type="User",
            )
        access.check_service(tx, name, source)
        if trace is not None and source.service not in LINEAGE:
            trace = recursion.without(trace) or None
        event = events.Event(name.account, name.region, name.name, name.qualifier, id, payload, now_ms, None, trace)
        events.add(tx, event, now_ms)

    def check(self, tx: ReadTx, function_arn: str, source: Source) -> None:
        """Raise the Fault that `enqueue` would raise for this function and source."""
        access.check_service(tx, self._address(function_arn), source)
