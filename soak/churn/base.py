"""What workloads that make and delete have in common."""

from __future__ import annotations

import io
import json
import random
import zipfile
from abc import abstractmethod
from collections import deque
from typing import Any

from botocore.exceptions import ClientError

from workloads.base import Workload
from workloads.cloud import code
from workloads.ledger import Ledger

OPEN_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
)
SHORT_RETENTION = {"MessageRetentionPeriod": "60"}


class Churn(Workload):
    """Makes one thing per step; keeps at most `alive` of them."""

    alive = 3

    def setup(self) -> None:
        self.living: deque[str] = deque()

    def step(self, rng: random.Random) -> None:
        name = f"{self.prefix()}-{self.next()}"
        self.living.append(name)
        self.make(name, rng)
        while len(self.living) > self.alive:
            self.drop(self.living.popleft())

    @abstractmethod
    def make(self, name: str, rng: random.Random) -> None:
        """Make it and use it."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Delete it."""

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        wrong = []
        while self.living:
            name = self.living.popleft()
            try:
                self.drop(name)
            except ClientError as problem:
                wrong.append(f"{name} could not be deleted: {code(problem)}")
        return wrong

    def target_queue(self, name: str, **attributes: str) -> str:
        """Make a queue that everybody may send to; its ARN."""
        self.cloud.client("sqs").create_queue(QueueName=name, Attributes={"Policy": OPEN_POLICY, **attributes})
        return self.cloud.arn("sqs", name)

    def empty(self, queue: str) -> list[dict[str, Any]]:
        """Receive and delete what a queue has, up to a hundred."""
        sqs, url = self.cloud.client("sqs"), self.cloud.queue_url(queue)
        found: list[dict[str, Any]] = []
        for _ in range(10):
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                break
            found += messages
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return found

    def function(self, name: str, source: str, **settings: Any) -> None:
        """Make a function and wait until it is active."""
        client = self.cloud.client("lambda")
        request: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": "python3.11",
            "Handler": "index.handler",
            "Role": self.cloud.role(),
            "Code": {"ZipFile": package(source)},
            "Timeout": 10,
        }
        client.create_function(**request | settings)
        client.wait("function_active_v2", FunctionName=name)


def package(source: str) -> bytes:
    """A function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()
