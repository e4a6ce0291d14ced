"""Queues of a dictionary behind the port that mappings use, and a function that remembers its events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from freehold.kit.clock import ManualClock
from freehold.kit.faults import Fault
from freehold.ports.queues import QueueSettings, Received
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_.mappings import supervision
from freehold.store.base import ReadTx, Store
from tests.services.lambda_.support import ACCOUNT, REGION, World

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
FIFO = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders.fifo"


@dataclass
class Message:
    id: str
    body: str
    group: str | None
    due_ms: int
    trace: str | None = None
    count: int = 0


@dataclass
class Queue:
    visibility_s: int = 30
    messages: list[Message] = field(default_factory=list)


class FakeQueues:
    """`ports.queues.Queues` for consumers, on service time."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.queues: dict[str, Queue] = {}
        self.reads = 0
        self.asked: list[int] = []
        self.deletions: list[int] = []
        self.number = 0

    async def send(
        self, arn: str, *bodies: str, group: str | None = None, delay_s: int = 0, trace: str | None = None
    ) -> None:
        for body in bodies:
            self.number += 1
            due = self.clock.now_ms() + 1000 * delay_s
            self.queues[arn].messages.append(Message(f"id-{self.number}", body, group, due, trace))
        await self.store.transact(lambda tx: tx.wake(self.watch_key(arn)))

    def settings(self, tx: ReadTx, queue_arn: str) -> QueueSettings | None:
        queue = self.queues.get(queue_arn)
        fifo = queue_arn.endswith(".fifo")
        return None if queue is None else QueueSettings(queue_arn, "/x/y", fifo, queue.visibility_s)

    def watch_key(self, queue_arn: str) -> bytes:
        return b"watch " + queue_arn.encode()

    def _queue(self, arn: str) -> Queue:
        if arn not in self.queues:
            raise Fault("QueueDoesNotExist")
        return self.queues[arn]

    async def receive(
        self, queue_arn: str, *, most: int, visibility_timeout_s: int | None = None
    ) -> tuple[list[Received], int | None]:
        queue, now = self._queue(queue_arn), self.clock.now_ms()
        self.reads += 1
        self.asked.append(most)
        blocked = {each.group for each in queue.messages if each.group and each.due_ms > now}
        found = [each for each in queue.messages if each.due_ms <= now and each.group not in blocked][:most]
        for message in found:
            message.due_ms = now + 1000 * queue.visibility_s
            message.count += 1
        later = [each.due_ms for each in queue.messages if each.due_ms > now]
        due = None if len(found) == most else min(later, default=None)
        return [_received(message) for message in found], due

    async def delete(self, queue_arn: str, receipts: Sequence[str]) -> None:
        queue = self._queue(queue_arn)
        self.deletions.append(len(receipts))
        gone = {receipt.rpartition("/")[0] for receipt in receipts}
        queue.messages = [each for each in queue.messages if each.id not in gone]
        await self.store.transact(lambda tx: None)

    async def change_visibility(self, queue_arn: str, receipts: Sequence[str], timeout_s: int) -> None:
        for message in self._queue(queue_arn).messages:
            if f"{message.id}/{message.count}" in receipts:
                message.due_ms = self.clock.now_ms() + 1000 * timeout_s
        await self.store.transact(lambda tx: tx.wake(self.watch_key(queue_arn)))


def _received(message: Message) -> Received:
    system = {"ApproximateReceiveCount": str(message.count), "SentTimestamp": "1"}
    if message.trace:
        system["AWSTraceHeader"] = message.trace
    return Received(message.id, f"{message.id}/{message.count}", message.body, "md5", {}, None, system)


class Bench:
    """A world with queues and a function whose events are kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queues = FakeQueues(world.platform.store, world.clock)
        self.queues.queues = {QUEUE: Queue(), FIFO: Queue()}
        world.platform.queues = self.queues  # type: ignore[assignment]
        self.batches: list[list[str]] = []
        """Bodies, batch by batch, in the order of starting."""
        self.running = self.peak = 0
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda records: None
        """What the function returns; an exception is its error."""
        self.gate: asyncio.Event | None = None
        """When set: invocations wait for it."""
        world.runtime.body = self._run

    async def _run(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        records = orjson.loads(invocation.payload)["Records"]
        self.batches.append([record["body"] for record in records])
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
            answer = self.answer(records)
            if isinstance(answer, Awaitable):
                answer = await answer
        except ValueError as error:
            return Outcome(orjson.dumps({"errorMessage": str(error)}), function_error="Unhandled")
        finally:
            self.running -= 1
        return Outcome(answer if isinstance(answer, bytes) else orjson.dumps(answer))

    async def map(self, queue: str = QUEUE, **settings: Any) -> str:
        """A mapping of the function "hello"; its uuid."""
        made = await self.world("CreateEventSourceMapping", FunctionName="hello", EventSourceArn=queue, **settings)
        uuid: str = made["UUID"]
        return uuid

    def seen(self) -> list[str]:
        """All bodies, in the order of their batches."""
        return [body for batch in self.batches for body in batch]

    async def state(self, uuid: str) -> str:
        found: str = (await self.world("GetEventSourceMapping", UUID=uuid))["State"]
        return found

    async def settle(self) -> bool:
        return await supervision.settle(self.world.platform)

    def left(self, queue: str = QUEUE) -> list[str]:
        return [message.body for message in self.queues.queues[queue].messages]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until something is so."""
        for _ in range(10_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never happened")


def bodies(count: int) -> list[str]:
    """So many, each different."""
    return [f"m{number}" for number in range(count)]


def run(body: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a test with a function named hello and two queues."""

    async def main() -> None:
        async with World() as world:
            bench = Bench(world)
            await world.create()
            await body(bench)
            if bench.gate is not None:
                bench.gate.set()

    asyncio.run(main())
