"""Two consumers of one upload. One gets S3's message as it is, the other inside the envelope of SNS."""

import json
import os

import boto3

pictures = boto3.resource("dynamodb").Table(os.environ["PICTURES"])


def note(notification, fact):
    for record in notification.get("Records", []):  # S3 sends a test message without records first
        key, size = record["s3"]["object"]["key"], record["s3"]["object"]["size"]
        if size == 0 and fact == "thumbnail":
            raise ValueError("nothing to see")
        pictures.put_item(Item={"id": f"{fact}/{key}", "size": size})


def thumbnail(event, context):
    failures = []
    for record in event["Records"]:
        try:
            note(json.loads(record["body"]), "thumbnail")
        except ValueError:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def catalogue(event, context):
    for record in event["Records"]:
        note(json.loads(json.loads(record["body"])["Message"]), "catalogue")
