"""CloudWatch Logs on the memory store and the manual clock, without HTTP."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from freehold import wire
from freehold.kit.ids import Ids
from freehold.services.logs import events, groups, resource_policies, service, streams, tail
from freehold.work.duties import Duties
from freehold.work.logs import LogWriter
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

ACCOUNT, REGION = "111122223333", "us-east-1"


class Logs:
    """`await logs("PutLogEvents", ...)` validates like the wire and runs the handler."""

    def __init__(self) -> None:
        self.store, self.clock, self.tasks = memory_store(), manual_clock(), Tasks()
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.writer = LogWriter(self.store, self.clock, self.tasks, Ids(2))
        self.platform = SimpleNamespace(
            store=self.store,
            clock=self.clock,
            ids=Ids(3),
            timers=self.timers,
            duties=Duties(self.store, self.clock, self.tasks),
            logs=self.writer,
            own={},
        )
        self.model = wire.load("logs")

    async def start(self) -> None:
        await service.MANIFEST.start(self.platform)
        await self.timers.start({owner: self._bound(fn) for owner, fn in service.MANIFEST.timers.items()})

    def _bound(self, function: Any) -> Any:
        return lambda key: function(self.platform, key)

    async def close(self) -> None:
        await self.timers.close()
        await self.tasks.close()

    async def __call__(self, operation: str, *, account: str = ACCOUNT, **request: Any) -> dict[str, Any]:
        described = self.model.operations[operation]
        wire.validate(described, request)
        handlers = [getattr(m, described.snake_name, None) for m in (groups, streams, events, tail, resource_policies)]
        handler = next(h for h in handlers if h is not None)
        call = SimpleNamespace(
            platform=self.platform, account=account, region=REGION, operation=described, params=request, request_id="r"
        )
        service.arn(call)
        return await handler(call, request)

    @property
    def now(self) -> int:
        return self.clock.now_ms()

    async def rows(self) -> int:
        return len(await self.store.read(lambda tx: tx.scan(b"\x02logs", b"\x02logs\xff")))

    async def put(self, *events: Any, group: str = "g", stream: str = "s") -> dict[str, Any]:
        """Put "text" at now, or (offset ms, "text")."""
        listed = [e if isinstance(e, tuple) else (0, e) for e in events]
        batch = [{"timestamp": self.now + at, "message": message} for at, message in listed]
        return await self("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=batch)

    async def with_stream(self, group: str = "g", stream: str = "s") -> None:
        await self("CreateLogGroup", logGroupName=group)
        await self("CreateLogStream", logGroupName=group, logStreamName=stream)


def scenario(body: Any) -> Any:
    """Run `async def test(logs)` against a started service."""

    def run() -> None:
        async def main() -> None:
            logs = Logs()
            await logs.start()
            try:
                await body(logs)
            finally:
                await logs.close()

        asyncio.run(main())

    run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
    return run


def texts(page: dict[str, Any]) -> list[str]:
    return [event["message"] for event in page["events"]]
