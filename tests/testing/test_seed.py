"""A seed makes two runs of the same calls the same, over the wire, whatever runs beside them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

from freehold.testing import Freehold

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
SOURCE = """
def works(event, context):
    return [context.aws_request_id, context.log_stream_name]
def fails(event, context):
    raise ValueError("no")
"""
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["scheduler.amazonaws.com", "lambda.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


class Session:
    """Calls of one run and their answers, request ids included."""

    def __init__(self, cloud: Freehold) -> None:
        self.cloud, self.answers = cloud, list[tuple[str, str, str]]()

    def __call__(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        answer = getattr(self.cloud.client(service), operation)(**request)
        request_id = answer.pop("ResponseMetadata")["RequestId"]
        if operation == "invoke":
            answer["Payload"] = answer["Payload"].read().decode()
        shown = json.dumps(answer, default=str, sort_keys=True).replace(self.cloud.url, "URL")
        self.answers.append((operation, request_id, shown))
        return dict(answer)


def package() -> bytes:
    """The same bytes in every run: a zip holds the time of its files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", (2020, 1, 1, 0, 0, 0)), SOURCE)
    return held.getvalue()


def run(seed: int) -> list[tuple[str, str, str]]:
    with Freehold(seed=seed, manual_clock=True) as cloud:
        call = Session(cloud)
        url = call("sqs", "create_queue", QueueName="queue")["QueueUrl"]
        for number in range(3):
            call("sqs", "send_message", QueueUrl=url, MessageBody=str(number))
        call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
        topic = call("sns", "create_topic", Name="topic")["TopicArn"]
        queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
        call("sns", "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue)
        call("sns", "publish", TopicArn=topic, Message="published")
        call("iam", "create_role", RoleName="any", AssumeRolePolicyDocument=TRUST)
        for name in ("works", "fails"):
            call(
                "lambda",
                "create_function",
                FunctionName=name,
                Runtime="python3.13",
                Handler=f"app.{name}",
                Role=ROLE,
                Code={"ZipFile": package()},
            )
        call("lambda", "invoke", FunctionName="works", Payload=b"{}")
        for _ in range(3):  # they run, fail and are retried while the calls below are made
            call("lambda", "invoke", FunctionName="fails", InvocationType="Event", Payload=b"{}")
        call(
            "scheduler",
            "create_schedule",
            Name="often",
            ScheduleExpression="rate(5 minutes)",
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 3},
            Target={"Arn": queue, "RoleArn": ROLE},
        )
        cloud.clock.advance("20m")
        for _ in range(3):
            call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
        call("s3", "create_bucket", Bucket="bucket")
        call("s3", "put_bucket_versioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        call("s3", "put_object", Bucket="bucket", Key="key", Body=b"bytes")
        template = json.dumps({"Resources": {"Own": {"Type": "AWS::SQS::Queue"}, "More": {"Type": "AWS::SNS::Topic"}}})
        call("cloudformation", "create_stack", StackName="stack", TemplateBody=template)
        return call.answers


def test_a_seed_reproduces_ids_jitter_and_order() -> None:
    first, second = run(7), run(7)
    for one, other in zip(first, second, strict=True):
        assert one == other
    received = "".join(shown for operation, _, shown in first if operation == "receive_message")
    assert len(set(re.findall(r"2026-01-01T00:[01]\d:00Z", received))) >= 3, "the schedule has fired"
    third = run(8)
    assert not {id for _, id, _ in third} & {id for _, id, _ in first}
