"""Pipes on the memory store and the manual clock, without HTTP. Queues are small and forgetful; functions, topics and buses
are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from freehold.front.calls import InternalCalls
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.ports.call import Cause
from freehold.ports.events import Answer, Event
from freehold.ports.functions import Invoked
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing, QueueSettings, Received
from freehold.services.pipes import service, supervisor
from freehold.store.base import ReadTx, Tx
from freehold.work.advance import Settle
from freehold.work.duties import Duties
from freehold.work.tasks import Tasks
from tests.services.house import ACCOUNT, REGION, House, scenarios

SOURCE, OTHER, TARGET, DEAD = (
    f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("source", "other", "target", "dead")
)
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
DESTINATION = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/d/11111111-2222-3333-4444-555555555555"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipe"
VISIBILITY_MS = 30_000


@dataclass
class Message:
    id: str
    body: str
    visible_ms: int
    group: str | None = None
    receives: int = 0
    receipt: str = ""


@dataclass
class Ports:
    """Stands for queues, functions, topics, events and identity."""

    house: Pipes
    queues: dict[str, list[Message]] = field(default_factory=lambda: {SOURCE: [], OTHER: [], TARGET: []})
    refusing: set[str] = field(default_factory=set)
    """Bodies that no target takes."""
    invoked: list[Any] = field(default_factory=list)
    handler: Callable[[Any], Awaitable[Any]] | None = None
    put_events: dict[str, Event] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    called: list[dict[str, Any]] = field(default_factory=list)
    looked: int = 0

    def watch_key(self, arn: str) -> bytes:
        return pack("test", arn)

    def settings(self, tx: ReadTx, arn: str) -> QueueSettings | None:
        return QueueSettings(arn, "", arn.endswith(".fifo"), 30) if arn in self.queues else None

    def send(self, tx: Tx, arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        assert source.role == ROLE and source.service == "pipes.amazonaws.com"
        for each in messages:
            if each.body in self.refusing:
                raise Fault("InvalidMessageContents", "no")
            if not any(known.id == each.id for known in self.queues[arn]):  # a body may run twice
                self.queues[arn].append(Message(each.id, each.body, now_ms, each.group))
        return [None for _ in messages]

    async def receive(
        self, arn: str, *, most: int, visibility_timeout_s: int | None = None
    ) -> tuple[list[Received], int | None]:
        self.looked += 1
        if arn not in self.queues:
            raise Fault("QueueDoesNotExist", "gone")
        now_ms = self.house.clock.now_ms()
        found: list[Received] = []
        for message in self.queues[arn]:
            if message.visible_ms > now_ms or len(found) == most:
                continue
            message.receives += 1
            message.receipt = f"{message.id}/{message.receives}"
            message.visible_ms = now_ms + VISIBILITY_MS
            system = {"ApproximateReceiveCount": str(message.receives), "SenderId": "AIDA"}
            if message.group is not None:
                system |= {"MessageGroupId": message.group, "SequenceNumber": "1"}
            found.append(Received(message.id, message.receipt, message.body, "md5", {}, None, system))
        due = min((message.visible_ms for message in self.queues[arn]), default=None)
        return found, None if len(found) == most else due

    async def delete(self, arn: str, receipts: Sequence[str]) -> None:
        self.queues[arn] = [each for each in self.queues[arn] if each.receipt not in receipts]

    async def change_visibility(self, arn: str, receipts: Sequence[str], timeout_s: int) -> None:
        raise AssertionError("pipes leave messages to their visibility timeout")

    async def invoke(self, arn: str, payload: bytes, *, cause: Cause, source: str, source_arn: str | None) -> Invoked:
        batch = orjson.loads(payload)
        self.invoked.append(batch)
        assert self.handler is not None
        try:
            answer = await self.handler(batch)
        except ValueError as error:
            return Invoked(orjson.dumps({"errorMessage": str(error)}), "Unhandled", "$LATEST", "r")
        return Invoked(orjson.dumps(answer), None, "$LATEST", "r")

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self.notes[id] = payload.decode()

    def publish(self, tx: Tx, arn: str, note: Any, *, now_ms: int, source: Source) -> None:
        self.notes[note.id] = note.message

    def put(self, tx: Tx, arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        self.put_events[event.id] = event

    async def call_destination(self, arn: str, payload: bytes, **more: Any) -> Answer:
        self.called.append({"body": payload.decode(), **more})
        return Answer(500 if payload.decode() in self.refusing else 200, {}, b'[{"a":1},{"a":2}]')


class Calls(InternalCalls):
    """IAM knows one role."""

    async def call(self, service: str, operation: str, request: dict[str, Any], **more: Any) -> dict[str, Any]:
        if service != "iam":
            return await super().call(service, operation, request, **more)
        if request["RoleName"] != "pipe":
            raise Fault("NoSuchEntityException", "no")
        principal = {"Service": "pipes.amazonaws.com"}
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        trust = orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()
        return {"Role": {"Arn": ROLE, "AssumeRolePolicyDocument": trust}}


class Pipes(House):
    """`ports` has what targets were sent, and the queues."""

    model = "pipes"
    manifests = (service.MANIFEST,)
    calls = Calls

    def __init__(self) -> None:
        self.ports, self._ids = Ports(self), Ids(7)
        super().__init__()

    def rooms(self) -> dict[str, Any]:
        return {"functions": self.ports, "queues": self.ports, "topics": self.ports, "events": self.ports}

    def settles(self) -> list[Settle]:
        return [lambda: supervisor.settle(self.platform)]

    async def start(self) -> None:
        await supervisor.start(self.platform)

    async def close(self) -> None:
        await self.tasks.close()

    async def create(self, name: str = "p", target: str = TARGET, source: str = SOURCE, **more: Any) -> dict[str, Any]:
        """A pipe, in the state it ends in."""
        await self("CreatePipe", Name=name, Source=source, Target=target, RoleArn=ROLE, **more)
        await self.settle()
        return await self("DescribePipe", Name=name)

    async def send(self, *bodies: str, arn: str = SOURCE, group: str | None = None) -> None:
        now_ms = self.clock.now_ms()
        for body in bodies:
            self.ports.queues[arn].append(Message(self._ids.uuid(), body, now_ms, group))
        await self.store.transact(lambda tx: tx.wake(self.ports.watch_key(arn)))

    async def die(self) -> None:
        """The process is gone with all it had in memory."""
        self.platform.own.clear()
        await self.tasks.close()
        self.platform.tasks = self.tasks = Tasks()
        self.platform.duties = Duties(self.store, self.clock, self.tasks)

    async def settle(self) -> None:
        await self.advance(0)

    async def invoked(self, count: int) -> None:
        """Return when functions have been invoked so often, whether or not they answered."""
        await self.until(lambda: len(self.ports.invoked) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until something is so."""
        for _ in range(10_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never happened")

    def bodies(self, arn: str = TARGET) -> list[str]:
        return [message.body for message in self.ports.queues[arn]]


scenario = scenarios(Pipes)
