"""Topics, buses, schedules and pipes that come and go while messages pass through them."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

from soak.churn.base import SHORT_RETENTION, Churn
from workloads import making


class Topics(Churn):
    """A topic with filtering subscriptions to two queues."""

    name = "sns-churn"

    def setup(self) -> None:
        super().setup()
        self._queues = [self.target_queue(f"{self.prefix()}-{each}", **SHORT_RETENTION) for each in "ab"]

    def make(self, name: str, rng: random.Random) -> None:
        sns = self.cloud.client("sns")
        topic = sns.create_topic(Name=name)["TopicArn"]
        for kind, queue in zip("ab", self._queues, strict=True):
            attributes = {"FilterPolicy": json.dumps({"kind": [kind]}), "RawMessageDelivery": "true"}
            subscription = sns.subscribe(
                TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=attributes, ReturnSubscriptionArn=True
            )["SubscriptionArn"]
        for kind in "abc":
            sns.publish(
                TopicArn=topic, Message=name, MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}}
            )
        sns.publish_batch(
            TopicArn=topic, PublishBatchRequestEntries=[{"Id": f"{at}", "Message": "all"} for at in range(5)]
        )
        if rng.random() < 0.5:
            sns.unsubscribe(SubscriptionArn=subscription)
        for kind in "ab":
            self.empty(f"{self.prefix()}-{kind}")

    def drop(self, name: str) -> None:
        self.cloud.client("sns").delete_topic(TopicArn=self.cloud.arn("sns", name))


class Buses(Churn):
    """A bus with a rule, an archive, a replay of it, and a target that is not there (its retries end in a DLQ)."""

    name = "events-churn"

    def setup(self) -> None:
        super().setup()
        self._queue = self.target_queue(self.prefix(), **SHORT_RETENTION)
        self._dead = self.target_queue(f"{self.prefix()}-dead", **SHORT_RETENTION)

    def make(self, name: str, rng: random.Random) -> None:
        events = self.cloud.client("events")
        bus = events.create_event_bus(Name=name)["EventBusArn"]
        events.put_rule(Name="all", EventBusName=name, EventPattern=json.dumps({"source": ["soak"]}))
        gone = {"Id": "gone", "Arn": self.cloud.arn("sqs", "nobody"), "DeadLetterConfig": {"Arn": self._dead}}
        gone["RetryPolicy"] = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
        events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "q", "Arn": self._queue}, gone])
        archive = events.create_archive(ArchiveName=name, EventSourceArn=bus, RetentionDays=1)["ArchiveArn"]
        for _ in range(2):
            entries = [
                {"Source": "soak", "DetailType": "t", "Detail": json.dumps({"n": n}), "EventBusName": name}
                for n in range(5)
            ]
            events.put_events(Entries=entries)
        if rng.random() < 0.3:
            now = datetime.now(UTC)
            events.start_replay(
                ReplayName=name,
                EventSourceArn=archive,
                EventStartTime=now - timedelta(minutes=5),
                EventEndTime=now,
                Destination={"Arn": bus},
            )
        self.empty(self.prefix())
        self.empty(f"{self.prefix()}-dead")

    def drop(self, name: str) -> None:
        events = self.cloud.client("events")
        events.delete_archive(ArchiveName=name)
        events.remove_targets(Rule="all", EventBusName=name, Ids=["q", "gone"])
        events.delete_rule(Name="all", EventBusName=name)
        events.delete_event_bus(Name=name)


class Schedules(Churn):
    """A schedule of its own group that fires once and deletes itself, and one that repeats until it is deleted."""

    name = "scheduler-churn"
    alive = 5

    def setup(self) -> None:
        super().setup()
        self._queue = self.target_queue(self.prefix(), **SHORT_RETENTION)
        self._role = making.role(self.cloud, self.prefix(), "scheduler.amazonaws.com")

    def make(self, name: str, rng: random.Random) -> None:
        scheduler, group = self.cloud.client("scheduler"), name
        scheduler.create_schedule_group(Name=group)
        target = {"Arn": self._queue, "RoleArn": self._role, "Input": name}
        soon = (datetime.now(UTC) + timedelta(seconds=rng.choice((2, 5, 10)))).strftime("%Y-%m-%dT%H:%M:%S")
        common = {"GroupName": group, "Target": target, "FlexibleTimeWindow": {"Mode": "OFF"}}
        scheduler.create_schedule(
            Name="once", ScheduleExpression=f"at({soon})", ActionAfterCompletion="DELETE", **common
        )
        scheduler.create_schedule(Name="often", ScheduleExpression="rate(1 minute)", **common)
        self.empty(self.prefix())

    def drop(self, name: str) -> None:
        self.cloud.client("scheduler").delete_schedule_group(Name=name)


class Pipes(Churn):
    """A pipe from one queue to another."""

    name = "pipes-churn"
    alive = 1

    def setup(self) -> None:
        super().setup()
        self._source = self.target_queue(f"{self.prefix()}-in", **SHORT_RETENTION)
        self._target = self.target_queue(f"{self.prefix()}-out", **SHORT_RETENTION)
        self._role = making.role(self.cloud, self.prefix(), "pipes.amazonaws.com")
        everything = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        self.cloud.client("iam").put_role_policy(RoleName=self.prefix(), PolicyName="all", PolicyDocument=document)

    def make(self, name: str, rng: random.Random) -> None:
        pipes, sqs = self.cloud.client("pipes"), self.cloud.client("sqs")
        pipes.create_pipe(Name=name, Source=self._source, Target=self._target, RoleArn=self._role)
        url = self.cloud.queue_url(f"{self.prefix()}-in")
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": f"{n}", "MessageBody": name} for n in range(10)])
        self.empty(f"{self.prefix()}-out")

    def drop(self, name: str) -> None:
        self.cloud.client("pipes").delete_pipe(Name=name)
