"""What several workloads make for themselves: queues that services may write to, roles, functions, tables."""

from __future__ import annotations

import io
import json
import zipfile

from workloads.cloud import Cloud
from workloads.receiving import VISIBILITY_S

ARRIVE = """
import base64, boto3, os
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def names(event):
    if "Records" in event:
        return [record["body"] for record in event["Records"]]
    if "name" in event:
        return [event["name"]]
    return [base64.b64decode(event["body"]).decode() if event["isBase64Encoded"] else event["body"]]
def handler(event, context):
    for name in names(event):
        table.put_item(Item={"pk": name})
    return {"statusCode": 200, "body": "done"}
"""
"""Writes what it is given to its table: an event {"name"}, the body of a request, messages of a queue."""


def queue(cloud: Cloud, name: str, seconds: int = VISIBILITY_S) -> str:
    """A queue that every service may send to; its ARN."""
    arn = cloud.arn("sqs", name)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    attributes = {
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
        "VisibilityTimeout": str(seconds),
    }
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    cloud.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    return arn


def role(cloud: Cloud, name: str, service: str) -> str:
    """A role that a service may assume; its ARN."""
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    made = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])


def table(cloud: Cloud, name: str) -> None:
    """A table whose key is `pk`."""
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    cloud.client("dynamodb").wait("table_exists", TableName=name)


def package(source: str) -> bytes:
    """A function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()


def function(cloud: Cloud, name: str, into: str, source: str = ARRIVE) -> str:
    """A function that writes to the table `into`, which its variable TABLE names; its ARN."""
    client = cloud.client("lambda")
    made = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=cloud.role(),
        Code={"ZipFile": package(source)},
        Environment={"Variables": {"TABLE": into}},
        MemorySize=1769,  # a whole core: what a crash left over has to be worked off
        Timeout=20,
    )
    client.wait("function_active_v2", FunctionName=name)
    return str(made["FunctionArn"])
