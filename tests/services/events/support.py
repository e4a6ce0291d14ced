"""EventBridge on the memory store and the manual clock, without HTTP. Queues, topics, functions and log groups are
recorded: what a target is sent lands in `sent`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from freehold.front.calls import InternalCalls
from freehold.front.offer import Offer
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.ports.events import Answer
from freehold.ports.identity import Principal, Source
from freehold.ports.platform import Platform, Settings
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.events import service
from freehold.store.base import Tx
from freehold.work.advance import Advance
from freehold.work.meters import Meters
from freehold.work.outbox import Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

ACCOUNT, OTHER, THIRD, REGION = "111122223333", "444455556666", "777788889999", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
DESTINATION = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/hook/11111111-2222-3333-4444-555555555555"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/events/all"
PATTERN = '{"source": ["app"]}'


@dataclass
class Sent:
    """What a target received at a service time."""

    target: str
    body: str
    at_ms: int
    id: str
    source: Source | None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)


class Ports:
    """Stands for queues, topics, functions, log groups. Rows in the store keep what a body that runs twice did once."""

    def __init__(self, house: EventBridge) -> None:
        self._house = house

    def _receive(self, tx: Tx, sent: Sent) -> None:
        if sent.target in self._house.refusing:
            raise self._house.refusing[sent.target]
        key = pack("test", "sent", sent.at_ms, sent.target, sent.id)
        tx.put(key, b"")
        self._house.written[key] = sent

    def send(self, tx: Tx, arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        for each in messages:
            attributes = {name: value["StringValue"] for name, value in each.attributes.items()}
            more = {"group": each.group, "attributes": attributes, "trace": each.trace}
            self._receive(tx, Sent(arn, each.body, now_ms, each.id, source, more))
        return [None for _ in messages]

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, note.message, now_ms, note.id, source))

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self._receive(tx, Sent(arn, payload.decode(), now_ms, id, source, {"trace": trace}))

    def put(
        self,
        tx: Tx,
        arn: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        id: str,
        now_ms: int,
        source: Source,
    ) -> None:
        for time_ms, line in events:
            self._receive(tx, Sent(arn, line, now_ms, stream + id, source, {"time": time_ms}))


class EventBridge:
    """`await house("PutRule", ...)` goes through the pipeline; `await house.advance(seconds)` moves time."""

    def __init__(self) -> None:
        self.store, self.clock, self.tasks = memory_store(), manual_clock(), Tasks()
        self.refusing: dict[str, Fault] = {}
        self.written: dict[bytes, Sent] = {}
        self.answers: list[Answer | Exception] = []
        self.called: list[dict[str, Any]] = []
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.outbox = Outbox(self.store, self.clock, Ids(4), self.tasks)
        ports = cast(Any, Ports(self))
        unused = cast(Any, None)
        self.platform = Platform(
            settings=Settings(),
            store=self.store,
            clock=self.clock,
            ids=Ids(3),
            tasks=self.tasks,
            blobs=unused,
            timers=self.timers,
            outbox=self.outbox,
            logs=unused,
            meters=Meters(self.store, self.clock, self.tasks),
            traces=unused,
            runtime=unused,
            functions=ports,
            queues=ports,
            topics=ports,
            log_groups=ports,
        )
        self.platform.calls = InternalCalls(self.platform, Offer([service.MANIFEST]))
        for name, port in service.MANIFEST.ports(self.platform).items() if service.MANIFEST.ports else ():
            setattr(self.platform, name, port)
        self._advance = Advance(self.clock, self.store, [self.timers.settle, self.outbox.settle], _nothing)

    async def start(self) -> None:
        await self.timers.start({o: self._bound(fn) for o, fn in service.MANIFEST.timers.items()})
        await self.outbox.start({k: self._bound(fn) for k, fn in service.MANIFEST.deliverers.items()})

    def _bound(self, function: Callable[..., Awaitable[Any]]) -> Any:
        return lambda argument: function(self.platform, argument)

    async def close(self) -> None:
        await self.timers.close()
        await self.outbox.close()
        await self.tasks.close()

    @property
    def sent(self) -> list[Sent]:
        """In the order of time, of one moment in the order of arrival."""
        return sorted(self.written.values(), key=lambda sent: sent.at_ms)

    def to(self, target: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.target == target]

    async def advance(self, seconds: float) -> None:
        await self._advance.by(int(seconds * 1000))

    async def __call__(self, operation: str, *, account: str = ACCOUNT, **request: Any) -> dict[str, Any]:
        root = Principal(account, f"arn:aws:iam::{account}:root", account)
        return await self.platform.calls.call(
            "events", operation, request, principal=root, account=account, region=REGION
        )

    async def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        """Code and message of the refusal."""
        try:
            await self(operation, **request)
        except Fault as fault:
            return fault.code, fault.message
        raise AssertionError(f"{operation} was not refused")

    async def rule(self, name: str = "r", *targets: dict[str, Any], pattern: str = PATTERN, **more: Any) -> None:
        """A rule with targets; a target without an Id has its place as one."""
        account = more.pop("account", ACCOUNT)
        await self("PutRule", account=account, Name=name, EventPattern=pattern, **more)
        if targets:
            bus = {"EventBusName": more["EventBusName"]} if "EventBusName" in more else {}
            shown = [{"Id": str(place), **target} for place, target in enumerate(targets)]
            await self("PutTargets", account=account, Rule=name, Targets=shown, **bus)

    async def put(self, *details: Any, account: str = ACCOUNT, **more: Any) -> list[dict[str, Any]]:
        """Put an event per detail; what came of them."""
        found = [{**entry(detail), **more} for detail in details or ({},)]
        return list((await self("PutEvents", account=account, Entries=found))["Entries"])


async def _nothing() -> None:
    pass


def entry(detail: Any = None, source: str = "app", detail_type: str = "Order") -> dict[str, Any]:
    return {"Source": source, "DetailType": detail_type, "Detail": orjson.dumps(detail or {}).decode()}


def bus_arn(name: str = "default", account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{name}"


def scenario(body: Callable[[EventBridge], Awaitable[None]]) -> Callable[[], None]:
    """Run `async def test(house)` against a started service."""

    def run() -> None:
        async def main() -> None:
            house = EventBridge()
            await house.start()
            try:
                await body(house)
            finally:
                await house.close()

        asyncio.run(main())

    run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
    return run
