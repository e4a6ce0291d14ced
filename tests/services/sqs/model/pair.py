"""The queues that one seed is about, here and there, and what is compared after every operation."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.services.sqs.model.queue import Message, Queue
from tests.services.sqs.support import ACCOUNT, Sqs, arn


class Pair:
    """One seed's queue with its dead-letter queue: of the service, and the same of the model."""

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
        self._seen: dict[str, dict[int, Message]] = {self.queue.name: {}, self.dead.name: {}}

    @property
    def now(self) -> int:
        return self.sqs.clock.now_ms()

    def url(self, queue: Queue) -> str:
        return f"http://sqs/{ACCOUNT}/{queue.name}"

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

    def say(self, text: str) -> None:
        self.log[-1] += f" {text}"

    async def check(self) -> None:
        if self.redrive:
            await self.sqs.timers.settle()  # what came into the dead-letter queue may be too old for it
        for queue in (self.queue, self.dead):
            queue.expire(self.now)
            found = await self.sqs.counts(self.url(queue))
            assert found == queue.counts(self.now), f"{queue.name}: {found}, not {queue.counts(self.now)}"

    def ever(self, queue: Queue) -> list[Message]:
        """All messages that were seen in it, also those that are gone."""
        seen = self._seen[queue.name]
        for message in queue.messages:
            seen[id(message)] = message
        return list(seen.values())
