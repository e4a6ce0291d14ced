"""Orders from the queue, in their order: a good one is written, a bad one comes again until it is a dead letter."""

import json
import os
from decimal import Decimal

import boto3

orders = boto3.resource("dynamodb").Table(os.environ["ORDERS"])


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"], parse_float=Decimal)
        if not order.get("articles"):
            raise ValueError("an order of nothing")
        orders.put_item(Item={**order, "attempt": int(record["attributes"]["ApproximateReceiveCount"])})
