"""SQS on the memory store and the manual clock, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from freehold import wire
from freehold.kit.ids import Ids
from freehold.ports.call import Cause
from freehold.ports.identity import Principal
from freehold.services.sqs import service
from freehold.services.sqs.port import QueuesPort
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "us-east-1"
_MODEL = wire.load("sqs")


def _handler(operation: str) -> Any:
    name = _MODEL.operations[operation].snake_name
    return next(found for module in service.MANIFEST.handlers if (found := getattr(module, name, None)) is not None)


class Sqs:
    """`await sqs("SendMessage", ...)` validates like the wire and runs the handler."""

    def __init__(self, seed: int = 1) -> None:
        self.store, self.clock, self.tasks = memory_store(seed), manual_clock(), Tasks()
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.platform: Any = cast(
            Any,
            SimpleNamespace(
                store=self.store,
                clock=self.clock,
                ids=Ids(seed),
                timers=self.timers,
                tasks=self.tasks,
                own={},
                settings=SimpleNamespace(url="http://sqs"),
            ),
        )
        self.port = QueuesPort(self.platform)

    async def start(self) -> None:
        handlers = {owner: self._bound(function) for owner, function in service.MANIFEST.timers.items()}
        await self.timers.start(handlers)

    def _bound(
        self, function: Callable[[Any, bytes], Awaitable[int | None]]
    ) -> Callable[[bytes], Awaitable[int | None]]:
        return lambda key: function(self.platform, key)

    async def close(self) -> None:
        await self.timers.close()
        await self.tasks.close()

    async def __call__(
        self, operation: str, *, account: str = ACCOUNT, trace: str | None = None, **request: Any
    ) -> dict[str, Any]:
        described = _MODEL.operations[operation]
        wire.validate(described, request)
        call = SimpleNamespace(
            platform=self.platform,
            account=account,
            region=REGION,
            principal=Principal(account, f"arn:aws:iam::{account}:root", account),
            operation=described,
            params=request,
            http=None,
            cause=Cause(trace),
            base_url="http://sqs",
            arn=lambda kind, resource: f"arn:aws:{kind}:{REGION}:{account}:{resource}",
        )
        service.arn(call)  # type: ignore[arg-type]
        answer: dict[str, Any] = await _handler(operation)(call, request)
        return answer

    async def queue(self, name: str = "q", **attributes: Any) -> str:
        """Create a queue; FIFO if its name says so."""
        given = {key: str(value) for key, value in attributes.items()}
        if name.endswith(".fifo"):
            given["FifoQueue"] = "true"
        answer = await self("CreateQueue", QueueName=name, Attributes=given)
        url: str = answer["QueueUrl"]
        return url

    async def send(self, url: str, body: str, **more: Any) -> str:
        answer = await self("SendMessage", QueueUrl=url, MessageBody=body, **more)
        message_id: str = answer["MessageId"]
        return message_id

    async def receive(self, url: str, most: int = 10, **more: Any) -> list[dict[str, Any]]:
        answer = await self("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, AttributeNames=["All"], **more)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    async def bodies(self, url: str, most: int = 10, **more: Any) -> list[str]:
        return [message["Body"] for message in await self.receive(url, most, **more)]

    async def delete(self, url: str, message: dict[str, Any]) -> None:
        await self("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async def attributes(self, url: str) -> dict[str, str]:
        found: dict[str, str] = (await self("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]
        return found

    async def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, delayed, in flight."""
        found = await self.attributes(url)
        names = ("", "Delayed", "NotVisible")
        visible, delayed, in_flight = (int(found[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, delayed, in_flight

    async def advance(self, seconds: float) -> None:
        """Move time, stopping wherever something is due, until all that is due has been done."""
        target = self.clock.now_ms() + round(seconds * 1000)
        await self.timers.settle()
        while (due := self.clock.next_due()) is not None and due <= target:
            self.clock.advance_to(due)
            await self.timers.settle()
        self.clock.advance_to(target)
        await self.timers.settle()
        for _ in range(6):
            await asyncio.sleep(0)

    async def rows(self) -> int:
        """Rows that queues have in the store."""
        return len(await self.store.read(lambda tx: tx.scan(b"\x02sqs", b"\x02sqs\xff")))


def arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def scenario(body: Callable[[Sqs], Awaitable[None]]) -> Callable[[], None]:
    """Run `async def test(sqs)` against a started service."""

    def run() -> None:
        async def main() -> None:
            sqs = Sqs()
            await sqs.start()
            try:
                await body(sqs)
            finally:
                await sqs.close()

        asyncio.run(main())

    run.__name__, run.__doc__ = getattr(body, "__name__", "scenario"), body.__doc__
    return run
