"""What runs on the cluster: a FIFO and a standard queue -> a function -> a table; a function with reserved concurrency;
a bucket of objects that are too large for rows."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

RESERVED = 3
"""Concurrency that the function `held` has."""
VISIBILITY_S = 20
MEMORY_MB = 1769
"""A whole core, as on AWS: with less a function is given less of one."""
TIMEOUT_S = 10

STORE = """
import time
import boto3
from botocore.config import Config

config = Config(connect_timeout=1, read_timeout=4, retries={"total_max_attempts": 2, "mode": "standard"})
dynamodb = boto3.client("dynamodb", config=config)
TABLE = "arrived"

def handler(event, context):
    records = event["Records"]
    now = str(int(time.time() * 1000))
    items = [
        {"pk": {"S": record["body"]}, "sk": {"S": record["messageId"]}, "at": {"N": now},
         "times": {"N": record["attributes"]["ApproximateReceiveCount"]}}
        for record in records
    ]
    left = {TABLE: [{"PutRequest": {"Item": item}} for item in items]}
    while left:
        left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]
    heads = {}
    for record in records:
        group = record["attributes"].get("MessageGroupId")
        if group is not None and record["eventSourceARN"].endswith(".fifo"):
            heads.setdefault(group, []).append(int(record["body"].rpartition("/")[2]))
    for group, numbers in heads.items():
        advance({"pk": {"S": "head/" + group}, "sk": {"S": "head"}}, numbers)

def advance(key, numbers):
    \"\"\"A head that moves only forward, one by one: what comes before its predecessor is out of order.\"\"\"
    for first, last in runs(numbers):
        values = {":last": {"N": str(last)}}
        if first > 1:
            values[":before"] = {"N": str(first - 1)}
        try:
            dynamodb.update_item(
                TableName=TABLE,
                Key=key,
                UpdateExpression="SET #l = :last",
                ConditionExpression="#l = :before" if first > 1 else "attribute_not_exists(#l)",
                ExpressionAttributeNames={"#l": "last"},
                ExpressionAttributeValues=values,
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            head = dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item")
            reached = int(head["last"]["N"]) if head else 0
            if last <= reached:
                continue  # delivered again: it was worked before its receipt could be deleted
            if first <= reached + 1:
                advance(key, list(range(reached + 1, last + 1)))
                continue
            violation = {"pk": {"S": "violation/" + key["pk"]["S"]}, "sk": {"S": f"{first}-{last}"},
                         "reached": {"N": str(reached)}}
            dynamodb.put_item(TableName=TABLE, Item=violation)

def runs(numbers):
    first = before = numbers[0]
    for number in numbers[1:]:
        if number != before + 1:
            yield first, before
            first = number
        before = number
    yield first, before
"""
HELD = """
import time
def handler(event, context):
    began = time.time()
    time.sleep(0.3)
    return [began, time.time()]
"""


def boto_at(url: str, keys: tuple[str, str]) -> Any:
    """What makes clients of a service: `boto("sqs")`."""
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(keys[0], keys[1], region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 6, "mode": "standard"}, read_timeout=40)

    def client(service: str, resource: bool = False) -> Any:
        make: Any = session.resource if resource else session.client
        return make(service, endpoint_url=url, config=config)

    return client


def deploy(boto: Any) -> dict[str, str]:
    """Make it all; `boto(service)` gives a boto3 client. The URLs of the queues."""
    role = boto("iam").create_role(
        RoleName="cluster",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
    )["Role"]["Arn"]
    every = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    boto("iam").put_role_policy(RoleName="cluster", PolicyName="all", PolicyDocument=json.dumps(every))
    boto("dynamodb").create_table(
        TableName="arrived",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    boto("s3").create_bucket(Bucket="cluster-objects")
    for name, source in (("store", STORE), ("held", HELD)):
        boto("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="index.handler",
            Role=role,
            Timeout=TIMEOUT_S,
            MemorySize=MEMORY_MB,
            Code={"ZipFile": _package(source)},
        )
    boto("lambda").put_function_concurrency(FunctionName="held", ReservedConcurrentExecutions=RESERVED)
    urls = {}
    sqs = boto("sqs")
    for name, attributes in (("orders.fifo", {"FifoQueue": "true"}), ("events", {})):
        urls[name] = sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_S), **attributes}
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="store", BatchSize=10)
    return urls


def _package(source: str) -> bytes:
    """A function's code, padded so that it is a blob and not a row."""
    import random

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
        archive.writestr("padding", random.Random(4).randbytes(100_000))
    return buffer.getvalue()
