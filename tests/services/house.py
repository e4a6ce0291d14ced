"""Services on the memory store and the manual clock, without HTTP: what the tests of several services stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, TypeVar, cast

from freehold.front.calls import InternalCalls
from freehold.front.offer import Offer
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.ports.call import Cause
from freehold.ports.identity import Principal
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform, Settings
from freehold.work.advance import Advance, Settle
from freehold.work.meters import Meters
from freehold.work.outbox import Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

ACCOUNT, REGION = "111122223333", "us-east-1"


class House:
    """`await house("Operation", ...)` goes through the pipeline; `await house.advance(seconds)` moves time."""

    model: ClassVar[str]
    """Whose operations a call means where it names no other service."""
    manifests: ClassVar[Sequence[Manifest]]
    calls: ClassVar[type[InternalCalls]] = InternalCalls

    def __init__(self) -> None:
        self.store, self.clock = memory_store(), manual_clock()
        self.boot()

    def boot(self) -> None:
        """Everything but the store and the clock, as a process that starts makes it."""
        self.tasks = Tasks()
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.outbox = Outbox(self.store, self.clock, Ids(4), self.tasks)
        unused = cast(Any, None)
        rooms = {"blobs": unused, "logs": unused, "traces": unused, "runtime": unused, **self.rooms()}
        self.platform = Platform(
            settings=Settings(),
            store=self.store,
            clock=self.clock,
            ids=Ids(3),
            tasks=self.tasks,
            timers=self.timers,
            outbox=self.outbox,
            meters=Meters(self.store, self.clock, self.tasks),
            **rooms,
        )
        self.platform.calls = self.calls(self.platform, Offer(list(self.manifests)))
        self._advance = Advance(self.clock, self.store, self.settles(), _nothing)

    def rooms(self) -> dict[str, Any]:
        """Further rooms and ports of the platform."""
        return {}

    def settles(self) -> list[Settle]:
        """What is waited for wherever time stops."""
        return [self.timers.settle, self.outbox.settle]

    def offer_ports(self, manifests: Sequence[Manifest]) -> None:
        """The ports that services offer, in their places."""
        for manifest in manifests:
            for name, port in manifest.ports(self.platform).items() if manifest.ports else ():
                setattr(self.platform, name, port)

    async def start(self) -> None:
        await self.timers.start({o: self._bound(fn) for m in self.manifests for o, fn in m.timers.items()})
        await self.outbox.start({k: self._bound(fn) for m in self.manifests for k, fn in m.deliverers.items()})

    async def furnish(self) -> None:
        """What every scenario finds there."""

    def _bound(self, function: Callable[..., Awaitable[Any]]) -> Any:
        return lambda argument: function(self.platform, argument)

    async def close(self) -> None:
        await self.timers.close()
        await self.outbox.close()
        await self.tasks.close()
        await self.platform.outgoing.close()

    async def advance(self, seconds: float = 0) -> None:
        await self._advance.by(int(seconds * 1000))

    async def __call__(
        self,
        operation: str,
        *,
        service: str | None = None,
        account: str = ACCOUNT,
        trace: str | None = None,
        **request: Any,
    ) -> dict[str, Any]:
        return await self.platform.calls.call(
            service or self.model,
            operation,
            request,
            principal=Principal(account, f"arn:aws:iam::{account}:root", account),
            account=account,
            region=REGION,
            cause=Cause(trace),
        )

    async def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        """Code and message of the refusal."""
        try:
            await self(operation, **request)
        except Fault as fault:
            return fault.code, fault.message
        raise AssertionError(f"{operation} was not refused")


async def _nothing() -> None:
    pass


Some = TypeVar("Some", bound=House)


def scenarios(make: Callable[[], Some]) -> Callable[[Callable[[Some], Awaitable[None]]], Callable[[], None]]:
    """A decorator that runs `async def test(house)` against a started house."""

    def scenario(body: Callable[[Some], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            house = make()
            await house.start()
            try:
                await house.furnish()
                await body(house)
            finally:
                await house.close()

        def run() -> None:
            asyncio.run(main())

        run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
        return run

    return scenario
