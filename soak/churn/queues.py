"""Queues that come and go, and messages that nobody receives."""

from __future__ import annotations

import json
import random

from soak.churn.base import SHORT_RETENTION, Churn
from workloads.ledger import Ledger


class QueuesChurn(Churn):
    """A queue with a dead-letter queue: filled, received without deleting, tagged, purged, deleted full."""

    name = "sqs-churn"

    def make(self, name: str, rng: random.Random) -> None:
        sqs, url = self.cloud.client("sqs"), self.cloud.queue_url(name)
        sqs.create_queue(QueueName=f"{name}-dead")
        redrive = {"deadLetterTargetArn": self.cloud.arn("sqs", f"{name}-dead"), "maxReceiveCount": "1"}
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)})
        sqs.tag_queue(QueueUrl=url, Tags={"made": "by soak"})
        for _ in range(3):
            sqs.send_message_batch(
                QueueUrl=url, Entries=[{"Id": f"{at}", "MessageBody": f"{at} " + "x" * 500} for at in range(10)]
            )
        for _ in range(3):  # some of them twice: then they move to the dead-letter queue
            sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        if rng.random() < 0.3:
            sqs.purge_queue(QueueUrl=url)

    def drop(self, name: str) -> None:
        for queue in (name, f"{name}-dead"):
            self.cloud.client("sqs").delete_queue(QueueUrl=self.cloud.queue_url(queue))


class Expiring(Churn):
    """Messages of two queues with the shortest retention, which expire; half of them delayed."""

    name = "sqs-expiring"
    alive = 0

    def setup(self) -> None:
        super().setup()
        sqs = self.cloud.client("sqs")
        sqs.create_queue(QueueName=self.prefix(), Attributes=SHORT_RETENTION)
        sqs.create_queue(QueueName=f"{self.prefix()}.fifo", Attributes={"FifoQueue": "true", **SHORT_RETENTION})

    def make(self, name: str, rng: random.Random) -> None:
        sqs = self.cloud.client("sqs")
        sqs.send_message(
            QueueUrl=self.cloud.queue_url(self.prefix()), MessageBody=name, DelaySeconds=rng.choice((0, 20))
        )
        sqs.send_message(
            QueueUrl=self.cloud.queue_url(f"{self.prefix()}.fifo"),
            MessageBody=name,
            MessageGroupId=name,  # every message is a group of its own, which has to go with it
            MessageDeduplicationId=name,
        )

    def drop(self, name: str) -> None:
        """They go by themselves."""

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        for queue in (self.prefix(), f"{self.prefix()}.fifo"):
            self.cloud.client("sqs").delete_queue(QueueUrl=self.cloud.queue_url(queue))
        return []
