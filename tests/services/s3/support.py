"""A small S3: its handlers over the memory store, called as other services call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.ports.call import Call
from freehold.ports.identity import Principal
from freehold.ports.platform import Platform, Settings
from freehold.services.s3.service import MANIFEST
from freehold.work.blobs import Blobs
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

T = TypeVar("T")
OWNER = "111111111111"
STRANGER = "222222222222"
ANONYMOUS = Principal("anonymous", "anonymous", "anonymous")


def root(account: str) -> Principal:
    return Principal(account, f"arn:aws:iam::{account}:root", account)


class S3:
    """Calls operations by name: `await s3("PutObject", Bucket=..., Key=..., Body=b"...")`."""

    def __init__(self, directory: Path | None = None) -> None:
        ids = Ids(seed=1)
        self.clock, self.store = manual_clock(), memory_store()
        self.tasks = Tasks()
        self.blobs = Blobs(self.store, self.clock, ids, directory)
        absent: Any = None
        self.platform = Platform(
            settings=Settings(), store=self.store, clock=self.clock, ids=ids, tasks=self.tasks, blobs=self.blobs,
            timers=Timers(self.store, self.clock, self.tasks),
            outbox=absent, logs=absent, meters=absent, traces=absent, runtime=absent, calls=absent,
            functions=absent, identity=absent,
        )  # fmt: skip
        self.model = wire.load("s3")

    def request(self, operation: str, principal: Principal, region: str, params: dict[str, Any]) -> Call:
        call = Call(
            platform=self.platform, account=principal.account, region=region, principal=principal, request_id="r",
            manifest=MANIFEST, operation=self.model.operations[operation], params=params,
        )  # fmt: skip
        call.action = f"s3:{MANIFEST.actions.get(operation, operation)}"
        return call

    async def __call__(
        self, operation: str, *, principal: Principal | None = None, region: str = "us-east-1", **params: Any
    ) -> dict[str, Any]:
        call = self.request(operation, principal or root(OWNER), region, params)
        name = call.operation.snake_name
        handler = next(getattr(module, name) for module in MANIFEST.handlers if hasattr(module, name))
        result: dict[str, Any] = await handler(call, params)
        if isinstance(result.get("Body"), AsyncIterator):
            result["Body"] = b"".join([piece async for piece in result["Body"]])
        return result

    async def put(self, key: str, body: bytes = b"x", **params: Any) -> dict[str, Any]:
        return await self("PutObject", Bucket="bucket", Key=key, Body=body, **params)

    async def get(self, key: str, **params: Any) -> bytes:
        body: bytes = (await self("GetObject", Bucket="bucket", Key=key, **params))["Body"]
        return body

    async def rows(self) -> int:
        """How many rows of S3 there are: what is deleted leaves nothing behind."""
        from freehold.kit.tuples import span
        from freehold.services.s3.rows import scan_all

        start, end = span("s3")
        return len(await self.store.read(lambda tx: scan_all(tx, start, end)))


def run(test: Callable[[S3], Coroutine[Any, Any, T]], *, bucket: bool = True, **options: Any) -> T:
    """Run a test on a fresh S3, with a bucket named `bucket`."""

    async def body() -> T:
        s3 = S3(**options)
        await s3.blobs.start()
        try:
            if bucket:
                await s3("CreateBucket", Bucket="bucket")
            return await test(s3)
        finally:
            await s3.tasks.close()
            await s3.blobs.close()

    return asyncio.run(body())


async def refused(attempt: Coroutine[Any, Any, Any], code: str, message: str | None = None) -> Fault:
    """The fault by which `attempt` is refused."""
    with pytest.raises(Fault) as caught:
        await attempt
    assert caught.value.code == code, caught.value
    if message is not None:
        assert caught.value.message == message
    return caught.value


async def streamed(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
