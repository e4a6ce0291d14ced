"""SAM's connectors: what they promise arrives, and without them nothing does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Freehold
from tests.aws.sam import QUEUE, TOPIC, Cloud, put


@pytest.fixture(scope="module")
def freehold() -> Iterator[Freehold]:
    with Freehold(manual_clock=True) as server:
        yield server


@pytest.fixture
def cloud(freehold: Freehold) -> Cloud:
    return Cloud(freehold)


def test_connectors_from_a_rule_and_a_topic(cloud: Cloud) -> None:
    parts = """
Rule:
  Type: AWS::Events::Rule
  Properties:
    EventPattern: {source: [shop]}
    Targets: [{Id: t, Arn: !Ref Topic}]
  Connectors:
    ToTopic:
      Properties: {Destination: {Id: Topic}, Permissions: [Write]}
Subscription:
  Type: AWS::SNS::Subscription
  Properties: {Protocol: sqs, Endpoint: !GetAtt Queue.Arn, TopicArn: !Ref Topic, RawMessageDelivery: true}
TopicToQueue:
  Type: AWS::Serverless::Connector
  Properties:
    Source: {Id: Topic}
    Destination: {Id: Queue}
    Permissions: [Write]
"""
    cloud.deploy(TOPIC, QUEUE, parts)
    put(cloud, "shop", a=1)
    cloud.settle()
    assert [one["detail"] for one in cloud.received("Queue")] == [{"a": 1}]
    # Without the connector the queue's policy lets nobody in.
    kept = parts[: parts.index("TopicToQueue")]
    cloud.deploy(TOPIC, QUEUE, kept)
    put(cloud, "shop", a=2)
    cloud.settle("2h")
    assert cloud.received("Queue") == []
    cloud.delete()


def test_connectors_between_functions_queues_tables_and_buses(cloud: Cloud) -> None:
    function = """
Fn:
  Type: AWS::Serverless::Function
  Connectors:
    ToAll:
      Properties:
        Destination: [{Id: Queue}, {Id: Bus}, {Id: Table}]
        Permissions: [Write]
  Properties:
    Environment: {Variables: {QUEUE: !Ref Queue, BUS: !Ref Bus}}
    InlineCode: |
      import boto3, json, os
      def handler(event, context):
          boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
          entry = {"Source": "fn", "DetailType": "t", "Detail": json.dumps(event), "EventBusName": os.environ["BUS"]}
          assert boto3.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
Bus:
  Type: AWS::Events::EventBus
  Properties: {Name: mine}
Heard:
  Type: AWS::Serverless::Function
  Properties:
    Events:
      All: {Type: EventBridgeRule, Properties: {EventBusName: !Ref Bus, Pattern: {source: [fn]}, InputPath: $.detail}}
"""
    cloud.deploy(QUEUE, function)
    answer = cloud.client("lambda").invoke(FunctionName=cloud.outputs["Fn"], Payload=b'{"a": 1}')
    assert "FunctionError" not in answer, answer["Payload"].read()
    cloud.settle()
    assert cloud.received("Queue") == [{"a": 1}]
    assert cloud.seen("Heard") == [{"a": 1}]
    cloud.delete()


def test_connectors_let_rules_topics_queues_and_buckets_reach_functions(cloud: Cloud) -> None:
    """Everything is wired by hand, without permissions; connectors add them, and without connectors nothing arrives."""
    wired = """
Fn: {Type: AWS::Serverless::Function, Properties: {}}
Rule:
  Type: AWS::Events::Rule
  Properties:
    EventPattern: {source: [shop]}
    Targets:
      - {Id: f, Arn: !GetAtt Fn.Arn}
      - {Id: q, Arn: !GetAtt Direct.Arn}
      - {Id: b, Arn: !GetAtt Bus.Arn, RoleArn: !GetAtt Role.Arn}
Role:
  Type: AWS::IAM::Role
  Properties:
    AssumeRolePolicyDocument:
      Version: '2012-10-17'
      Statement: [{Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: sts:AssumeRole}]
Direct: {Type: AWS::SQS::Queue}
Bus: {Type: AWS::Events::EventBus, Properties: {Name: second}}
OnBus:
  Type: AWS::Events::Rule
  Properties:
    EventBusName: !Ref Bus
    EventPattern: {source: [shop]}
    Targets: [{Id: t, Arn: !Ref Topic}]
TopicSubscription:
  Type: AWS::SNS::Subscription
  Properties: {Protocol: lambda, Endpoint: !GetAtt Fn.Arn, TopicArn: !Ref Topic}
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Fn}
Bucket: {Type: AWS::S3::Bucket}
"""
    pairs = {"Rule": "Fn", "RuleTwo": "Direct", "OnBus": "Topic", "Topic": "Fn", "Queue": "Fn", "Bucket": "Fn"}
    connectors = "".join(
        f"""
From{source}:
  Type: AWS::Serverless::Connector
  Properties:
    Source: {{Id: {source.removesuffix("Two")}}}
    Destination: {{Id: {destination}}}
    Permissions: [{"Read, Write" if source == "Queue" else "Write"}]
"""
        for source, destination in pairs.items()
    )
    cloud.deploy(QUEUE, TOPIC, wired, connectors)
    put(cloud, "shop", a=1)
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="b")
    function = cloud.client("lambda").get_function_configuration(FunctionName=cloud.outputs["Fn"])["FunctionArn"]
    notification = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}]}
    notify = cloud.client("s3").put_bucket_notification_configuration
    notify(Bucket=cloud.outputs["Bucket"], NotificationConfiguration=notification)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"x")
    cloud.settle()
    found = [one.get("Records", [one])[0] for one in cloud.seen()]
    kinds = sorted(one.get("eventSource") or one.get("EventSource") or one["source"] for one in found)
    assert kinds == ["aws:s3", "aws:sns", "aws:sqs", "shop"]
    assert [one["detail"] for one in cloud.received("Direct")] == [{"a": 1}]
    cloud.deploy(QUEUE, TOPIC, wired)
    put(cloud, "shop", a=2)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"x")
    cloud.settle("1h")
    assert cloud.seen() == []
    assert cloud.received("Direct") == []
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
        notify(Bucket=cloud.outputs["Bucket"], NotificationConfiguration=notification)
    cloud.client("s3").delete_object(Bucket=cloud.outputs["Bucket"], Key="k")
    cloud.delete()
