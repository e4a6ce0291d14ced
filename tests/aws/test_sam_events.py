"""SAM's events and destinations: templates deployed unmodified through change sets, and functions that prove what arrived
by writing it into a table. The clock is manual, so schedules and retries take no time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import WaiterError

from freehold.testing import Freehold
from tests.aws.sam import FUNCTION, QUEUE, TOPIC, Cloud, document, put

FAILS = """
def handler(event, context):
    raise ValueError("as it was told")
"""


@pytest.fixture(scope="module")
def freehold() -> Iterator[Freehold]:
    with Freehold(manual_clock=True) as server:
        yield server


@pytest.fixture
def cloud(freehold: Freehold) -> Cloud:
    return Cloud(freehold)


def on(event: str, **more: str) -> str:
    """The function with one event, given as its YAML in flow style."""
    extra = "".join(f"\n    {name}: {value}" for name, value in more.items())
    return f"""
Fn:
  Type: AWS::Serverless::Function
  Properties:
    Events:
      Event: {event}{extra}
"""


def test_sqs_with_a_filter_and_partial_failures(cloud: Cloud) -> None:
    event = """
        Type: SQS
        Properties:
          Queue: !GetAtt Queue.Arn
          BatchSize: 5
          FilterCriteria: {Filters: [{Pattern: '{"body": {"kind": ["wanted"]}}'}]}
          FunctionResponseTypes: [ReportBatchItemFailures]
          ScalingConfig: {MaximumConcurrency: 2}
"""
    cloud.deploy(QUEUE, on(event))
    sqs = cloud.client("sqs")
    for kind in ("wanted", "unwanted"):
        sqs.send_message(QueueUrl=cloud.outputs["Queue"], MessageBody=json.dumps({"kind": kind}))
    cloud.settle()
    [event_seen] = cloud.seen()
    [record] = event_seen["Records"]
    assert json.loads(record["body"]) == {"kind": "wanted"}
    assert record["eventSource"] == "aws:sqs"
    mapping = cloud.client("lambda").list_event_source_mappings(FunctionName=cloud.outputs["Fn"])
    assert [one["BatchSize"] for one in mapping["EventSourceMappings"]] == [5]
    # An update of the event's properties updates the mapping; removing the event removes it.
    cloud.deploy(QUEUE, on(event.replace("BatchSize: 5", "BatchSize: 7").replace("wanted", "other")))
    mapping = cloud.client("lambda").list_event_source_mappings(FunctionName=cloud.outputs["Fn"])
    assert [one["BatchSize"] for one in mapping["EventSourceMappings"]] == [7]
    cloud.deploy(QUEUE, FUNCTION)
    cloud.settle("1m")
    mapping = cloud.client("lambda").list_event_source_mappings(FunctionName=cloud.outputs["Fn"])
    assert mapping["EventSourceMappings"] == []
    sqs.send_message(QueueUrl=cloud.outputs["Queue"], MessageBody='{"kind": "other"}')
    cloud.settle()
    assert cloud.seen() == []
    cloud.delete()


def test_sns_with_a_filter_policy(cloud: Cloud) -> None:
    event = "{Type: SNS, Properties: {Topic: !Ref Topic, FilterPolicy: {kind: [wanted]}}}"
    cloud.deploy(TOPIC, on(event))
    sns = cloud.client("sns")
    for kind in ("wanted", "unwanted"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=cloud.outputs["Topic"], Message=kind, Subject="s", MessageAttributes=attributes)
    cloud.settle()
    [seen] = cloud.seen()
    [record] = seen["Records"]
    assert (record["EventSource"], record["Sns"]["Message"], record["Sns"]["Subject"]) == ("aws:sns", "wanted", "s")
    assert record["Sns"]["MessageAttributes"] == {"kind": {"Type": "String", "Value": "wanted"}}
    cloud.deploy(TOPIC, on(event.replace("wanted", "unwanted")))
    sns.publish(
        TopicArn=cloud.outputs["Topic"], Message="now",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "unwanted"}},
    )  # fmt: skip
    cloud.settle()
    assert [one["Records"][0]["Sns"]["Message"] for one in cloud.seen()] == ["now"]
    cloud.deploy(TOPIC, FUNCTION)
    assert sns.list_subscriptions_by_topic(TopicArn=cloud.outputs["Topic"])["Subscriptions"] == []
    cloud.delete()


def test_sns_through_a_queue_of_its_own(cloud: Cloud) -> None:
    cloud.deploy(TOPIC, on("{Type: SNS, Properties: {Topic: !Ref Topic, SqsSubscription: true}}"))
    cloud.client("sns").publish(TopicArn=cloud.outputs["Topic"], Message="hello")
    cloud.settle()
    [seen] = cloud.seen()
    assert json.loads(seen["Records"][0]["body"])["Message"] == "hello"
    cloud.delete()


def test_s3_with_a_filter(cloud: Cloud) -> None:
    event = """
        Type: S3
        Properties:
          Bucket: !Ref Bucket
          Events: [s3:ObjectCreated:*, s3:ObjectRemoved:*]
          Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}]}}
"""
    bucket = "Bucket: {Type: AWS::S3::Bucket}"
    cloud.deploy(bucket, on(event))
    s3, name = cloud.client("s3"), cloud.outputs["Bucket"]
    s3.put_object(Bucket=name, Key="in/a", Body=b"hello")
    s3.put_object(Bucket=name, Key="out/a", Body=b"hello")
    s3.delete_object(Bucket=name, Key="in/a")
    cloud.settle()
    records = [record for seen in cloud.seen() for record in seen["Records"]]
    assert sorted(record["eventName"] for record in records) == ["ObjectCreated:Put", "ObjectRemoved:Delete"]
    assert {record["s3"]["object"]["key"] for record in records} == {"in/a"}
    cloud.deploy(bucket, FUNCTION)
    s3.put_object(Bucket=name, Key="in/a", Body=b"hello")
    cloud.settle()
    assert cloud.seen() == []
    s3.delete_object(Bucket=name, Key="in/a"), s3.delete_object(Bucket=name, Key="out/a")
    cloud.delete()


@pytest.mark.parametrize("kind", ["EventBridgeRule", "CloudWatchEvent"])
def test_rules_with_patterns(cloud: Cloud, kind: str) -> None:
    event = f"{{Type: {kind}, Properties: {{Pattern: {{source: [shop]}}, InputPath: $.detail}}}}"
    cloud.deploy(on(event))
    put(cloud, "shop", a=1)
    put(cloud, "elsewhere", a=2)
    cloud.settle()
    assert cloud.seen() == [{"a": 1}]
    cloud.deploy(on(event.replace("shop", "elsewhere")))
    put(cloud, "shop", a=3)
    put(cloud, "elsewhere", a=4)
    cloud.settle()
    assert cloud.seen() == [{"a": 4}]
    cloud.delete()
    assert cloud.client("events").list_rules()["Rules"] == []


def test_rules_with_a_dead_letter_queue_that_sam_makes(cloud: Cloud) -> None:
    event = """
        Type: EventBridgeRule
        Properties:
          Pattern: {source: [shop]}
          DeadLetterConfig: {Type: SQS, QueueLogicalId: Dead}
          RetryPolicy: {MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 60}
"""
    cloud.deploy(on(event))
    cloud.client("lambda").delete_function(FunctionName=cloud.outputs["Fn"])
    put(cloud, "shop", a=1)
    cloud.settle("1h")
    cloud.outputs["Dead"] = cloud.client("sqs").list_queues()["QueueUrls"][0]
    assert [one["detail"] for one in cloud.received("Dead")] == [{"a": 1}]
    cloud.delete()


def test_schedules_by_rate_of_rules(cloud: Cloud) -> None:
    event = "{Type: Schedule, Properties: {Schedule: rate(5 minutes), Input: '{\"tick\": true}'}}"
    cloud.deploy(on(event))
    cloud.settle("11m")
    assert cloud.seen() == [{"tick": True}] * 2
    cloud.deploy(on(event.replace("rate(5 minutes)", "rate(5 minutes), Enabled: false")))
    cloud.settle("30m")
    assert cloud.seen() == []
    cloud.delete()


def test_schedules_of_the_scheduler(cloud: Cloud) -> None:
    event = """
        Type: ScheduleV2
        Properties:
          ScheduleExpression: rate(5 minutes)
          Input: '{"tick": true}'
          RetryPolicy: {MaximumRetryAttempts: 0}
          DeadLetterConfig: {Type: SQS, QueueLogicalId: Dead}
"""
    cloud.deploy(on(event))
    cloud.settle("11m")
    assert len(cloud.seen()) in (2, 3)
    cloud.deploy(on(event.replace("rate(5 minutes)", "rate(5 minutes)\n          State: DISABLED")))
    cloud.seen()
    cloud.settle("30m")
    assert cloud.seen() == []
    cloud.delete()
    assert cloud.client("scheduler").list_schedules()["Schedules"] == []


def test_event_invoke_config_with_destinations(cloud: Cloud) -> None:
    sink = """
Sink:
  Type: AWS::Serverless::Function
  Properties: {}
"""
    config = """
Fn:
  Type: AWS::Serverless::Function
  Properties:
    InlineCode: |
      def handler(event, context):
          if event.get("fail"):
              raise ValueError("no")
          return "done"
    EventInvokeConfig:
      MaximumEventAgeInSeconds: 300
      MaximumRetryAttempts: 0
      DestinationConfig:
        OnSuccess: {Type: Lambda, Destination: !GetAtt Sink.Arn}
        OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}
"""
    cloud.deploy(QUEUE, sink, config)
    functions = cloud.client("lambda")
    for payload in ({"ok": 1}, {"fail": 1}):
        functions.invoke(FunctionName=cloud.outputs["Fn"], InvocationType="Event", Payload=json.dumps(payload).encode())
    cloud.settle("10s")
    [record] = cloud.seen("Sink")
    assert (record["requestPayload"], record["responsePayload"]) == ({"ok": 1}, "done")
    [record] = cloud.received("Queue")
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestPayload"] == {"fail": 1}
    cloud.deploy(QUEUE, sink, config.replace("MaximumRetryAttempts: 0", "MaximumRetryAttempts: 1"))
    found = functions.get_function_event_invoke_config(FunctionName=cloud.outputs["Fn"])
    assert found["MaximumRetryAttempts"] == 1
    cloud.delete()


def test_a_dead_letter_queue_of_a_function(cloud: Cloud) -> None:
    function = f"""
Fn:
  Type: AWS::Serverless::Function
  Properties:
    InlineCode: {json.dumps(FAILS)}
    DeadLetterQueue: {{Type: SQS, TargetArn: !GetAtt Queue.Arn}}
"""
    cloud.deploy(QUEUE, function)
    cloud.client("lambda").invoke(FunctionName=cloud.outputs["Fn"], InvocationType="Event", Payload=b'{"a": 1}')
    cloud.settle("10m")
    assert cloud.received("Queue") == [{"a": 1}]
    cloud.delete()


def test_every_event_reaches_the_published_alias(cloud: Cloud) -> None:
    """With AutoPublishAlias, events lead to the alias: a new version is what they invoke after an update."""
    function = """
Fn:
  Type: AWS::Serverless::Function
  Properties:
    AutoPublishAlias: live
    InlineCode: |
      import boto3, json, os
      def handler(event, context):
          seen = {"by": context.invoked_function_arn.split(":", 7)[7], "release": RELEASE, "event": event}
          item = {"id": {"S": context.aws_request_id}, "event": {"S": json.dumps(seen)},
                  "by": {"S": os.environ["AWS_LAMBDA_FUNCTION_NAME"]}}
          boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item=item)
    EventInvokeConfig: {MaximumRetryAttempts: 0}
    Events:
      Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, MaximumBatchingWindowInSeconds: 0}}
      Topic: {Type: SNS, Properties: {Topic: !Ref Topic, FilterPolicyScope: MessageBody, FilterPolicy: {a: [1]}}}
      Objects: {Type: S3, Properties: {Bucket: !Ref Bucket, Events: s3:ObjectCreated:*}}
      Rule: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop]}, State: ENABLED, Target: {Id: mine}}}
      Tick: {Type: Schedule, Properties: {Schedule: rate(1 hour), Name: tick-rule, Description: d, State: ENABLED}}
      Tock:
        Type: ScheduleV2
        Properties:
          ScheduleExpression: cron(0 12 * * ? *)
          ScheduleExpressionTimezone: Europe/Berlin
          FlexibleTimeWindow: {Mode: 'OFF'}
          GroupName: !Ref Group
          Description: d
Bucket: {Type: AWS::S3::Bucket}
Group: {Type: AWS::Scheduler::ScheduleGroup}
"""
    cloud.deploy(QUEUE, TOPIC, function.replace("RELEASE", "1"))
    for release in (1, 2):
        if release == 2:
            cloud.deploy(QUEUE, TOPIC, function.replace("RELEASE", "2"))
        cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="x")
        cloud.client("sns").publish(TopicArn=cloud.outputs["Topic"], Message='{"a": 1}')
        cloud.client("sns").publish(TopicArn=cloud.outputs["Topic"], Message='{"a": 2}')
        cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"x")
        put(cloud, "shop", a=1)
        cloud.settle()
        found = cloud.seen()
        kinds = sorted(next(iter(one["event"].get("Records", [{"eventSource": "rule"}])[0].keys())) for one in found)
        assert len(kinds) == 4, found
        assert {(one["by"], one["release"]) for one in found} == {("live", release)}
    cloud.settle("24h")
    found = [one["event"] for one in cloud.seen()]
    assert {one["detail-type"] for one in found} == {"Scheduled Event"}
    assert sorted(one["source"] for one in found) == ["aws.events"] * 24 + ["aws.scheduler"]
    cloud.client("s3").delete_object(Bucket=cloud.outputs["Bucket"], Key="k")
    cloud.delete()


def test_destinations_on_buses_and_queues_that_sam_makes(cloud: Cloud) -> None:
    function = """
Fn:
  Type: AWS::Serverless::Function
  Properties:
    InlineCode: |
      def handler(event, context):
          assert event.get("good")
          return {"fine": True}
    EventInvokeConfig:
      MaximumRetryAttempts: 0
      DestinationConfig:
        OnSuccess: {Type: EventBridge, Destination: !GetAtt Bus.Arn}
        OnFailure: {Type: SQS}
Bus: {Type: AWS::Events::EventBus, Properties: {Name: results}}
Heard:
  Type: AWS::Serverless::Function
  Properties:
    Events:
      Good:
        Type: EventBridgeRule
        Properties: {EventBusName: !Ref Bus, Pattern: {source: [lambda]}}
"""
    cloud.deploy(function)
    for payload in (b'{"good": 1}', b'{"good": 0}'):
        cloud.client("lambda").invoke(FunctionName=cloud.outputs["Fn"], InvocationType="Event", Payload=payload)
    cloud.settle("5s")
    [event] = cloud.seen("Heard")
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["responsePayload"] == {"fine": True}
    cloud.outputs["Made"] = cloud.client("sqs").list_queues()["QueueUrls"][0]
    [record] = cloud.received("Made")
    assert record["requestPayload"] == {"good": 0}
    assert record["responseContext"]["functionError"] == "Unhandled"
    cloud.delete()


def test_a_bucket_whose_notification_is_refused_is_rolled_back(cloud: Cloud) -> None:
    """The queue's policy does not let the bucket in: the stack fails by name, and nothing of it stays."""
    name = f"refused-{cloud.account.id}"
    part = f"""
Bucket:
  Type: AWS::S3::Bucket
  Properties:
    BucketName: {name}
    NotificationConfiguration:
      QueueConfigurations: [{{Event: 's3:ObjectCreated:*', Queue: !GetAtt Queue.Arn}}]
"""
    cloud.cloudformation.create_stack(
        StackName="s", TemplateBody=json.dumps(document(QUEUE, part)), Capabilities=["CAPABILITY_AUTO_EXPAND"]
    )
    with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
        cloud.cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    events = cloud.cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    [failed] = [
        one for one in events if one["ResourceStatus"] == "CREATE_FAILED" and one["LogicalResourceId"] == "Bucket"
    ]
    assert "Unable to validate the following destination configurations" in failed["ResourceStatusReason"]
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    cloud.delete()
