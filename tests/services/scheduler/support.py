"""EventBridge Scheduler and EventBridge on the memory store and the manual clock, without HTTP; beside real IAM and SSM.

Queues, topics, buses and functions are recorded: what a schedule sends lands in `sent`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from freehold.front.calls import InternalCalls
from freehold.front.offer import Offer
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.ports.events import Event
from freehold.ports.identity import Principal, Source
from freehold.ports.platform import Platform, Settings
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.events import service as events
from freehold.services.iam import service as iam
from freehold.services.scheduler import service as scheduler
from freehold.services.ssm import service as ssm
from freehold.store.base import Tx
from freehold.work.advance import Advance
from freehold.work.meters import Meters
from freehold.work.outbox import Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store

MANIFESTS = [scheduler.MANIFEST, events.MANIFEST, ssm.MANIFEST, *iam.MANIFESTS]
ACCOUNT, REGION = "111122223333", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass
class Sent:
    """What a target received. `at` is the service time in ISO form, `id` what the sender called it."""

    target: str
    body: Any
    at: str
    id: str
    source: Source
    more: dict[str, Any] = field(default_factory=dict)


class Ports:
    """Stands for queues, topics, buses and functions. Rows in the store keep what a body that runs twice did once."""

    def __init__(self, house: Scheduler) -> None:
        self._house = house

    def _receive(self, tx: Tx, sent: Sent) -> None:
        if sent.target in self._house.missing:
            raise Fault(self._house.missing[sent.target], f"no {sent.target}")
        key = pack("test", "sent", sent.at, sent.id)
        tx.put(key, b"")
        self._house.written[key] = sent

    def send(self, tx: Tx, arn: str, messages: list[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        for each in messages:
            more = {"group": each.group, "attributes": {k: v["StringValue"] for k, v in each.attributes.items()}}
            self._receive(tx, Sent(arn, each.body, shown(now_ms), each.id, source, more))
        return [None for _ in messages]

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, note.message, shown(now_ms), note.id, source))

    def put(self, tx: Tx, arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        more = {"source": event.source, "detail_type": event.detail_type, "resources": list(event.resources)}
        self._receive(tx, Sent(arn, event.detail, shown(now_ms), event.id, source, more))

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        """What services say about themselves is of no interest here."""

    def enqueue(self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, orjson.loads(payload), shown(now_ms), id, source))


class Scheduler:
    """`await house("CreateSchedule", ...)` goes through the pipeline; `await house.advance(seconds)` moves time."""

    def __init__(self) -> None:
        self.store, self.clock, self.tasks = memory_store(), manual_clock(), Tasks()
        self.missing: dict[str, str] = {}
        self.written: dict[bytes, Sent] = {}
        self.start_ms = self.clock.now_ms()
        self.boot()

    def boot(self) -> None:
        """Everything but the store and the clock, as a process that starts makes it."""
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.outbox = Outbox(self.store, self.clock, Ids(4), self.tasks)
        ports = Ports(self)
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
            functions=cast(Any, ports),
            queues=cast(Any, ports),
            topics=cast(Any, ports),
            events=cast(Any, ports),
        )
        self.platform.calls = InternalCalls(self.platform, Offer(MANIFESTS))
        for manifest in iam.MANIFESTS:
            for name, port in (manifest.ports(self.platform) if manifest.ports else {}).items():
                setattr(self.platform, name, port)
        self._advance = Advance(self.clock, self.store, [self.timers.settle, self.outbox.settle], _nothing)

    async def start(self) -> None:
        for manifest in iam.MANIFESTS:
            if manifest.start is not None:
                await manifest.start(self.platform)
        await self.timers.start({o: self._bound(fn) for m in MANIFESTS for o, fn in m.timers.items()})
        await self.outbox.start({k: self._bound(fn) for m in MANIFESTS for k, fn in m.deliverers.items()})

    def _bound(self, function: Callable[..., Awaitable[Any]]) -> Any:
        return lambda argument: function(self.platform, argument)

    async def close(self) -> None:
        await self.timers.close()
        await self.outbox.close()
        await self.tasks.close()

    async def restart(self, *, down_s: float = 0) -> None:
        """The process dies; time goes on; another one starts."""
        await self.close()
        self.clock.advance(down_s)
        self.tasks = Tasks()
        self.boot()
        await self.start()
        await self._advance.by(0)

    @property
    def sent(self) -> list[Sent]:
        """In the order of time, of one moment in the order of arrival."""
        return sorted(self.written.values(), key=lambda sent: sent.at)

    async def advance(self, seconds: float) -> None:
        await self._advance.by(int(seconds * 1000))

    async def __call__(self, operation: str, *, service: str = "scheduler", **request: Any) -> dict[str, Any]:
        root = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
        return await self.platform.calls.call(
            service, operation, request, principal=root, account=ACCOUNT, region=REGION
        )

    async def create(self, name: str = "s", expression: str = "rate(1 hour)", **more: Any) -> dict[str, Any]:
        return await self("CreateSchedule", **schedule(name, expression, **more))

    async def refused(self, operation: str, *, service: str = "scheduler", **request: Any) -> tuple[str, str]:
        """Code and message of the refusal."""
        try:
            await self(operation, service=service, **request)
        except Fault as fault:
            return fault.code, fault.message
        raise AssertionError(f"{operation} was not refused")

    async def names(self, **request: Any) -> list[str]:
        return [each["Name"] for each in (await self("ListSchedules", **request))["Schedules"]]


async def _nothing() -> None:
    pass


def schedule(name: str = "s", expression: str = "rate(1 hour)", **more: Any) -> dict[str, Any]:
    """A request to create a schedule; what begins with a small letter goes into its target."""
    target = {"Arn": QUEUE, "RoleArn": ROLE} | more.pop("target", {})
    window = more.pop("FlexibleTimeWindow", {"Mode": "OFF"})
    return {"Name": name, "ScheduleExpression": expression, "Target": target, "FlexibleTimeWindow": window, **more}


def shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def at(text: str) -> float:
    """Seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def scenario(body: Callable[[Scheduler], Awaitable[None]]) -> Callable[[], None]:
    """Run `async def test(house)` against a started service whose account has the role."""

    def run() -> None:
        async def main() -> None:
            house = Scheduler()
            await house.start()
            try:
                await house(
                    "CreateRole",
                    service="iam",
                    RoleName="scheduler",
                    AssumeRolePolicyDocument=orjson.dumps(TRUST).decode(),
                )
                await body(house)
            finally:
                await house.close()

        asyncio.run(main())

    run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
    return run
