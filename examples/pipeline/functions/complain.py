"""A dead letter becomes a mail."""

import os

import boto3

sns = boto3.client("sns")


def handler(event, context):
    for record in event["Records"]:
        received = record["attributes"]["ApproximateReceiveCount"]
        message = f"Received {received} times, and still no order: {record['body']}"
        sns.publish(TopicArn=os.environ["ALERTS"], Subject="An order failed", Message=message)
