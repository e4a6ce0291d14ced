"""Topics: publications reach subscribed queues, in order where the topic is FIFO; topics and subscriptions come and go."""

from __future__ import annotations

import random

from workloads import making
from workloads.arriving import Delivering, InQueue
from workloads.ledger import Ledger

TOPIC = "topic "


class Topics(Delivering):
    """A publication is one commit with its messages, so each arrives once. The FIFO topic has one group."""

    name = "sns"
    fifo = ""

    def setup(self) -> None:
        sns, queue = self.cloud.client("sns"), f"{self.prefix()}{self.fifo}"
        endpoint = making.queue(self.cloud, queue)
        self._topic = sns.create_topic(Name=queue, Attributes={"FifoTopic": "true"} if self.fifo else {})["TopicArn"]
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=endpoint, Attributes=raw)
        self._other = making.queue(self.cloud, f"{self.prefix()}-other")
        self.arrivals = InQueue(self.cloud, queue)

    def step(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.2:
            self.take()
        elif choice < 0.3:
            self._manage()
        else:
            self.deliver(rng.choice((1, 5)))

    def send(self, names: list[str]) -> None:
        sns = self.cloud.client("sns")
        entries = [{"Message": name, **self._group(name)} for name in names]
        if len(entries) == 1:
            sns.publish(TopicArn=self._topic, **entries[0])
            return
        numbered = [{"Id": str(at), **entry} for at, entry in enumerate(entries)]
        answer = sns.publish_batch(TopicArn=self._topic, PublishBatchRequestEntries=numbered)
        if answer["Failed"]:
            raise RuntimeError(answer["Failed"])

    def _group(self, name: str) -> dict[str, str]:
        return {"MessageGroupId": "g", "MessageDeduplicationId": name.replace(" ", "-")} if self.fifo else {}

    def _manage(self) -> None:
        """Topics with a subscription; the oldest goes with it."""
        sns, known = self.cloud.client("sns"), self.ledger.present(TOPIC)
        if len(known) >= 10:
            with self.ledger.write(known[0], None):
                sns.delete_topic(TopicArn=self._arn(known[0]))
            return
        name = f"{TOPIC}{self.next()}"
        with self.ledger.write(name, 0):
            arn = sns.create_topic(Name=self._arn(name).rpartition(":")[2])["TopicArn"]
        with self.ledger.write(name, 1):
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=self._other)

    def _arn(self, name: str) -> str:
        return self.cloud.arn("sns", f"{self.prefix()}-topic-{name.removeprefix(TOPIC)}")

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        sns, begin = self.cloud.client("sns"), self._arn(TOPIC)
        topics = [each["TopicArn"] for each in sns.pages("list_topics", "Topics")]
        found = {
            TOPIC + arn.removeprefix(begin): len(
                sns.pages("list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
            )
            for arn in topics
            if arn.startswith(begin)
        }
        return ledger.compare(found, TOPIC) + self.arrived(ledger, patience)


class OrderedTopics(Topics):
    """The same on a FIFO topic and queue: nothing may overtake."""

    name = "sns-fifo"
    fifo = ".fifo"
    ordered = True
