"""Killed while functions run asynchronously: each acknowledged event ends in the destination that its outcome asks for."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.conftest import Server, start, stop
from workloads.making import package

KILLS = 5
ARN = "arn:aws:{}:us-east-1:000000000000:{}"
CODE = """
def handler(event, context):
    if event["n"] % 3 == 0:
        raise ValueError("three")
    return event["n"]
"""


def prepare(server: Server) -> None:
    """A function, a queue for each outcome, and one for dead letters."""
    for name in ("good", "bad", "dead"):
        server.client("sqs").create_queue(QueueName=name)
    functions = server.client("lambda")
    functions.create_function(
        FunctionName="three",
        Runtime="python3.13",
        Handler="index.handler",
        Role=ARN.format("iam", "role/any").replace("us-east-1", ""),
        Code={"ZipFile": package(CODE)},
        DeadLetterConfig={"TargetArn": ARN.format("sqs", "dead")},
    )
    functions.put_function_event_invoke_config(
        FunctionName="three",
        MaximumRetryAttempts=0,
        DestinationConfig={
            "OnSuccess": {"Destination": ARN.format("sqs", "good")},
            "OnFailure": {"Destination": ARN.format("sqs", "bad")},
        },
    )


def produce(server: Server, numbers: Any, most: int) -> set[int]:
    """Invoke until the server dies or `most` were acknowledged: which were."""
    functions, acknowledged = server.client("lambda"), set()
    for _ in range(most):
        number = next(numbers)
        try:
            functions.invoke(FunctionName="three", InvocationType="Event", Payload=json.dumps({"n": number}).encode())
        except (BotoCoreError, ClientError):
            break
        acknowledged.add(number)
    return acknowledged


def arrived(server: Server, name: str) -> list[dict[str, Any]]:
    """The bodies of a queue's messages, until nothing has come for two seconds."""
    queues = server.client("sqs")
    url = queues.get_queue_url(QueueName=name)["QueueUrl"]
    found: list[dict[str, Any]] = []
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
    return found


def test_every_acknowledged_event_ends_in_the_destination_of_its_outcome(tmp_path: Path) -> None:
    chance, numbers = random.Random(20261123), iter(range(1_000_000))
    server = start(tmp_path / "data")
    prepare(server)
    acknowledged: set[int] = set()
    for _ in range(KILLS):
        killer = threading.Timer(chance.uniform(0.2, 0.8), server.process.kill)
        killer.start()
        acknowledged |= produce(server, numbers, 10_000)
        killer.join()
        server.process.wait()
        server = start(tmp_path / "data")
    acknowledged |= produce(server, numbers, 20)
    threes = {number for number in acknowledged if number % 3 == 0}
    try:
        good = [record["requestPayload"]["n"] for record in arrived(server, "good")]
        bad = [record["requestPayload"]["n"] for record in arrived(server, "bad")]
        dead = [event["n"] for event in arrived(server, "dead")]
    finally:
        stop(server)
    assert len(acknowledged) > 20 * KILLS
    assert acknowledged - threes <= set(good) and not {number for number in good if number % 3 == 0}
    assert threes <= set(bad)
    assert sorted(bad) == sorted(dead), "what an event sends is in the commit that ends it"
    assert len(good) == len(set(good)) and len(bad) == len(set(bad))
