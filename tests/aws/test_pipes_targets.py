"""Targets of EventBridge Pipes beside queues and functions: a bus, an HTTP API, a log group."""

from __future__ import annotations

import json
import time

from tests.aws.pipes import World, world
from tests.aws.waiting import eventually

__all__ = ["world"]


def test_events_on_a_bus(world: World) -> None:
    events, (source_url, source), (target_url, target) = (
        world.aws("events"),
        world.queue("source"),
        world.queue("target"),
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.sqs.set_queue_attributes(QueueUrl=target_url, Attributes={"Policy": policy})
    events.create_event_bus(Name="bus")
    events.put_rule(Name="r", EventBusName="bus", EventPattern='{"source":["mine"]}')
    events.put_targets(Rule="r", EventBusName="bus", Targets=[{"Id": "1", "Arn": target}])
    world.create(
        "p",
        source,
        f"arn:aws:events:us-east-1:{world.account}:event-bus/bus",
        TargetParameters={
            "InputTemplate": '{"k": <$.body.k>}',
            "EventBridgeEventBusParameters": {"Source": "mine", "DetailType": "$.body.type", "Time": "$.body.at"},
        },
    )
    world.sqs.send_message(QueueUrl=source_url, MessageBody='{"k":1,"type":"t","at":"2020-01-02T03:04:05Z"}')
    event = json.loads(world.receive(target_url, 1)[0])
    assert (event["detail-type"], event["detail"], event["time"]) == ("t", {"k": 1}, "2020-01-02T03:04:05Z")


RECORD = """
import json, os, boto3
def handler(event, context):
    body = json.dumps({"path": event["rawPath"], "query": event["rawQueryString"], "body": event["body"]})
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=body)
    return {"statusCode": 200}
"""


def test_an_api_of_api_gateway(world: World) -> None:
    (source_url, source), (target_url, _) = world.queue("source"), world.queue("target")
    function, client, apis = world.function("record", RECORD), world.aws("lambda"), world.aws("apigatewayv2")
    client.update_function_configuration(FunctionName="record", Environment={"Variables": {"QUEUE": target_url}})
    client.get_waiter("function_updated_v2").wait(FunctionName="record")
    api = apis.create_api(Name="api", ProtocolType="HTTP", Target=function)["ApiId"]
    client.add_permission(
        FunctionName="record", StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    http = {"PathParameterValues": ["$.body.id"], "QueryStringParameters": {"q": "$.body.q"}}
    world.create(
        "p",
        source,
        f"arn:aws:execute-api:us-east-1:{world.account}:{api}/$default/POST/things/*",
        TargetParameters={"HttpParameters": http, "InputTemplate": '{"made": <$.body.id>}'},
    )
    world.sqs.send_message(QueueUrl=source_url, MessageBody='{"id":"7","q":"yes"}')
    [said] = world.receive(target_url, 1)
    assert json.loads(said) == {"path": "/things/7", "query": "q=yes", "body": '{"made":"7"}'}
    eventually(lambda: world.left(source_url) == 0)


def test_a_log_group(world: World) -> None:
    logs, (source_url, source) = world.aws("logs"), world.queue("source")
    logs.create_log_group(logGroupName="/p")
    world.create(
        "p",
        source,
        f"arn:aws:logs:us-east-1:{world.account}:log-group:/p",
        TargetParameters={
            "InputTemplate": "line <$.body.n>",
            "CloudWatchLogsParameters": {"LogStreamName": "$.body.s", "Timestamp": "$.body.at"},
        },
    )
    now_ms = int(time.time() * 1000)
    world.sqs.send_message(QueueUrl=source_url, MessageBody=json.dumps({"n": 1, "s": "one", "at": now_ms}))
    found = eventually(lambda: logs.filter_log_events(logGroupName="/p")["events"])
    assert [(each["logStreamName"], each["message"], each["timestamp"]) for each in found] == [
        ("one", "line 1", now_ms)
    ]
