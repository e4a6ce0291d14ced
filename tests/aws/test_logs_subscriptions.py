"""Subscription filters over the wire: what is logged reaches a function, if its pattern wants it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Account, Clock

COLLECT = """
import base64, boto3, gzip, json
def handler(event, context):
    found = gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode()
    queue = boto3.client("sqs").get_queue_url(QueueName="collected")["QueueUrl"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=found)
"""
TALKS = """
def handler(event, context):
    print("ERROR it is", event["what"])
"""


class World:
    """An account with a function that collects what it is sent."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self.account, self.clock = account, clock
        self.logs, self.sqs = account.client("logs"), account.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="collected")["QueueUrl"]
        self.collect = self.function("collect", COLLECT)
        account.client("lambda").add_permission(
            FunctionName="collect",
            StatementId="logs",
            Action="lambda:InvokeFunction",
            Principal="logs.amazonaws.com",
            SourceArn=f"arn:aws:logs:us-east-1:{account.id}:log-group:*",
        )

    def function(self, name: str, source: str) -> str:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("app.py", source)
        made = self.account.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=f"arn:aws:iam::{self.account.id}:role/any",
            Code={"ZipFile": held.getvalue()},
            Timeout=20,
        )
        return str(made["FunctionArn"])

    def subscribe(self, group: str, pattern: str, name: str = "filter", **more: Any) -> None:
        request = {"filterName": name, "filterPattern": pattern, "destinationArn": self.collect} | more
        self.logs.put_subscription_filter(logGroupName=group, **request)

    def log(self, *lines: str, group: str = "app") -> None:
        now_ms = int(self.clock.now.timestamp() * 1000)
        events = [{"timestamp": now_ms + place, "message": line} for place, line in enumerate(lines)]
        self.logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)

    def collected(self) -> list[dict[str, Any]]:
        """What the function got, once all that was logged has been looked at."""
        self.clock.advance(0)
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def world(freehold: Account, freehold_clock: Clock) -> World:
    made = World(freehold, freehold_clock)
    made.logs.create_log_group(logGroupName="app")
    made.logs.create_log_stream(logGroupName="app", logStreamName="stream")
    return made


def test_a_function_gets_what_its_pattern_wants(world: World) -> None:
    world.log("ERROR before the filter was there")
    world.subscribe("app", "ERROR")
    world.log("all is well", "ERROR one", "ERROR two")
    (got,) = world.collected()
    events = got.pop("logEvents")
    assert got == {
        "messageType": "DATA_MESSAGE",
        "owner": world.account.id,
        "logGroup": "app",
        "logStream": "stream",
        "subscriptionFilters": ["filter"],
    }
    assert [event["message"] for event in events] == ["ERROR one", "ERROR two"]
    known = world.logs.filter_log_events(logGroupName="app", filterPattern="ERROR")["events"]
    assert [(e["id"], e["timestamp"]) for e in events] == [(k["eventId"], k["timestamp"]) for k in known[1:]]
    assert world.collected() == []


def test_fields_are_extracted_and_filters_of_a_group_are_two(world: World) -> None:
    world.subscribe("app", "[level, status = 5*]", "fields")
    world.subscribe("app", "{ $.n > 1 }", "json")
    with pytest.raises(ClientError, match="LimitExceeded"):
        world.subscribe("app", "", "third")
    world.log("WARN 503", "WARN 200", '{"n": 2}')
    got = {one["subscriptionFilters"][0]: one["logEvents"] for one in world.collected()}
    assert {name: [event["message"] for event in events] for name, events in got.items()} == {
        "fields": ["WARN 503"],
        "json": ['{"n": 2}'],
    }
    assert got["fields"][0]["extractedFields"] == {"$level": "WARN", "$status": "503"}
    shown = world.logs.describe_subscription_filters(logGroupName="app", filterNamePrefix="f")["subscriptionFilters"]
    assert [(one["filterName"], one["destinationArn"]) for one in shown] == [("fields", world.collect)]
    world.logs.delete_subscription_filter(logGroupName="app", filterName="fields")
    world.log("WARN 504")
    assert world.collected() == []


def test_lines_of_functions_are_forwarded_by_a_filter_of_a_template(world: World) -> None:
    world.function("talks", TALKS)
    group = "/aws/lambda/talks"
    template = {
        "Resources": {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}},
            "Filter": {
                "Type": "AWS::Logs::SubscriptionFilter",
                "Properties": {
                    "LogGroupName": {"Ref": "Group"},
                    "FilterPattern": "ERROR",
                    "DestinationArn": world.collect,
                },
            },
        }
    }
    cloudformation = world.account.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    world.account.client("lambda").invoke(FunctionName="talks", Payload=b'{"what": "late"}')
    (got,) = world.collected()
    assert [event["message"].strip() for event in got["logEvents"]] == ["ERROR it is late"]
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})


def test_what_cannot_be_a_destination_is_refused(world: World) -> None:
    mine = world.account.id
    for destination, error in (
        (f"arn:aws:kinesis:us-east-1:{mine}:stream/s", "NotImplemented.*to kinesis"),
        (f"arn:aws:firehose:us-east-1:{mine}:deliverystream/s", "NotImplemented.*to firehose"),
        (f"arn:aws:lambda:us-east-1:{mine}:function:none", "InvalidParameter.*Could not execute the lambda function"),
        ("collect", "InvalidParameter"),
    ):
        with pytest.raises(ClientError, match=error):
            world.subscribe("app", "", destinationArn=destination)
    with pytest.raises(ClientError, match=r"InvalidParameter.*pattern"):
        world.subscribe("app", "{ $.a")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.subscribe("none", "")
    world.logs.create_log_group(logGroupName="/aws/lambda/collect")
    with pytest.raises(ClientError, match=r"NotImplemented.*its own log"):
        world.subscribe("/aws/lambda/collect", "")
    assert world.logs.describe_subscription_filters(logGroupName="app")["subscriptionFilters"] == []
