"""What tests of EventBridge Pipes share: queues, roles, functions and pipes of one account."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.aws.waiting import eventually

Aws = Callable[..., Any]


class World:
    """Queues, roles and pipes of one account."""

    def __init__(self, aws: Aws, account: str) -> None:
        self.aws, self.account = aws, account
        self.sqs, self.pipes, self.iam = aws("sqs"), aws("pipes"), aws("iam")
        self.role = self.make_role("pipe", "pipes.amazonaws.com")

    def make_role(self, name: str, service: str) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return str(made["Role"]["Arn"])

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def function(self, name: str, code: str) -> str:
        client = self.aws("lambda")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        made = client.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=self.make_role(f"{name}-role", "lambda.amazonaws.com"),
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return str(made["FunctionArn"])

    def create(self, name: str, source: str, target: str, **more: Any) -> dict[str, Any]:
        self.pipes.create_pipe(Name=name, Source=source, Target=target, RoleArn=self.role, **more)
        return self.wait(name, "RUNNING")

    def wait(self, name: str, state: str) -> dict[str, Any]:
        def look() -> Any:
            found = self.pipes.describe_pipe(Name=name)
            return found if found["CurrentState"] == state else None

        found: dict[str, Any] = eventually(look)
        return found

    def receive(self, url: str, count: int, seconds: float = 10) -> list[str]:
        bodies: list[str] = []
        end = time.monotonic() + seconds
        while len(bodies) < count and time.monotonic() < end:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def left(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def world(aws: Aws, account: str) -> World:
    return World(aws, account)
