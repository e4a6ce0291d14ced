"""Functions that cause their own invocation are stopped after sixteen runs, whatever lies in between."""

from __future__ import annotations

import json

from tests.aws.conftest import Server
from tests.aws.manual_clock import Client, advance, function, manual, messages, on, queue

__all__ = ["manual", "on"]


LOOPS = """import boto3, json
def handler(event, context):
    boto3.client('sqs').send_message(QueueUrl=event['log'], MessageBody='ran')
    boto3.client('lambda').invoke(FunctionName=context.function_name, InvocationType='Event', Payload=json.dumps(event))
"""


def test_a_function_that_invokes_itself_is_stopped_after_sixteen_runs(on: Client, manual: Server) -> None:
    url, _ = queue(on, "log")
    dead, arn = queue(on, "dead")
    function(on, "loops", LOOPS, Timeout=30, DeadLetterConfig={"TargetArn": arn})
    on("lambda").invoke(FunctionName="loops", InvocationType="Event", Payload=json.dumps({"log": url}))
    advance(manual, "10m")
    assert len(messages(on, url)) == 16
    assert len(messages(on, dead)) == 1


def test_a_loop_through_a_topic_is_stopped(on: Client, manual: Server) -> None:
    """Function → topic → function."""
    url, _ = queue(on, "log")
    code = (
        "import boto3, json, os\n"
        "def handler(event, context):\n"
        "    boto3.client('sqs').send_message(QueueUrl=os.environ['LOG'], MessageBody='ran')\n"
        "    boto3.client('sns').publish(TopicArn=os.environ['TOPIC'], Message='again')\n"
    )
    topic = on("sns").create_topic(Name="round")["TopicArn"]
    arn = function(on, "loops", code, Timeout=30, Environment={"Variables": {"LOG": url, "TOPIC": topic}})
    on("lambda").add_permission(
        FunctionName="loops", StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    on("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    on("sns").publish(TopicArn=topic, Message="first")
    advance(manual, "10m")
    assert len(messages(on, url)) == 16


def test_a_loop_through_a_bucket_is_stopped(on: Client, manual: Server, account: str) -> None:
    """Object → function → object, in one bucket."""
    bucket = f"round-{account}"
    code = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    s3 = event['Records'][0]['s3']\n"
        "    boto3.client('s3').put_object(Bucket=s3['bucket']['name'], Key=s3['object']['key'] + 'x', Body=b'')\n"
    )
    on("s3").create_bucket(Bucket=bucket)
    arn = function(on, "loops", code, Timeout=30)
    on("lambda").add_permission(
        FunctionName="loops",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=account,
    )
    on("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    on("s3").put_object(Bucket=bucket, Key="k", Body=b"")
    advance(manual, "10m")
    assert len(on("s3").list_objects_v2(Bucket=bucket)["Contents"]) == 17


def test_a_loop_through_a_queue_is_stopped(on: Client, manual: Server) -> None:
    """Message → mapping → function → message; what is stopped stays in the queue and ends in its dead-letter queue."""
    dead, dead_arn = queue(on, "dead")
    url, arn = queue(on, "round")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    code = (
        "import boto3, json, os\n"
        "def handler(event, context):\n"
        "    for record in event['Records']:\n"
        "        body = str(int(record['body']) + 1)\n"
        "        boto3.client('sqs').send_message(QueueUrl=os.environ['ROUND'], MessageBody=body)\n"
    )
    function(on, "loops", code, Timeout=30, Environment={"Variables": {"ROUND": url}})
    on("lambda").create_event_source_mapping(FunctionName="loops", EventSourceArn=arn, BatchSize=1)
    on("sqs").send_message(QueueUrl=url, MessageBody="0")
    advance(manual, "30m")
    assert [message["Body"] for message in messages(on, dead)] == ["16"]
