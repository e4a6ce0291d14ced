"""The nightly count."""

import os

import boto3

sns = boto3.client("sns")
orders = boto3.resource("dynamodb").Table(os.environ["ORDERS"])


def handler(event, context):
    count = orders.scan(Select="COUNT", ConsistentRead=True)["Count"]
    sns.publish(TopicArn=os.environ["ALERTS"], Subject="Last night", Message=f"{count} orders so far")
