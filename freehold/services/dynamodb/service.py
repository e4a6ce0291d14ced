"""Amazon DynamoDB."""

from __future__ import annotations

import asyncio

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform
from freehold.services.dynamodb import batches, check, idempotency, items, jobs, queries, settings, tables, transactions
from freehold.services.dynamodb.resources import TYPES
from freehold.work.members import TTL_S

_SWEEP_SECONDS = 60


def arn(call: Call) -> str:
    """The table, or index, that a call is about; `*` where it names several tables or none."""
    params = call.params
    named = params.get("TableName") or params.get("ResourceArn")
    if named is None:
        requested = params.get("RequestItems") or {}
        if len(requested) != 1:
            return "*"
        (named,) = requested
    table: str = named if named.startswith("arn:") else call.arn("dynamodb", f"table/{named}")
    index = params.get("IndexName")
    return f"{table}/index/{index}" if index is not None else table


async def start(platform: Platform) -> None:
    """Go on with recorded jobs; forget client request tokens that have expired."""
    if platform.duties.members.alone:
        await jobs.resume(platform)
    else:
        platform.duties.run("jobs:dynamodb", lambda _: jobs.watch_over(platform, TTL_S))
    platform.duties.run("sweep:dynamodb", lambda _: _forget_tokens(platform))


async def _forget_tokens(platform: Platform) -> None:
    while True:
        await idempotency.forget_expired(platform)
        await asyncio.sleep(_SWEEP_SECONDS)


MANIFEST = Manifest(
    model="dynamodb",
    handlers=(items, queries, batches, transactions, tables, settings),
    arn=arn,
    prefix="dynamodb",
    types=TYPES,
    start=start,
    check=check.check,
)
