"""Tags of pipes."""

from __future__ import annotations

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.pipes import state
from freehold.services.pipes.model import Pipe, Request, arn_of
from freehold.store.base import ReadTx, Tx

MAX_TAGS = 50


def _require(tx: ReadTx, call: Call, arn: str) -> Pipe:
    parsed = arns.parse(arn)
    name = parsed.resource.removeprefix("pipe/") if parsed is not None else ""
    own = arn == arn_of(call.account, call.region, name)
    pipe = state.find(tx, (call.account, call.region, name)) if own else None
    if pipe is None:
        raise Fault("NotFoundException", f"Resource {arn} does not exist.")
    return pipe


async def list_tags_for_resource(call: Call, request: Request) -> Request:
    pipe = await call.platform.store.read(lambda tx: _require(tx, call, request["resourceArn"]))
    return {"tags": pipe.tags}


async def tag_resource(call: Call, request: Request) -> Request:
    def body(tx: Tx) -> None:
        pipe = _require(tx, call, request["resourceArn"])
        pipe.tags |= request["tags"]
        if len(pipe.tags) > MAX_TAGS:
            raise Fault("ValidationException", f"A pipe can have at most {MAX_TAGS} tags.")
        state.save(tx, pipe)

    await call.platform.store.transact(body)
    return {}


async def untag_resource(call: Call, request: Request) -> Request:
    def body(tx: Tx) -> None:
        pipe = _require(tx, call, request["resourceArn"])
        for key in request["tagKeys"]:
            pipe.tags.pop(key, None)
        state.save(tx, pipe)

    await call.platform.store.transact(body)
    return {}
