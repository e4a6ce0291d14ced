"""What the handlers of HTTP APIs share: finding, editing, paging, and the refusals of WebSocket features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.ids import ALNUM_LOWER
from freehold.kit.numerals import whole
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.apigateway.http import state
from freehold.services.apigateway.http.state import Draft, Shape, Space
from freehold.store.base import Tx

Request = dict[str, Any]
MAX_RESULTS = 500


def space(call: Call) -> Space:
    """The APIs a call can see."""
    return Space(call.account, call.region)


def new_id(call: Call, length: int = 7) -> str:
    """Ids as API Gateway makes them: lower-case letters and digits."""
    return call.platform.ids.letters(length, ALNUM_LOWER)


async def draft(call: Call, request: Request) -> Draft:
    """The draft that a request names. Raises NotFoundException."""
    return await call.platform.store.read(lambda tx: state.find(tx, space(call), request["ApiId"]))


async def edit(call: Call, api_id: str, change: Callable[[Draft], Shape]) -> Shape:
    """Change a draft in one transaction; automatic stages follow."""
    deployment_id, now, where = new_id(call, 6), call.platform.clock.now(), space(call)

    def body(tx: Tx) -> Shape:
        return state.edit(tx, where, api_id, change, deployment_id, now)

    return await once.transact(call, body)


def paged(request: Request, shapes: Sequence[Shape]) -> Shape:
    """One page of a list that is small anyway; the token is the number of items already given."""
    start = whole(str(request.get("NextToken", "0")))
    results = whole(str(request.get("MaxResults", MAX_RESULTS)))
    if start is None or not results:
        raise bad("Invalid NextToken or MaxResults specified")
    end = start + results
    answer: Shape = {"Items": list(shapes[start:end])}
    return answer | ({"NextToken": str(end)} if end < len(shapes) else {})


def bad(message: str) -> Fault:
    """BadRequestException."""
    return Fault("BadRequestException", message)


def refuse(operation: str, request: Request, members: Iterable[str]) -> None:
    """Members that only WebSocket APIs use, or that Freehold does not act on, are refused by name."""
    for member in members:
        if request.get(member):
            raise not_implemented(f"{member} of apigatewayv2:{operation}")


def kept(request: Request, members: Iterable[str]) -> Shape:
    """The members of a request that a shape keeps."""
    return {member: request[member] for member in members if member in request}
