"""A DynamoDB without wire or front: handlers over the memory store."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from freehold.kit.clock import ManualClock
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.services.dynamodb.service import MANIFEST
from freehold.store.base import Store
from freehold.work.duties import Duties
from freehold.work.tasks import Tasks
from tests.support import manual_clock, memory_store

Item = dict[str, Any]


@dataclass
class FakePlatform:
    """As much of a Platform as the service uses."""

    store: Store = field(default_factory=memory_store)
    clock: ManualClock = field(default_factory=manual_clock)
    ids: Ids = field(default_factory=lambda: Ids(1))
    tasks: Tasks = field(default_factory=Tasks)
    own: dict[str, Any] = field(default_factory=dict)
    duties: Duties = field(init=False)

    def __post_init__(self) -> None:
        self.duties = Duties(self.store, self.clock, self.tasks)


@dataclass
class FakeCall:
    """As much of a Call as handlers use; `http` is there on calls over the wire."""

    platform: FakePlatform
    account: str = "111111111111"
    region: str = "us-east-1"
    http: Any = None
    base_url: str = "http://127.0.0.1:4566"


class Dynamo:
    """`await dynamo("GetItem", TableName=..., ...)`."""

    def __init__(self, platform: FakePlatform | None = None, **where: Any) -> None:
        self.platform = platform or FakePlatform()
        self.where = where

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        name = "".join("_" + c.lower() if c.isupper() else c for c in operation).lstrip("_")
        handler = next(getattr(module, name) for module in MANIFEST.handlers if hasattr(module, name))
        answer: dict[str, Any] = await handler(FakeCall(self.platform, **self.where), copy.deepcopy(request))
        return answer

    async def refused(self, operation: str, **request: Any) -> Fault:
        """The fault of a call that must fail."""
        try:
            await self(operation, **request)
        except Fault as fault:
            return fault
        raise AssertionError(f"{operation} was not refused")

    async def table(self, name: str = "tbl", keys: str = "pk:S sk:S", **more: Any) -> None:
        """Create a table: `keys` are name:type of hash and sort key, and of further attributes that indexes use."""
        pairs = [pair.split(":") for pair in keys.split()]
        count = more.pop("key_count", min(len(pairs), 2))
        schema = [
            {"AttributeName": pair[0], "KeyType": kind}
            for pair, kind in zip(pairs[:count], ("HASH", "RANGE"), strict=False)
        ]
        await self(
            "CreateTable",
            TableName=name,
            KeySchema=schema,
            AttributeDefinitions=[{"AttributeName": pair[0], "AttributeType": pair[1]} for pair in pairs],
            **{"BillingMode": "PAY_PER_REQUEST", **more},
        )

    async def put(self, item: Item, table: str = "tbl", **more: Any) -> dict[str, Any]:
        return await self("PutItem", TableName=table, Item=item, **more)

    async def get(self, key: Item, table: str = "tbl") -> Item | None:
        return (await self("GetItem", TableName=table, Key=key)).get("Item")

    async def settle(self) -> None:
        """Wait until background work is done."""
        while self.platform.tasks._tasks:
            await asyncio.gather(*self.platform.tasks._tasks)


def run(body: Callable[[Dynamo], Awaitable[None]]) -> None:
    """Run a test on a fresh DynamoDB."""

    async def main() -> None:
        dynamo = Dynamo()
        try:
            await body(dynamo)
        finally:
            await dynamo.platform.tasks.close()

    asyncio.run(main())


def s(text: str) -> Item:
    return {"S": text}


def n(number: int | str) -> Item:
    return {"N": str(number)}


def index(name: str, hash_name: str, sort_name: str | None = None, projection: str = "ALL", *non_key: str) -> Item:
    """A secondary index of CreateTable."""
    schema = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    if sort_name:
        schema.append({"AttributeName": sort_name, "KeyType": "RANGE"})
    projected: Item = {"ProjectionType": projection}
    if non_key:
        projected["NonKeyAttributes"] = list(non_key)
    return {"IndexName": name, "KeySchema": schema, "Projection": projected}
