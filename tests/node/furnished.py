"""A data directory with a little of everything in it, made by a real server."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from freehold.kit.ids import Ids
from freehold.testing import Freehold

Client = Any


def furnish(directory: Path) -> None:
    """Use SQS, DynamoDB, S3, Logs and Lambda of a server in `directory`, and kill it. The clock stands still, so that
    nothing comes to an end by itself."""
    server = Freehold(data=directory, manual_clock=True).start()
    try:
        fill(server)
    finally:
        server.kill()


def fill(server: Freehold) -> None:
    queues(server.client("sqs"))
    tables(server.client("dynamodb"))
    buckets(server.client("s3"))
    logs(server.client("logs"), int(server.clock.now.timestamp() * 1000))
    functions(server.client("lambda"))


def queues(sqs: Client) -> None:
    standard = sqs.create_queue(QueueName="standard")["QueueUrl"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    ordered = sqs.create_queue(QueueName="ordered.fifo", Attributes=fifo)["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": "1"})
    sqs.set_queue_attributes(QueueUrl=standard, Attributes={"RedrivePolicy": redrive})
    for number in range(20):
        sqs.send_message(QueueUrl=standard, MessageBody=str(number), DelaySeconds=(number % 3) * 5)
        sqs.send_message(QueueUrl=ordered, MessageBody=str(number), MessageGroupId=str(number % 4))
    for url in (standard, ordered):
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=5)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
        handle = received[1]["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=90)
    received = sqs.receive_message(QueueUrl=standard, MaxNumberOfMessages=2, VisibilityTimeout=0)["Messages"]
    assert received
    sqs.receive_message(QueueUrl=standard, MaxNumberOfMessages=10)  # buries them
    assert sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"][
        "ApproximateNumberOfMessages"
    ] == str(len(received))


def tables(dynamodb: Client) -> None:
    names = {"id": "S", "n": "N", "kind": "S"}
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in names.items()],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"by-kind-{projection}",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": projection},
            }
            for projection in ("KEYS_ONLY", "ALL")
        ],
    )
    for number in range(20):
        key = {"id": {"S": str(number % 7)}, "n": {"N": f"{number - 10}.50"}}
        rest = {"list": {"L": [{"B": b"1"}, {"N": "1e5"}]}} if number % 2 else {"kind": {"S": str(number % 3)}}
        dynamodb.put_item(TableName="table", Item={**key, **rest})
        if number % 5 == 0:
            dynamodb.delete_item(TableName="table", Key=key)
        elif number % 3 == 0:
            dynamodb.update_item(
                TableName="table",
                Key=key,
                UpdateExpression="SET kind = :k",
                ExpressionAttributeValues={":k": {"S": "new"}},
            )
    put = {"Put": {"TableName": "table", "Item": {"id": {"S": "z"}, "n": {"N": "1"}}}}
    dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="token")


def buckets(s3: Client) -> None:
    for name in ("plain", "versioned"):
        s3.create_bucket(Bucket=name)
        if name == "versioned":
            s3.put_object(Bucket=name, Key="null", Body=b"before versions")
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for size in (100, 20_000, 200_000):
            for _ in range(2):
                s3.put_object(Bucket=name, Key=f"key-{size}", Body=b"x" * size)
        s3.put_object(Bucket=name, Key="null", Body=b"after")
        s3.delete_object(Bucket=name, Key="key-100")
        upload = {"Bucket": name, "Key": "parts"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        tags = [
            s3.upload_part(**upload, PartNumber=number, Body=b"y" * size)["ETag"]
            for number, size in ((1, 5 << 20), (2, 100_000))
        ]
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        begun = s3.create_multipart_upload(Bucket=name, Key="begun")["UploadId"]
        s3.upload_part(Bucket=name, Key="begun", UploadId=begun, PartNumber=1, Body=b"z" * 100_000)


def logs(client: Client, now_ms: int) -> None:
    client.create_log_group(logGroupName="group")
    client.put_retention_policy(logGroupName="group", retentionInDays=1)
    client.create_log_stream(logGroupName="group", logStreamName="stream")
    for _ in range(3):
        events = [{"timestamp": now_ms + at, "message": f"line {at} é"} for at in range(5)]
        client.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events)


def functions(client: Client) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context): return 1")
        file.writestr("large.bin", Ids(seed=1).bytes(100_000))
    client.create_function(
        FunctionName="function",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/role",
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
        Publish=True,
    )
