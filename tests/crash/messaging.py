"""A producer → topic → queue → function → table load, on a server that is killed again and again.

`python -m tests.crash.messaging --kills 100 --seed 7` for as many kills as one likes; the test of the same name does a few.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError

from freehold.node.checks import check_directory
from tests.aws.conftest import STORE, Server, start, stop

ACCOUNT = "000000000000"
ARN = f"arn:aws:{{}}:us-east-1:{ACCOUNT}:{{}}"
GROUPS = ("a", "b", "c", "d")
WRITER = """
import boto3, json
table = boto3.resource("dynamodb").Table("arrived")
def handler(event, context):
    for record in event["Records"]:
        table.put_item(Item={"pk": json.loads(record["body"])["id"]})
"""
STEPPER = """
import boto3, json
table = boto3.resource("dynamodb").Table("steps")
def handler(event, context):
    for record in event["Records"]:
        step = json.loads(record["body"])
        table.update_item(
            Key={"pk": step["group"]},
            UpdateExpression="SET steps = list_append(if_not_exists(steps, :none), :step)",
            ExpressionAttributeValues={":none": [], ":step": [f'{step["n"]} {record["messageId"]}']},
        )
"""


@dataclass
class Load:
    """What was acknowledged over all lives of the server, and what went wrong."""

    published: set[str] = field(default_factory=set)
    steps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    """Per group the number of its next step: the one before it was acknowledged."""
    problems: list[Exception] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What `freehold check` said of the directory after a kill."""
    count: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def acknowledged(self, number: int = 1) -> None:
        with self.changed:
            self.count += number
            self.changed.notify_all()


def package(source: str) -> bytes:
    """A function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()


def prepare(server: Server) -> None:
    """Topics, queues, functions, mappings and tables of the load."""
    for table in ("arrived", "steps"):
        server.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )
        server.client("dynamodb").get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    for name, source, fifo in (("writer", WRITER, {}), ("stepper", STEPPER, {"FifoQueue": "true"})):
        _chain(server, name, source, fifo)


def _chain(server: Server, name: str, source: str, fifo: dict[str, str]) -> None:
    """topic → queue → function."""
    full = f"{name}.fifo" if fifo else name
    queue, topic = ARN.format("sqs", full), ARN.format("sns", full)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
    server.client("sqs").create_queue(
        QueueName=full, Attributes={"VisibilityTimeout": "3", "Policy": json.dumps(policy), **fifo}
    )
    sns, functions = server.client("sns"), server.client("lambda")
    sns.create_topic(Name=full, Attributes={"FifoTopic": "true"} if fifo else {})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        Code={"ZipFile": package(source)},
        MemorySize=1769,  # a whole core: the backlog of a hundred lives has to be worked off
        Timeout=3,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    functions.create_event_source_mapping(FunctionName=name, EventSourceArn=queue, BatchSize=10)


def publish(server: Server, load: Load, prefix: str) -> None:
    """Publish one by one until the server is gone."""
    sns, number = server.client("sns"), 0
    while True:
        number += 1
        key = f"{prefix}-{number}"
        sns.publish(TopicArn=ARN.format("sns", "writer"), Message=json.dumps({"id": key}))
        load.published.add(key)
        load.acknowledged()


def publish_batches(server: Server, load: Load, prefix: str) -> None:
    """Publish ten at a time until the server is gone."""
    sns, number = server.client("sns"), 0
    while True:
        number += 1
        keys = [f"{prefix}-{number}-{place}" for place in range(10)]
        entries = [{"Id": str(place), "Message": json.dumps({"id": key})} for place, key in enumerate(keys)]
        answer = sns.publish_batch(TopicArn=ARN.format("sns", "writer"), PublishBatchRequestEntries=entries)
        assert not answer["Failed"]
        load.published.update(keys)
        load.acknowledged(10)


def step(server: Server, load: Load, groups: tuple[str, ...]) -> None:
    """Publish the steps of FIFO groups in order; one whose answer never came is published again, as a client would."""
    sns = server.client("sns")
    while True:
        for group in groups:
            number = load.steps[group]
            sns.publish(
                TopicArn=ARN.format("sns", "stepper.fifo"),
                Message=json.dumps({"group": group, "n": number}),
                MessageGroupId=group,
                MessageDeduplicationId=f"{group}-{number}",
            )
            load.steps[group] = number + 1
            load.acknowledged()


def run(server: Server, load: Load, round_: int, kill_after: int) -> None:
    """Publish until so many were acknowledged in this round, then kill the server."""
    load.count = 0
    producers: list[Callable[[], None]] = [
        lambda: publish(server, load, f"{round_}-x"),
        lambda: publish(server, load, f"{round_}-y"),
        lambda: publish_batches(server, load, f"{round_}-z"),
        lambda: step(server, load, GROUPS[:2]),
        lambda: step(server, load, GROUPS[2:]),
    ]
    threads = [threading.Thread(target=_until_gone, args=(load, produce)) for produce in producers]
    for thread in threads:
        thread.start()
    with load.changed:
        assert load.changed.wait_for(lambda: load.count >= kill_after or bool(load.problems), 60)
    server.process.kill()
    server.process.wait()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def _until_gone(load: Load, produce: Callable[[], None]) -> None:
    try:
        with contextlib.suppress(BotoCoreError):  # the connection ended: not acknowledged
            produce()
    except Exception as problem:  # noqa: BLE001 the test fails with it
        with load.changed:
            load.problems.append(problem)
            load.changed.notify_all()


def keys(server: Server) -> set[str]:
    """What arrived in the table."""
    pages = server.client("dynamodb").get_paginator("scan").paginate(TableName="arrived", ConsistentRead=True)
    return {item["pk"]["S"] for page in pages for item in page["Items"]}


def steps(server: Server, group: str) -> list[tuple[int, str]]:
    """The steps of a group as the function saw them: (number, message id)."""
    found = server.client("dynamodb").get_item(TableName="steps", Key={"pk": {"S": group}}, ConsistentRead=True)
    if "Item" not in found:
        return []
    words = [step["S"].split() for step in found["Item"]["steps"]["L"]]
    return [(int(number), message) for number, message in words]


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


def missing(server: Server, load: Load) -> list[str]:
    """What was acknowledged and has not arrived."""
    late = [
        f"group {group}: {load.steps[group]} steps"
        for group in GROUPS
        if _highest(server, group) < load.steps[group] - 1
    ]
    lost = sorted(load.published - keys(server))
    if lost:
        late.append(f"{len(lost)} messages, among them {lost[:5]}; on their way: {waiting(server)}")
    return late


def waiting(server: Server) -> str:
    """What the queue says it still has."""
    kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = f"{server.url}/{ACCOUNT}/writer"
    found = server.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
    return ", ".join(found[kind] for kind in kinds)


def _highest(server: Server, group: str) -> int:
    return max((number for number, _ in steps(server, group)), default=-1)


@contextlib.contextmanager
def killed(
    data: Path, kills: int, seed: int, say: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[Server, Load]]:
    """A server after so many kills, and what it had acknowledged."""
    seeded, load = random.Random(seed), Load()
    server = start(data)
    try:
        prepare(server)
        for round_ in range(kills):
            run(server, load, round_, seeded.randrange(1, 250))
            examine(data, load)
            server = start(data)
            if (round_ + 1) % 10 == 0:
                say(f"{round_ + 1} kills, {len(load.published)} published, {sum(load.steps.values())} steps")
        yield server, load
    finally:
        stop(server)


def examine(data: Path, load: Load) -> None:
    """Do the invariants hold, as the kill left them?"""
    if not STORE:
        said: list[str] = []
        check_directory(data, said.append)
        load.broken += [line for line in said if line.startswith("broken: ")]


def arrive(server: Server, load: Load, patience: float = 30.0) -> list[str]:
    """Wait until all has arrived, or nothing more came for so many seconds; answers what has not."""
    deadline, last = time.monotonic() + patience, None
    while (late := missing(server, load)) and time.monotonic() < deadline:
        if late != last:
            deadline, last = time.monotonic() + patience, late
        threading.Event().wait(0.5)
    return late


def main() -> None:
    """Kill and judge; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261123)
    given = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="freehold-crash-"))
    where.chmod(0o711)  # functions read their code below it
    with killed(where / "data", given.kills, given.seed, print) as (server, load):
        late = arrive(server, load)
        wrong = {group: found for group in GROUPS if (found := disorder(steps(server, group)))}
        print(
            f"{given.kills} kills: {len(load.published)} messages and {sum(load.steps.values())} steps acknowledged; "
            f"late {late}, out of order {wrong}, problems {load.problems}, "
            f"broken {load.broken}"
        )
    shutil.rmtree(where, ignore_errors=True)
    sys.exit(bool(late or wrong or load.problems or load.broken))


if __name__ == "__main__":
    main()
