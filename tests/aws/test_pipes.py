"""EventBridge Pipes over the wire: queues to queues, functions and buses, with filters, templates and failures."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Freehold

Aws = Callable[..., Any]

ECHO = """
def handler(event, context):
    failed = [m for m in event if m["body"] == "bad" and m["attributes"]["ApproximateReceiveCount"] == "1"]
    return {"batchItemFailures": [{"itemIdentifier": m["messageId"]} for m in failed]}
"""
SHOUT = """
def handler(event, context):
    return [{"up": message["body"].upper()} for message in event if message["body"] != "skip"]
"""
BROKEN = """
def handler(event, context):
    raise ValueError("no")
"""


class World:
    """Queues, roles and pipes of one account."""

    def __init__(self, aws: Aws, account: str) -> None:
        self.aws, self.account = aws, account
        self.sqs, self.pipes, self.iam = aws("sqs"), aws("pipes"), aws("iam")
        self.role = self.make_role("pipe", "pipes.amazonaws.com")

    def make_role(self, name: str, service: str) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return str(made["Role"]["Arn"])

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def function(self, name: str, code: str) -> str:
        client = self.aws("lambda")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        made = client.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=self.make_role(f"{name}-role", "lambda.amazonaws.com"),
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return str(made["FunctionArn"])

    def create(self, name: str, source: str, target: str, **more: Any) -> dict[str, Any]:
        self.pipes.create_pipe(Name=name, Source=source, Target=target, RoleArn=self.role, **more)
        return self.wait(name, "RUNNING")

    def wait(self, name: str, state: str) -> dict[str, Any]:
        def look() -> Any:
            found = self.pipes.describe_pipe(Name=name)
            return found if found["CurrentState"] == state else None

        found: dict[str, Any] = until(look)
        return found

    def receive(self, url: str, count: int, seconds: float = 10) -> list[str]:
        bodies: list[str] = []
        end = time.monotonic() + seconds
        while len(bodies) < count and time.monotonic() < end:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def left(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def until(look: Callable[[], Any], seconds: float = 15) -> Any:
    """What `look` says as soon as it says something."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > end:
            assert found
            return found
        time.sleep(0.02)


@pytest.fixture
def world(aws: Aws, account: str) -> World:
    return World(aws, account)


def test_messages_that_match_go_through_the_template_and_others_are_deleted(world: World) -> None:
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    shown = world.create(
        "p",
        source,
        target,
        SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": '{"body":{"k":[{"numeric":[">",1]}]}}'}]}},
        TargetParameters={"InputTemplate": '{"got": <$.body.k>, "by": <aws.pipes.pipe-name>}'},
        Tags={"a": "b"},
    )
    assert (shown["DesiredState"], shown["Tags"]) == ("RUNNING", {"a": "b"})
    for body in ('{"k":0}', "plain", '{"k":5}'):
        world.sqs.send_message(QueueUrl=source_url, MessageBody=body)
    assert world.receive(target_url, 1) == ['{"got":5,"by":"p"}']
    until(lambda: world.left(source_url) == 0)


def test_a_stopped_pipe_takes_nothing_and_loses_nothing(world: World) -> None:
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    world.create("p", source, target, TargetParameters={"InputTemplate": "<$.body>"})
    assert world.pipes.stop_pipe(Name="p")["CurrentState"] == "STOPPING"
    world.wait("p", "STOPPED")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="kept")
    with pytest.raises(ClientError, match="ConflictException"):
        world.pipes.stop_pipe(Name="p")
    assert world.left(source_url) == 1
    assert world.pipes.start_pipe(Name="p")["CurrentState"] == "STARTING"
    assert world.receive(target_url, 1) == ["kept"]
    world.wait("p", "RUNNING")
    world.pipes.update_pipe(Name="p", RoleArn=world.role, TargetParameters={"InputTemplate": "new <$.body>"})
    world.wait("p", "RUNNING")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
    assert world.receive(target_url, 1) == ["new x"]
    assert world.pipes.delete_pipe(Name="p")["CurrentState"] == "DELETING"
    until(lambda: not world.pipes.list_pipes()["Pipes"])
    with pytest.raises(ClientError, match="NotFoundException"):
        world.pipes.describe_pipe(Name="p")


def test_items_that_a_function_names_come_again(world: World) -> None:
    source_url, source = world.queue("source", VisibilityTimeout="1")
    world.create(
        "p",
        source,
        world.function("echo", ECHO),
        LogConfiguration={
            "Level": "INFO",
            "CloudwatchLogsLogDestination": {
                "LogGroupArn": f"arn:aws:logs:us-east-1:{world.account}:log-group:/pipes/p"
            },
        },
    )
    entries = [{"Id": str(n), "MessageBody": "bad" if n == 1 else "good"} for n in range(4)]
    world.sqs.send_message_batch(QueueUrl=source_url, Entries=entries)
    until(lambda: world.left(source_url) == 0)
    logs = world.aws("logs")

    def kinds() -> Any:
        events = logs.filter_log_events(logGroupName="/pipes/p")["events"]
        found = [json.loads(event["message"])["messageType"] for event in events]
        return found if found[-1:] == ["EXECUTION_SUCCEEDED"] else None

    assert "EXECUTION_PARTIALLY_FAILED" in until(kinds)


def test_an_enrichment_makes_the_events_of_the_target(world: World) -> None:
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    world.create("p", source, target, Enrichment=world.function("shout", SHOUT))
    world.sqs.send_message(QueueUrl=source_url, MessageBody="skip")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="hello")
    assert world.receive(target_url, 1) == ['{"up":"HELLO"}']
    until(lambda: world.left(source_url) == 0)


def test_a_failing_target_leaves_messages_to_the_queue_and_its_dead_letter_queue(world: World) -> None:
    dead_url, dead = world.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    source_url, source = world.queue("source", VisibilityTimeout="1", RedrivePolicy=policy)
    world.create("p", source, world.function("broken", BROKEN))
    world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
    assert world.receive(dead_url, 1) == ["x"]


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


def test_groups_of_fifo_queues_keep_their_order(world: World) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    (source_url, source), (target_url, target) = world.queue("source.fifo", **fifo), world.queue("target.fifo", **fifo)
    for number in range(30):
        world.sqs.send_message(
            QueueUrl=source_url,
            MessageBody=json.dumps({"n": number, "g": f"g{number % 3}"}),
            MessageGroupId=f"g{number % 3}",
        )
    world.create(
        "p",
        source,
        target,
        TargetParameters={
            "InputTemplate": "<$.body>",
            "SqsQueueParameters": {"MessageGroupId": "$.body.g", "MessageDeduplicationId": "$.messageId"},
        },
    )
    got = [json.loads(body) for body in world.receive(target_url, 30)]
    for group in range(3):
        assert [each["n"] for each in got if each["g"] == f"g{group}"] == list(range(group, 30, 3))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RoleArn": "arn:aws:iam::123456789012:role/none"}, "cannot be assumed"),
        ({"Source": "arn:aws:kinesis:us-east-1:{account}:stream/s"}, "NotImplemented.*sources of the service kinesis"),
        (
            {"Target": "arn:aws:states:us-east-1:{account}:stateMachine:s"},
            "NotImplemented.*targets of the service states",
        ),
        ({"TargetParameters": {"KinesisStreamParameters": {"PartitionKey": "k"}}}, "KinesisStreamParameters cannot be"),
        ({"TargetParameters": {"InputTemplate": "<$..x>"}}, "InputTemplate is not valid"),
        ({"KmsKeyIdentifier": "key"}, "NotImplemented.*KmsKeyIdentifier"),
    ],
)
def test_what_cannot_act_is_refused(world: World, change: dict[str, Any], says: str) -> None:
    _, source = world.queue("source")
    _, target = world.queue("target")
    request: dict[str, Any] = {"Name": "p", "Source": source, "Target": target, "RoleArn": world.role}
    request |= {k: v.replace("{account}", world.account) if isinstance(v, str) else v for k, v in change.items()}
    with pytest.raises(ClientError, match=says):
        world.pipes.create_pipe(**request)


def test_a_pipe_without_its_source_fails_to_be_created(world: World) -> None:
    _, target = world.queue("target")
    source = target.replace("target", "none")
    world.pipes.create_pipe(Name="p", Source=source, Target=target, RoleArn=world.role)
    assert "does not exist" in world.wait("p", "CREATE_FAILED")["StateReason"]


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Source": {"Type": "AWS::SQS::Queue"},
        "Target": {"Type": "AWS::SQS::Queue"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}
                    ],
                }
            },
        },
        "Pipe": {
            "Type": "AWS::Pipes::Pipe",
            "Properties": {
                "Source": {"Fn::GetAtt": ["Source", "Arn"]},
                "SourceParameters": {
                    "FilterCriteria": {"Filters": [{"Pattern": '{"body":{"k":[1]}}'}]},
                    "SqsQueueParameters": {"BatchSize": 5},
                },
                "Target": {"Fn::GetAtt": ["Target", "Arn"]},
                "TargetParameters": {"InputTemplate": "got <$.body.k>"},
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "Tags": {"team": "t"},
            },
        },
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {
                "SourceArn": {"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"},
                "EventPattern": {"source": ["mine"]},
                "RetentionDays": 3,
            },
        },
        "Connection": {
            "Type": "AWS::Events::Connection",
            "Properties": {
                "AuthorizationType": "BASIC",
                "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}},
            },
        },
        "Destination": {
            "Type": "AWS::Events::ApiDestination",
            "Properties": {
                "ConnectionArn": {"Fn::GetAtt": ["Connection", "Arn"]},
                "InvocationEndpoint": "https://example.com/x",
                "HttpMethod": "POST",
                "InvocationRateLimitPerSecond": 7,
            },
        },
    },
    "Outputs": {
        "Pipe": {"Value": {"Ref": "Pipe"}},
        "Source": {"Value": {"Ref": "Source"}},
        "Target": {"Value": {"Ref": "Target"}},
        "Archive": {"Value": {"Ref": "Archive"}},
        "Destination": {"Value": {"Ref": "Destination"}},
    },
}


def test_a_stack_of_them_is_created_updated_and_deleted(world: World) -> None:
    stacks, events = world.aws("cloudformation"), world.aws("events")
    waiting = {"Delay": 1, "MaxAttempts": 60}
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig=waiting)
    listed = stacks.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    out = {each["OutputKey"]: each["OutputValue"] for each in listed}
    shown = world.pipes.describe_pipe(Name=out["Pipe"])
    assert shown["CurrentState"] == "RUNNING" and shown["Tags"]["team"] == "t"
    world.sqs.send_message(QueueUrl=out["Source"], MessageBody='{"k":1}')
    assert world.receive(out["Target"], 1) == ["got 1"]
    assert events.describe_archive(ArchiveName=out["Archive"])["RetentionDays"] == 3
    assert events.describe_api_destination(Name=out["Destination"])["InvocationRateLimitPerSecond"] == 7

    changed = json.loads(json.dumps(TEMPLATE))
    pipe = changed["Resources"]["Pipe"]["Properties"]
    del pipe["SourceParameters"], pipe["Tags"]
    pipe["TargetParameters"] = {"InputTemplate": "new <$.body.k>"}
    del changed["Resources"]["Archive"]["Properties"]["EventPattern"]
    del changed["Resources"]["Destination"]["Properties"]["InvocationRateLimitPerSecond"]
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed), Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig=waiting)
    world.sqs.send_message(QueueUrl=out["Source"], MessageBody='{"k":2}')
    assert world.receive(out["Target"], 1) == ["new 2"]
    shown = world.pipes.describe_pipe(Name=out["Pipe"])
    assert shown["SourceParameters"] == {} and "team" not in shown["Tags"]
    assert "EventPattern" not in events.describe_archive(ArchiveName=out["Archive"])
    assert events.describe_api_destination(Name=out["Destination"])["InvocationRateLimitPerSecond"] == 300

    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig=waiting)
    assert world.pipes.list_pipes()["Pipes"] == []
    assert events.list_archives()["Archives"] == [] and events.list_connections()["Connections"] == []


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
    until(lambda: world.left(source_url) == 0)


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
    found = until(lambda: logs.filter_log_events(logGroupName="/p")["events"])
    assert [(each["logStreamName"], each["message"], each["timestamp"]) for each in found] == [
        ("one", "line 1", now_ms)
    ]


def test_on_a_manual_clock_hours_of_visibility_timeouts_take_no_time() -> None:
    with Freehold(manual_clock=True) as server:
        account = server.account()
        world = World(account.client, account.id)
        dead_url, dead = world.queue("dead")
        policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
        source_url, source = world.queue("source", VisibilityTimeout="3600", RedrivePolicy=policy)
        window = {"SqsQueueParameters": {"MaximumBatchingWindowInSeconds": 60}}
        world.create("p", source, world.function("broken", BROKEN), SourceParameters=window)
        world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
        server.clock.advance(2 * 3600)
        assert (world.left(source_url), world.left(dead_url)) == (1, 0)
        server.clock.advance(2 * 3600)
        assert world.receive(dead_url, 1) == ["x"]
