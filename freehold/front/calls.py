"""Internal calls: the port `Calls`, implemented as the middle of the pipeline."""

from __future__ import annotations

from typing import Any

from freehold import wire
from freehold.front import core
from freehold.front.offer import Offer
from freehold.kit.faults import Fault
from freehold.ports.call import Call, Cause
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform

MAX_DEPTH = 16


class InternalCalls:
    """Any operation of any offered service, as a principal."""

    def __init__(self, platform: Platform, offer: Offer) -> None:
        self._platform = platform
        self._offer = offer

    def implements(self, service: str, operation: str) -> bool:
        if service not in self._offer.manifests:
            return False
        described = wire.load(service).operations.get(operation)
        return described is not None and self._offer.handler(service, described) is not None

    async def call(
        self,
        service: str,
        operation: str,
        request: dict[str, Any],
        *,
        principal: Principal,
        account: str,
        region: str,
        cause: Cause | None = None,
        once: bytes | None = None,
    ) -> dict[str, Any]:
        if service not in self._offer.manifests:
            raise Fault("NotImplemented", f"Freehold does not implement the service {service}.", status=501)
        described = wire.load(service).operations.get(operation)
        if described is None:
            raise Fault("UnknownOperationException", f"{service} has no operation {operation}.", status=404)
        route = self._offer.route(service, described)
        cause = cause or Cause()
        if cause.depth >= MAX_DEPTH:
            raise Fault("InvalidRequestException", f"The chain of calls is deeper than {MAX_DEPTH}.")
        call = Call(
            platform=self._platform,
            account=account,
            region=region,
            principal=principal,
            request_id=self._platform.ids.uuid(),
            manifest=route.manifest,
            operation=described,
            params=wire.coerce(described, request),
            cause=Cause(cause.trace, cause.depth + 1),
            action=route.action,
            handler=route.handler,
            once=once,
        )
        return await core.run(call)
