"""A load over services whose every acknowledgement is kept with the length of the record at that moment."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from freehold.testing import Freehold

LARGE = b"0123456789abcdef" * 8192
INLINE = b"fedcba9876543210" * 3500
Client = Any


class Done(NamedTuple):
    """Something was begun, and acknowledged when the record was `end` bytes long; None: it never was."""

    kind: str
    name: str
    end: int | None


class Load:
    """Threads over one server; `done` says what they did."""

    def __init__(self, server: Freehold, log: Path) -> None:
        self._server, self._log = server, log
        self.done: list[Done] = []
        self._threads = [threading.Thread(target=self._run, args=(act(),)) for act in self._acts()]

    def prepare(self) -> None:
        client = self._server.client
        client("dynamodb").create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "kind")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        client("s3").create_bucket(Bucket="bucket")
        self.url = client("sqs").create_queue(QueueName="queue")["QueueUrl"]
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.fifo = client("sqs").create_queue(QueueName="ordered.fifo", Attributes=fifo)["QueueUrl"]
        client("logs").create_log_group(logGroupName="group")
        client("logs").create_log_stream(logGroupName="group", logStreamName="stream")

    def run(self, enough: int) -> None:
        """Until every kind was acknowledged `enough` times; then the server is killed in the middle."""
        for thread in self._threads:
            thread.start()
        while any(self._count(kind) < enough for kind in KINDS):
            assert all(thread.is_alive() for thread in self._threads)
            threading.Event().wait(0.01)
        self._server.kill()
        for thread in self._threads:
            thread.join()

    def _count(self, kind: str) -> int:
        return sum(1 for each in self.done if each.kind == kind)

    def _run(self, steps: Iterator[tuple[str, str, Callable[[], Any]]]) -> None:
        for kind, name, step in steps:
            try:
                step()
            except (BotoCoreError, ClientError):
                self.done.append(Done(kind, name, None))
                return
            self.done.append(Done(kind, name, self._log.stat().st_size))

    def _acts(self) -> list[Callable[[], Iterator[tuple[str, str, Callable[[], Any]]]]]:
        return [self._items, self._objects, self._inline, self._messages, self._ordered, self._lines]

    def _items(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        client = self._server.client("dynamodb")
        for number in itertools.count():
            item = {"id": {"S": str(number)}, "kind": {"S": str(number % 3)}, "text": {"S": "x" * 3000}}
            yield "item", str(number), lambda item=item: client.put_item(TableName="table", Item=item)  # type: ignore[misc]

    def _objects(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Large objects; every other one is deleted again."""
        client = self._server.client("s3")
        for number in itertools.count():
            key = f"large/{number}"
            body = key.encode() + LARGE
            yield "object", key, lambda key=key, body=body: client.put_object(Bucket="bucket", Key=key, Body=body)  # type: ignore[misc]
            if number % 2:
                yield "deleted", key, lambda key=key: client.delete_object(Bucket="bucket", Key=key)  # type: ignore[misc]

    def _inline(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Objects that lie in rows: they fill the write-ahead log."""
        client = self._server.client("s3")
        for number in itertools.count():
            key = f"inline/{number}"
            body = key.encode() + INLINE
            yield "inline", key, lambda key=key, body=body: client.put_object(Bucket="bucket", Key=key, Body=body)  # type: ignore[misc]

    def _messages(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Messages; every third time one is received, which stays visible, and deleted."""
        client = self._server.client("sqs")
        for number in itertools.count():
            body = str(number)
            yield "sent", body, lambda body=body: client.send_message(QueueUrl=self.url, MessageBody=body)  # type: ignore[misc]
            if number % 3 == 0:
                found: list[dict[str, str]] = []
                yield (
                    "seen",
                    body,
                    lambda found=found: found.extend(  # type: ignore[misc]
                        client.receive_message(QueueUrl=self.url, VisibilityTimeout=0)["Messages"]
                    ),
                )
                for message in found:
                    handle = message["ReceiptHandle"]
                    yield (
                        "received",
                        message["Body"],
                        lambda handle=handle: client.delete_message(QueueUrl=self.url, ReceiptHandle=handle),  # type: ignore[misc]
                    )

    def _ordered(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        client = self._server.client("sqs")
        for number in itertools.count():
            body = str(number)
            yield (
                "ordered",
                body,
                lambda body=body: client.send_message(  # type: ignore[misc]
                    QueueUrl=self.fifo, MessageBody=body, MessageGroupId="group"
                ),
            )

    def _lines(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        client = self._server.client("logs")
        now_ms = int(self._server.clock.now.timestamp() * 1000)
        for number in itertools.count():
            events = [{"timestamp": now_ms, "message": str(number)}]
            yield (
                "line",
                str(number),
                lambda events=events: client.put_log_events(  # type: ignore[misc]
                    logGroupName="group", logStreamName="stream", logEvents=events
                ),
            )


KINDS = ("item", "object", "deleted", "inline", "sent", "seen", "received", "ordered", "line")


def compare(server: Freehold, done: list[Done], cut: int) -> None:
    """What was acknowledged before the cut is there, and what was deleted is not."""
    held: dict[str, set[str]] = {kind: set() for kind in KINDS}
    tried: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, name, end in done:
        tried[kind].add(name)
        if end is not None and end <= cut:
            held[kind].add(name)
    table, s3, sqs, logs = (server.client(service) for service in ("dynamodb", "s3", "sqs", "logs"))
    for index in ({}, {"IndexName": "by-kind"}):
        pages = table.get_paginator("scan").paginate(TableName="table", **index)
        assert {item["id"]["S"] for page in pages for item in page["Items"]} >= held["item"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    keys = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    assert keys >= held["inline"] | (held["object"] - tried["deleted"])
    assert not keys & held["deleted"]
    for key in keys:
        rest = INLINE if key.startswith("inline/") else LARGE
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == key.encode() + rest, key
    urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("queue", "ordered.fifo")]
    bodies = drain(sqs, urls[0])
    assert set(bodies) >= held["sent"] - tried["received"]
    assert not set(bodies) & held["received"]
    ordered = drain(sqs, urls[1])
    assert ordered == [str(number) for number in range(len(ordered))]
    assert set(ordered) >= held["ordered"]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="group")
    assert {event["message"] for page in pages for event in page["events"]} >= held["line"]


def drain(sqs: Client, url: str) -> list[str]:
    """Everything that can be received, each deleted at once so that a group goes on."""
    bodies: list[str] = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [message["Body"] for message in found]
        entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(found)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return bodies
