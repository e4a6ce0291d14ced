"""The load: producers of messages, callers of a function, a writer of objects. Each remembers what it was told."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from typing import Any

from cluster.client import Client, Cluster, Failed, Stoppable

BATCH = 5
GROUPS = 4
"""FIFO groups per producer; a group has one producer, which goes on when it was told that a message is kept."""
AGAIN = 0.03
"""Share of FIFO batches that are sent twice on purpose: inside the window they are one."""
KEYS = 30


class Gate(Stoppable):
    """Holds producers back while more than `most` messages wait in a queue: a load that is worked off, not a backlog."""

    def __init__(self, cluster: Cluster, queues: dict[str, str], most: int) -> None:
        super().__init__("gate")
        self._client, self._queues, self._most = Client(cluster), queues, most
        self.open = {url: threading.Event() for url in queues.values()}
        for event in self.open.values():
            event.set()

    def work(self) -> None:
        while not self.stopping.is_set():
            for url, event in self.open.items():
                request = {"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]}
                found = self._client.json("depth", "sqs", "AmazonSQS.GetQueueAttributes", request)
                waiting = int(found["Attributes"]["ApproximateNumberOfMessages"])
                (event.clear if waiting > self._most else event.set)()
            self.stopping.wait(0.3)
        for event in self.open.values():
            event.set()


class Producer(Stoppable):
    """Sends until told to stop. `kept`: what was acknowledged, by body."""

    def __init__(self, cluster: Cluster, number: int, queue: str, pause: float, gate: Gate) -> None:
        super().__init__(f"producer {number} of {queue.rpartition('/')[2]}")
        self._client, self._number, self._queue, self._pause = Client(cluster, number), number, queue, pause
        self._open = gate.open[queue]
        self.kept: list[str] = []

    def _rest(self) -> None:
        self.stopping.wait(self._pause)
        self._open.wait()

    def _send(self, kind: str, entries: list[dict[str, str]]) -> list[dict[str, Any]]:
        request = {"QueueUrl": self._queue, "Entries": entries}
        found = self._client.json(kind, "sqs", "AmazonSQS.SendMessageBatch", request)
        self.kept += [entries[int(done["Id"])]["MessageBody"] for done in found.get("Successful", [])]
        return list(found.get("Failed", []))


class Standard(Producer):
    """A standard queue."""

    def work(self) -> None:
        count = 0
        while not self.stopping.is_set():
            bodies = [f"events/{self._number}/{count + at + 1}" for at in range(BATCH)]
            count += BATCH
            while bodies:
                failed = self._send("send", [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)])
                bodies = [bodies[int(entry["Id"])] for entry in failed]
            self._rest()


class Fifo(Producer):
    """A FIFO queue: numbers one after the other in each group."""

    def work(self) -> None:
        chance = random.Random(self._number)
        reached = dict.fromkeys(range(GROUPS), 0)
        while not self.stopping.is_set():
            group = chance.randrange(GROUPS)
            entries = [self._entry(at, group, reached[group] + at + 1) for at in range(BATCH)]
            failed = self._send("send to FIFO", entries)
            if failed:
                raise Failed(f"a FIFO batch was kept in part: {failed}")
            reached[group] += BATCH
            if chance.random() < AGAIN:
                known = len(self.kept)
                self._send("send to FIFO", entries)
                del self.kept[known:]
            self._rest()

    def _entry(self, at: int, group: int, number: int) -> dict[str, str]:
        body = f"orders/{self._number}-{group}/{number}"
        return {
            "Id": str(at),
            "MessageBody": body,
            "MessageGroupId": f"{self._number}-{group}",
            "MessageDeduplicationId": body.replace("/", "-"),
        }


class Caller(Stoppable):
    """Calls the function with reserved concurrency without end: most calls are throttled."""

    def __init__(self, cluster: Cluster, number: int, pause: float) -> None:
        super().__init__(f"caller {number}")
        self._client, self._pause = Client(cluster, number), pause
        self.ran: list[tuple[float, float]] = []
        self.throttled = 0

    def work(self) -> None:
        while not self.stopping.is_set():
            try:
                path = "/2015-03-31/functions/held/invocations"
                answer = json.loads(self._client.call("invoke", "lambda", "POST", path, {}, b"{}", patience=0.0))
                if isinstance(answer, list):
                    self.ran.append((answer[0], answer[1]))
            except Failed as problem:
                if not problem.code or (problem.code.startswith("4") and not problem.code.startswith("429")):
                    raise
                self.throttled += problem.code.startswith("429")
                self.stopping.wait(self._pause)


class Objects(Stoppable):
    """Writes objects too large for rows over and over, and reads what it wrote from whatever node answers."""

    def __init__(self, cluster: Cluster, number: int, pause: float) -> None:
        super().__init__(f"objects {number}")
        self._client, self._number, self._pause = Client(cluster, number), number, pause
        self.kept: dict[str, int] = {}
        self.wrong: list[str] = []
        self.read = 0

    def work(self) -> None:
        chance, count = random.Random(self._number), 0
        while not self.stopping.is_set():
            count += 1
            key = f"{self._number}/{count % KEYS}"
            self._client.call("put", "s3", "PUT", f"/cluster-objects/{key}", {}, content(key, count))
            self.kept[key] = count
            self.check(chance.choice(list(self.kept)))
            self.stopping.wait(self._pause)

    def check(self, key: str, only: int | None = None) -> None:
        """Is what was acknowledged there?"""
        found = self._client.call("get", "s3", "GET", f"/cluster-objects/{key}", {}, b"", only=only)
        self.read += 1
        if found != content(key, self.kept[key]):
            self.wrong.append(f"object {key} is not what was acknowledged ({len(found)} bytes)")


def content(key: str, count: int) -> bytes:
    """The bytes of an object's version: 80 to 260 KB."""
    return hashlib.shake_128(f"{key}/{count}".encode()).digest(80_000 + count % 4 * 60_000)


class Load:
    """All of it."""

    def __init__(self, cluster: Cluster, queues: dict[str, str], producers: int, pause: float, backlog: int) -> None:
        gate = Gate(cluster, queues, backlog)
        self.fifo = [Fifo(cluster, at, queues["orders.fifo"], pause, gate) for at in range(producers)]
        self.standard = [Standard(cluster, at, queues["events"], pause, gate) for at in range(producers)]
        self.callers = [Caller(cluster, at, 0.3) for at in range(6)]
        self.objects = [Objects(cluster, 0, 0.2)]
        self._threads: list[Stoppable] = [*self.fifo, *self.standard, *self.callers, *self.objects, gate]

    def start(self) -> None:
        threading.stack_size(512 << 10)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask all to stop, and wait: what is under way is finished."""
        for thread in self._threads:
            thread.stopping.set()
        for thread in self._threads:
            thread.join(120)

    @property
    def problems(self) -> list[str]:
        """What threads raised."""
        return [thread.problem for thread in self._threads if thread.problem]
