"""A server whose clock stands until a test lets time pass, with functions and queues on it: what several modules share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from freehold.node import clock
from tests.aws.conftest import Server, start, stop
from tests.aws.functions import zipped

Client = Callable[..., Any]

ECHO = "def handler(event, context):\n    return {'got': event}\n"
FAILS = "def handler(event, context):\n    raise ValueError('no such luck')\n"


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the module's own."""
    server = start(tmp_path_factory.mktemp("manual") / "data", "--clock", "manual")
    yield server
    stop(server)


@pytest.fixture
def on(manual: Server, account: str) -> Client:
    """`on("lambda")`: a boto3 client of this test's own account there."""
    return lambda service: manual.client(service, account)


def advance(server: Server, duration: str) -> None:
    """Let time pass; what became due has ended when this returns."""
    clock.command(server.url, "advance", duration)


def function(on: Client, name: str, code: str, **settings: Any) -> str:
    request = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Code": {"ZipFile": zipped(app__py=code)},
    }
    arn: str = on("lambda").create_function(**(request | settings))["FunctionArn"]
    return arn


def queue(on: Client, name: str = "q", **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    url = on("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, on("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def allow(service: str, resource: str, action: str = "sqs:SendMessage") -> str:
    """A resource policy that lets a service in."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def messages(on: Client, url: str) -> list[dict[str, Any]]:
    """What a queue holds; it is empty afterwards."""
    found: list[dict[str, Any]] = []
    while (
        more := on("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"])
        .get("Messages")
    ):
        found += more
        for message in more:
            on("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found
