"""Responses by status: what those that methods declare and those of their integrations have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.apigateway.rest.common import Patchable, Request, bad, draft, edit, patches
from freehold.services.apigateway.rest.state import Draft, Shape

_STATUS = re.compile(r"[1-5]\d\d")


def check_status(response: Shape) -> None:
    """Refuse a status that HTTP does not have."""
    if not _STATUS.fullmatch(str(response["statusCode"])):
        raise bad("Invalid Response status code specified")


def no_response() -> Fault:
    """NotFoundException in API Gateway's words."""
    return Fault("NotFoundException", "Invalid Response status code specified")


class Responses(NamedTuple):
    """The responses that are the member `member` of what `holder` finds for a request: a method, or its integration."""

    member: str
    holder: Callable[[Draft, Request], Shape]
    check: Callable[[Draft, Request, Shape], None]
    """Refuses a response that could not be given."""
    patchable: Patchable

    def require(self, draft: Draft, request: Request) -> Shape:
        """The response that a request names. Raises NotFoundException."""
        response: Shape | None = self.holder(draft, request).get(self.member, {}).get(request["statusCode"])
        if response is None:
            raise no_response()
        return response

    async def get(self, call: Call, request: Request) -> Shape:
        return self.require(await draft(call, request), request)

    async def update(self, call: Call, request: Request) -> Shape:
        operations = patches(request)

        def change(draft: Draft) -> Shape:
            response = self.require(draft, request)
            for patch in operations:
                self.patchable.apply(response, patch)
            self.check(draft, request, response)
            return response

        return await edit(call, request, change)

    async def delete(self, call: Call, request: Request) -> Shape:
        def change(draft: Draft) -> Shape:
            self.require(draft, request)
            del self.holder(draft, request)[self.member][request["statusCode"]]
            return {}

        return await edit(call, request, change)
