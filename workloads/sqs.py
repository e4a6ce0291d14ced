"""Messages of a standard and of a FIFO queue: sent singly and in batches, received, deleted."""

from __future__ import annotations

import random

from workloads.base import Workload
from workloads.ledger import Ledger
from workloads.receiving import VISIBILITY_S, Impossible, drain, peek, receive


class Queues(Workload):
    """A message in its queue is a name in the ledger; deleted, it never comes again. A group keeps its order."""

    name = "sqs"

    def setup(self) -> None:
        sqs, visibility = self.cloud.client("sqs"), {"VisibilityTimeout": str(VISIBILITY_S)}
        self._plain, self._ordered = self.prefix(), f"{self.prefix()}.fifo"
        sqs.create_queue(QueueName=self._plain, Attributes=visibility)
        sqs.create_queue(QueueName=self._ordered, Attributes={"FifoQueue": "true", **visibility})

    def step(self, rng: random.Random) -> None:
        queue = rng.choice((self._plain, self._ordered))
        if len(self.ledger.present()) >= self.keep or rng.random() < 0.2:
            waiting = self._numbers(self.ledger.present(), self._ordered)
            received = receive(self.cloud, queue, self.ledger)
            first = self._numbers(received[:1], self._ordered)
            if first and waiting and min(waiting) < first[0]:
                raise Impossible(f"{queue} gave message {first[0]} before {min(waiting)}")
        else:
            self._send(queue, rng.choice((1, 5)))

    def _send(self, queue: str, count: int) -> None:
        sqs, url = self.cloud.client("sqs"), self.cloud.queue_url(queue)
        bodies = [f"{queue} {self.next()}" for _ in range(count)]
        entries = [{"MessageBody": body, **_group(queue, body)} for body in bodies]
        with self.ledger.write_many(dict.fromkeys(bodies, "sent")):
            if count == 1:
                sqs.send_message(QueueUrl=url, **entries[0])
                return
            answer = sqs.send_message_batch(
                QueueUrl=url, Entries=[{"Id": str(at), **entry} for at, entry in enumerate(entries)]
            )
            if answer.get("Failed"):
                raise RuntimeError(f"not sent to {queue}: {answer['Failed']}")

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        """What the FIFO queue has is taken out: a group gives no more while a part of it is in flight."""
        wanted = {
            queue: {name for name in ledger.present() if name.startswith(f"{queue} ")} for queue in self._queues()
        }
        plain = peek(self.cloud, self._plain, wanted[self._plain])
        ordered = drain(self.cloud, self._ordered, wanted[self._ordered])
        wrong = ledger.compare(dict.fromkeys([*plain, *ordered], "sent"), hidden=True)
        numbers = self._numbers(ordered, self._ordered)
        if numbers != sorted(numbers):
            wrong.append(f"messages of {self._ordered} came out of order: {numbers}")
        for name in ordered:
            ledger.certain(name, None)
        return wrong

    def _queues(self) -> tuple[str, str]:
        return self._plain, self._ordered

    @staticmethod
    def _numbers(names: list[str], queue: str) -> list[int]:
        return [int(name.split()[1]) for name in names if name.startswith(f"{queue} ")]


def _group(queue: str, body: str) -> dict[str, str]:
    return {"MessageGroupId": "g", "MessageDeduplicationId": body.replace(" ", "-")} if queue.endswith(".fifo") else {}
