"""A FIFO topic, its queue, a function and a table: nothing is left out, nothing overtakes, nothing comes as two messages."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from workloads import making
from workloads.base import Workload, until, while_it_moves
from workloads.cloud import Cloud
from workloads.ledger import Ledger

GROUP = "group "
STEPS = 60
"""Of a group; then comes the next one."""
LANES = ("a", "b")
AGAIN_S = 240.0
"""A deduplication id holds for five minutes: so long after an attempt, and no longer, it may be made again."""
STEPPER = """
import boto3, json, os
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handler(event, context):
    for record in event["Records"]:
        step = json.loads(record["body"])
        table.update_item(
            Key={"pk": step["group"]},
            UpdateExpression="SET steps = list_append(if_not_exists(steps, :none), :step)",
            ExpressionAttributeValues={":none": [], ":step": [f'{step["n"]} {record["messageId"]}']},
        )
"""


class Messaging(Workload):
    """A group's value is how many of its steps were acknowledged. A step whose answer never came is published again with
    the same deduplication id, as a client would."""

    name = "messaging"

    def setup(self) -> None:
        full, table = f"{self.prefix()}.fifo", self.prefix()
        queue = making.queue(self.cloud, full, seconds=20)
        making.table(self.cloud, table)
        sns, functions = self.cloud.client("sns"), self.cloud.client("lambda")
        self._topic = sns.create_topic(Name=full, Attributes={"FifoTopic": "true"})["TopicArn"]
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=queue, Attributes=raw)
        making.function(self.cloud, table, table, STEPPER)
        functions.create_event_source_mapping(FunctionName=table, EventSourceArn=queue, BatchSize=10)

    def __init__(self, cloud: Cloud, **options: Any) -> None:
        super().__init__(cloud, **options)
        self._tried: dict[str, float] = {}

    def step(self, rng: random.Random) -> None:
        lane, groups = rng.choice(LANES), self.ledger.present(GROUP)
        if len(groups) > 8:
            self._forget(groups[0])
            return
        group = self._current(lane)
        number = self.ledger.get(group) or 0
        self._tried[group] = time.monotonic()
        with self.ledger.write(group, number + 1):
            self.cloud.client("sns").publish(
                TopicArn=self._topic,
                Message=json.dumps({"group": group, "n": number}),
                MessageGroupId=group.replace(" ", "-"),
                MessageDeduplicationId=f"{group}-{number}".replace(" ", "-"),
            )

    def _current(self, lane: str) -> str:
        """The group of a lane that is not full, or the next."""
        mine = [name for name in self.ledger.names(GROUP) if name.split()[1] == lane]
        last = max(mine, key=lambda name: int(name.split()[2]), default=None)
        if last is not None and (self.ledger.get(last) or 0) < STEPS and not self._too_late(last):
            return last
        return f"{GROUP}{lane} {self.next()}"

    def _too_late(self, group: str) -> bool:
        """Would a step whose answer never came be published again when its deduplication id is about to be forgotten?"""
        unknown = len(self.ledger.possible(group)) > 1
        return unknown and time.monotonic() > self._tried[group] + AGAIN_S

    def _forget(self, group: str) -> None:
        """Remove a group that has arrived; else wait for it."""
        if until(lambda: self._highest(group) >= (self.ledger.get(group) or 0) - 1, 1):
            with self.ledger.write(group, None):
                self._tried.pop(group, None)
                self.cloud.client("dynamodb").delete_item(TableName=self.prefix(), Key={"pk": {"S": group}})

    def _highest(self, group: str) -> int:
        return max((number for number, _ in self._steps().get(group, [])), default=-1)

    def _steps(self) -> dict[str, list[tuple[int, str]]]:
        """What the function saw of each group: numbers and message ids, in order."""
        items = self.cloud.client("dynamodb").pages("scan", "Items", TableName=self.prefix(), ConsistentRead=True)
        return {item["pk"]["S"]: [_seen(step) for step in item["steps"]["L"]] for item in items}

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        wanted = {name: ledger.get(name) for name in ledger.present(GROUP)}

        def missing() -> dict[str, int]:
            steps = self._steps()
            counts = {name: len({number for number, _ in steps.get(name, [])}) for name in wanted}
            return {name: count for name, count in counts.items() if count < wanted[name]}

        late = while_it_moves(missing, patience)
        if late and patience:
            return [f"of {wanted[name]} steps of {name} only {count} have arrived" for name, count in late.items()]
        wrong = []
        for name, seen in self._steps().items():
            possible = ledger.possible(name)
            if possible == [None] and ledger.began(name):
                continue  # it was removed, and a batch that had not been deleted came again
            highest = max(number for number, _ in seen)
            if highest + 1 > max(each or 0 for each in possible):
                wrong.append(f"{name} has step {highest}, which nobody published: {possible}")
            if problem := disorder(seen):
                wrong.append(f"{name}: {problem}")
        return wrong


def _seen(step: dict[str, Any]) -> tuple[int, str]:
    number, message = step["S"].split()
    return int(number), message


def disorder(seen: list[tuple[int, str]]) -> str | None:
    """What is wrong with the steps of a group. A batch whose end was not recorded may come again, as a whole; nothing may
    overtake, be left out, or come as two messages."""
    messages: dict[int, str] = {}
    highest = -1
    for number, message in seen:
        if number > highest + 1:
            return f"step {number} came after {highest}"
        if messages.setdefault(number, message) != message:
            return f"step {number} came as two messages"
        highest = max(highest, number)
    return None
