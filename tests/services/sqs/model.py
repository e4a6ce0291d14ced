"""A small model of what SQS documents, and a driver that does the same random operations to it and to the service.

    python -m tests.services.sqs.model --seeds 5000 [--first 0] [--steps 60]

The model knows nothing of rows or indexes: a queue is a list of messages. What AWS leaves open (which of many visible
messages a receive returns) is checked as a set.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
from dataclasses import dataclass, field
from typing import Any

from freehold.kit.faults import Fault
from tests.services.sqs.support import Sqs, arn

FIVE_MINUTES = 300_000
TWELVE_HOURS_S = 43_200


@dataclass
class Message:
    id: str
    body: str
    sent: int
    order: int
    visible_at: int
    group: str = ""
    sequence: str = ""
    here: int = 0
    """Receives in this queue."""
    before: int = 0
    """Receives in other queues."""
    first: int = 0
    received: int = 0
    moved_in: bool = False
    source: str = ""
    sender_dedup: str = ""
    handles: list[str] = field(default_factory=list)

    def in_flight(self, now: int) -> bool:
        return bool(self.here) and self.visible_at > now


@dataclass
class Queue:
    """A queue of the model."""

    name: str
    fifo: bool
    delay: int = 0
    visibility: int = 30
    retention: int = 345_600
    content: bool = False
    per_group: bool = False
    dead: Queue | None = None
    most_receives: int = 0
    messages: list[Message] = field(default_factory=list)
    known: dict[tuple[str, str], tuple[int, str, str]] = field(default_factory=dict)
    attempts: dict[str, tuple[int, list[tuple[Message, int, int]]]] = field(default_factory=dict)
    purged: int = -60_000

    def expire(self, now: int) -> None:
        self.messages = [m for m in self.messages if m.sent + 1000 * self.retention > now]

    def delayed(self, message: Message, now: int) -> bool:
        if message.here or message.moved_in:
            return False
        if self.fifo:
            return message.sent + 1000 * self.delay > now
        return message.visible_at > now

    def counts(self, now: int) -> tuple[int, int, int]:
        delayed = sum(self.delayed(m, now) for m in self.messages)
        flying = sum(m.in_flight(now) for m in self.messages)
        return len(self.messages) - delayed - flying, delayed, flying

    def ready(self, now: int) -> list[list[Message]]:
        """What can be received: lists in which order is kept. Of a FIFO group up to ten at a time."""
        if not self.fifo:
            return [[m] for m in self.messages if not m.in_flight(now) and not self.delayed(m, now)]
        found = []
        for group in dict.fromkeys(m.group for m in self.messages):
            mine = sorted((m for m in self.messages if m.group == group), key=lambda m: m.order)
            if any(m.in_flight(now) for m in mine):
                continue
            free = []
            for message in mine:
                if self.delayed(message, now):
                    break
                free.append(message)
            found.append(free)
        return found

    def is_dead(self, message: Message) -> bool:
        return self.dead is not None and message.here >= self.most_receives


class Drive:
    """One seed: a queue (and its dead-letter queue) and the same in the model."""

    def __init__(self, seed: int, sqs: Sqs) -> None:
        self.random = random.Random(seed)
        self.sqs = sqs
        self.fifo = self.random.random() < 0.5
        self.redrive = self.random.random() < 0.5
        suffix = ".fifo" if self.fifo else ""
        self.queue = Queue("main" + suffix, self.fifo)
        self.dead = Queue("dead" + suffix, self.fifo)
        self.order = 0
        self.log: list[str] = []

    @property
    def now(self) -> int:
        return self.sqs.clock.now_ms()

    def url(self, queue: Queue) -> str:
        return f"http://sqs/111122223333/{queue.name}"

    async def set_up(self) -> None:
        queue, rnd = self.queue, self.random
        queue.visibility = rnd.choice([0, 1, 30, 600])
        queue.delay = rnd.choice([0, 0, 0, 5, 900])
        queue.retention = rnd.choice([60, 3_600, 345_600])
        self.dead.retention = rnd.choice([60, 3_600, 345_600])
        more: dict[str, Any] = {}
        if self.fifo:
            queue.content, queue.per_group = rnd.random() < 0.5, rnd.random() < 0.5
            more["ContentBasedDeduplication"] = str(queue.content).lower()
            more["DeduplicationScope"] = "messageGroup" if queue.per_group else "queue"
        await self.sqs.queue(self.dead.name, MessageRetentionPeriod=self.dead.retention)
        if self.redrive:
            queue.dead, queue.most_receives = self.dead, rnd.choice([1, 2, 3])
            policy = {"deadLetterTargetArn": arn(self.dead.name), "maxReceiveCount": queue.most_receives}
            more["RedrivePolicy"] = json.dumps(policy)
        await self.sqs.queue(
            queue.name,
            VisibilityTimeout=queue.visibility,
            DelaySeconds=queue.delay,
            MessageRetentionPeriod=queue.retention,
            **more,
        )

    async def run(self, steps: int) -> None:
        await self.set_up()
        operations = (
            [self.send] * 6
            + [self.send_batch] * 2
            + [self.receive] * 8
            + [self.delete] * 4
            + [self.change] * 3
            + [self.advance] * 5
            + [self.configure]
            + [self.purge]
            + [self.move] * (2 if self.redrive else 0)
            + [self.attempt] * (3 if self.fifo else 0)
        )
        for _ in range(steps):
            operation = self.random.choice(operations)
            self.log.append(f"{self.now} {operation.__name__}")
            await operation()
            await self.check()

    def say(self, text: str) -> None:
        self.log[-1] += f" {text}"

    async def check(self) -> None:
        if self.redrive:
            await self.sqs.timers.settle()  # what came into the dead-letter queue may be too old for it
        for queue in (self.queue, self.dead):
            queue.expire(self.now)
            found = await self.sqs.counts(self.url(queue))
            assert found == queue.counts(self.now), f"{queue.name}: {found}, not {queue.counts(self.now)}"

    # sending

    def _request(self) -> tuple[dict[str, Any], str | None]:
        """A message to send, and why it is refused."""
        rnd = self.random
        request: dict[str, Any] = {"MessageBody": f"body {rnd.randrange(12 if self.fifo else 1_000_000)}"}
        refused = None
        if self.fifo:
            if rnd.random() < 0.97:
                request["MessageGroupId"] = rnd.choice("abc")
            else:
                refused = "MissingParameter"
            if rnd.random() < 0.6:
                request["MessageDeduplicationId"] = f"d{rnd.randrange(12)}"
            elif not self.queue.content:
                refused = refused or "InvalidParameterValue"
            if rnd.random() < 0.03:
                request["DelaySeconds"] = 5
                refused = refused or "InvalidParameterValue"
        else:
            if rnd.random() < 0.2:
                request["DelaySeconds"] = rnd.choice([0, 1, 60, 900])
            if rnd.random() < 0.2:
                request["MessageGroupId"] = rnd.choice("ab")
            if rnd.random() < 0.03:
                request["DelaySeconds"] = rnd.choice([-1, 901])
                refused = "InvalidParameterValue"
        if refused is None and rnd.random() < 0.02:
            request["MessageBody"] = "bad \x01"
            refused = "InvalidMessageContents"
        return request, refused

    def _sent(self, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """Take it over into the model, or see that it was known."""
        queue, body = self.queue, request["MessageBody"]
        assert answer["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
        group = request.get("MessageGroupId", "")
        message_id, sequence = answer["MessageId"], answer.get("SequenceNumber", "")
        assert bool(sequence) == self.fifo
        key = ("", "")
        if self.fifo:
            deduplication = request.get("MessageDeduplicationId") or hashlib.sha256(body.encode()).hexdigest()
            key = (group if queue.per_group else "", deduplication)
            known = queue.known.get(key)
            if known is not None and self.now - known[0] < FIVE_MINUTES:
                self.say("(duplicate)")
                assert (message_id, sequence) == known[1:], "a duplicate is answered as the message that was taken"
                return
            queue.known[key] = (self.now, message_id, sequence)
            assert len(sequence) == 20
            others = [m.sequence for m in queue.messages]
            assert all(other < sequence for other in others), "sequence numbers increase"
        delay = request.get("DelaySeconds", queue.delay)
        self.order += 1
        queue.messages.append(
            Message(
                message_id, body, self.now, self.order, self.now + 1000 * delay, group, sequence, sender_dedup=key[1]
            )
        )

    def _full(self) -> bool:
        """With a redrive policy, few messages: what a receive does not come to is then never in doubt."""
        return self.redrive and len(self.queue.messages) + len(self.dead.messages) >= 8

    async def send(self) -> None:
        if self._full():
            return
        request, refused = self._request()
        self.say(repr(request))
        try:
            answer = await self.sqs("SendMessage", QueueUrl=self.url(self.queue), **request)
        except Fault as fault:
            assert fault.code == refused, f"{fault!r}, not {refused}"
            return
        assert refused is None, f"taken, but {refused}"
        self._sent(request, answer)

    async def send_batch(self) -> None:
        if self.redrive and len(self.queue.messages) + len(self.dead.messages) >= 5:
            return
        requests = [self._request() for _ in range(self.random.randint(1, 3 if self.redrive else 10))]
        entries = [{"Id": str(at), **request} for at, (request, _) in enumerate(requests)]
        self.say(repr(entries))
        answer = await self.sqs("SendMessageBatch", QueueUrl=self.url(self.queue), Entries=entries)
        failed = {entry["Id"]: entry["Code"] for entry in answer["Failed"]}
        assert failed == {str(at): refused for at, (_, refused) in enumerate(requests) if refused}
        for entry in answer["Successful"]:
            self._sent(requests[int(entry["Id"])][0], entry)

    # receiving

    async def receive(self) -> None:
        queue = self.dead if self.random.random() < 0.2 else self.queue
        await self._receive(queue, "")

    async def attempt(self) -> None:
        await self._receive(self.queue, self.random.choice("xyz"))

    async def _receive(self, queue: Queue, attempt: str) -> None:
        rnd, now = self.random, self.now
        most = 10 if self.redrive else rnd.choice([1, 2, 5, 10])
        request: dict[str, Any] = {}
        visibility = queue.visibility
        if rnd.random() < 0.5:
            visibility = request["VisibilityTimeout"] = rnd.choice([0, 1, 20, 600, 43_200])
        if attempt:
            request["ReceiveRequestAttemptId"] = attempt
        self.say(f"{queue.name} {most} {request}")
        found = await self.sqs.receive(self.url(queue), most, **request)
        self.say(f"-> {[m['Body'] for m in found]}")
        if attempt and self._again(queue, attempt, found, visibility):
            return
        ready = queue.ready(now)
        alive = [[m for m in line if not queue.is_dead(m)][:10] for line in ready]
        expected = min(most, sum(len(line) for line in alive))
        assert len(found) == expected, f"received {len(found)}, not {expected}"
        by_id = {m.id: m for m in queue.messages}
        got = [by_id[m["MessageId"]] for m in found]
        for line in alive:
            mine = [m for m in got if m in line]
            assert mine == line[: len(mine)], "out of order"
        if not self.fifo and not self.redrive and not any(m.group for line in alive for m in line):
            keys = [(m.visible_at, m.order) for m in got]
            assert keys == sorted(keys), "not the longest visible first"
            if expected == most:
                last = max(keys, default=(0, 0))
                assert sum((m.visible_at, m.order) <= last for line in alive for m in line) == expected
        self._bury(queue, [m for line in ready for m in line if queue.is_dead(m)] if len(found) < most else [])
        for message, shown in zip(got, found, strict=True):
            self._received(queue, message, shown, visibility)
        if attempt and got:
            queue.attempts[attempt] = (now, [(m, m.here, m.visible_at) for m in got])

    def _bury(self, queue: Queue, dead: list[Message]) -> None:
        """A redrive policy moves what was received too often."""
        for message in dead:
            queue.messages.remove(message)
            self.order += 1
            self.dead.messages.append(
                Message(
                    message.id,
                    message.body,
                    self.now if self.fifo else message.sent,
                    self.order,
                    self.now,
                    message.group,
                    before=message.before + message.here,
                    first=message.first,
                    moved_in=True,
                    source=queue.name,
                    sender_dedup=message.id,
                )
            )
            self.say(f"(dead: {message.body})")

    def _received(self, queue: Queue, message: Message, shown: dict[str, Any], visibility: int) -> None:
        now = self.now
        message.here += 1
        message.visible_at, message.received = now + 1000 * visibility, now
        message.first = message.first or now
        assert shown["ReceiptHandle"] not in message.handles, "every receive has a handle of its own"
        message.handles.append(shown["ReceiptHandle"])
        attributes = shown["Attributes"]
        assert shown["Body"] == message.body
        assert int(attributes["ApproximateReceiveCount"]) == message.before + message.here
        assert int(attributes["ApproximateFirstReceiveTimestamp"]) == message.first
        assert int(attributes["SentTimestamp"]) == message.sent
        assert attributes.get("MessageGroupId", "") == message.group
        assert attributes.get("DeadLetterQueueSourceArn", "") == (arn(message.source) if message.source else "")
        if self.fifo:
            assert attributes["MessageDeduplicationId"] == message.sender_dedup
            assert attributes["SequenceNumber"] == (message.sequence or attributes["SequenceNumber"])

    def _again(self, queue: Queue, attempt: str, found: list[dict[str, Any]], visibility: int) -> bool:
        """A receive attempt that is made again gets what it got, if nothing was done with it."""
        made, received = queue.attempts.get(attempt, (0, []))
        if not received or self.now - made >= FIVE_MINUTES:
            return False
        for message, count, visible_at in received:
            present = any(m is message for m in queue.messages)
            if not present or (message.here, message.visible_at) != (count, visible_at) or visible_at <= self.now:
                return False
        assert [m["ReceiptHandle"] for m in found] == [m.handles[-1] for m, _, _ in received], "not the same again"
        for message, _, _ in received:
            message.visible_at, message.received = self.now + 1000 * visibility, self.now
        queue.attempts[attempt] = (made, [(m, count, m.visible_at) for m, count, _ in received])
        self.say("(again)")
        return True

    # what is done with handles

    def _handle(self) -> tuple[Queue, Message, int, str] | None:
        """Some message's handle, mostly the latest, of a message that may be gone."""
        queue = self.dead if self.random.random() < 0.2 else self.queue
        candidates = [m for m in self._ever(queue) if m.handles]
        if not candidates:
            return None
        flying = [m for m in candidates if m.in_flight(self.now)]
        message = self.random.choice(flying if flying and self.random.random() < 0.8 else candidates)
        at = len(message.handles) - 1 if self.random.random() < 0.8 else self.random.randrange(len(message.handles))
        return queue, message, at + 1, message.handles[at]

    def _ever(self, queue: Queue) -> list[Message]:
        gone = self.__dict__.setdefault("gone", {}).setdefault(queue.name, {})
        for message in queue.messages:
            gone[id(message)] = message
        return list(gone.values())

    async def delete(self) -> None:
        chosen = self._handle()
        if chosen is None:
            return
        queue, message, count, handle = chosen
        queue.expire(self.now)
        self.say(f"{queue.name} {message.body} handle {count} of {message.here}")
        present = any(m is message for m in queue.messages)
        refused = present and self.fifo and (count != message.here or not message.in_flight(self.now))
        try:
            await self.sqs("DeleteMessage", QueueUrl=self.url(queue), ReceiptHandle=handle)
        except Fault as fault:
            assert refused and fault.code == "InvalidParameterValue", fault
            return
        assert not refused, "an expired handle of a FIFO queue deletes nothing"
        queue.messages = [m for m in queue.messages if m is not message]

    async def change(self) -> None:
        chosen = self._handle()
        if chosen is None:
            return
        queue, message, count, handle = chosen
        queue.expire(self.now)
        timeout = self.random.choice([0, 0, 1, 30, 700, 43_200])
        self.say(f"{queue.name} {message.body} handle {count} of {message.here}: {timeout}")
        refused = None
        if not any(m is message for m in queue.messages):
            refused = "InvalidParameterValue"
        elif not message.in_flight(self.now):
            refused = "InvalidParameterValue" if self.fifo else None
        elif (self.fifo and count != message.here) or (self.now - message.received) // 1000 + timeout > TWELVE_HOURS_S:
            refused = "InvalidParameterValue"
        try:
            await self.sqs(
                "ChangeMessageVisibility", QueueUrl=self.url(queue), ReceiptHandle=handle, VisibilityTimeout=timeout
            )
        except Fault as fault:
            assert fault.code == refused, f"{fault!r}, not {refused}"
            return
        assert refused is None, f"changed, but {refused}"
        if not message.in_flight(self.now):
            return  # nothing is done with a message that is visible again
        message.visible_at = self.now + 1000 * timeout

    # the rest

    async def advance(self) -> None:
        seconds = self.random.choice([0.001, 0.5, 1, 5, 20, 30, 60, 299, 300, 900, 3_600, 43_200])
        self.say(f"{seconds}")
        await self.sqs.advance(seconds)

    async def configure(self) -> None:
        queue, rnd = self.queue, self.random
        choice = rnd.choice(["VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod"])
        value = {
            "VisibilityTimeout": rnd.choice([0, 5, 60]),
            "DelaySeconds": rnd.choice([0, 5, 900]),
            "MessageRetentionPeriod": rnd.choice([60, 3_600, 345_600]),
        }[choice]
        field_name = {"VisibilityTimeout": "visibility", "DelaySeconds": "delay", "MessageRetentionPeriod": "retention"}
        self.say(f"{choice} {value}")
        await self.sqs("SetQueueAttributes", QueueUrl=self.url(queue), Attributes={choice: str(value)})
        setattr(queue, field_name[choice], value)
        await self.sqs.timers.settle()

    async def purge(self) -> None:
        if self.random.random() < 0.7:
            return
        queue = self.random.choice([self.queue, self.dead])
        refused = self.now - queue.purged < 60_000
        self.say(queue.name)
        try:
            await self.sqs("PurgeQueue", QueueUrl=self.url(queue))
        except Fault as fault:
            assert refused and fault.code == "PurgeQueueInProgress", fault
            return
        assert not refused
        self._ever(queue)
        queue.messages, queue.purged = [], self.now
        await self.sqs.timers.settle()

    async def move(self) -> None:
        """Dead letters go back to where they came from, as new messages."""
        self.dead.expire(self.now)
        back = [m for line in self.dead.ready(self.now) for m in line]
        await self.sqs("StartMessageMoveTask", SourceArn=arn(self.dead.name))
        await self.sqs.timers.settle()
        (task,) = (await self.sqs("ListMessageMoveTasks", SourceArn=arn(self.dead.name)))["Results"]
        # The number to move counts what waits behind a group's message in flight, too.
        assert task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == len(back), task
        self._ever(self.dead)
        known = {m.id for m in self.queue.messages}
        self.dead.messages = [m for m in self.dead.messages if not any(m is other for other in back)]
        self.say(f"{[m.body for m in back]}")
        await self._adopt(back, known)

    async def _adopt(self, back: list[Message], known: set[str]) -> None:
        from freehold.kit.ids import derived

        (task,) = await self._tasks()
        for message in back:
            self.order += 1
            new_id = derived(task, message.id)
            assert new_id not in known
            self.queue.messages.append(
                Message(
                    new_id,
                    message.body,
                    self.now,
                    self.order,
                    self.now + 1000 * self.queue.delay,
                    message.group,
                    sender_dedup=message.sender_dedup,
                )
            )

    async def _tasks(self) -> list[str]:
        from freehold.services.sqs import moving
        from freehold.services.sqs.model import Place

        place = Place("111122223333", "us-east-1", self.dead.name)
        found = await self.sqs.store.read(lambda tx: moving.tasks(tx, place))
        return [found[0].id]


async def _drive(seed: int, steps: int) -> Drive:
    sqs = Sqs(seed)
    await sqs.start()
    drive = Drive(seed, sqs)
    try:
        await drive.run(steps)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}\n" + "\n".join(drive.log)) from error
    finally:
        await sqs.close()
    return drive


def drive(seed: int, steps: int = 60) -> None:
    """Raise AssertionError, with the operations that lead there, where the service and the model differ."""
    asyncio.run(_drive(seed, steps))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    failed = 0
    for seed in range(options.first, options.first + options.seeds):
        try:
            drive(seed, options.steps)
        except AssertionError as error:
            failed += 1
            print(error if failed <= 3 else str(error).splitlines()[0])
    print(f"{options.seeds} seeds of {options.steps} steps: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
