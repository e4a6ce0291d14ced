"""Asynchronous invocations over the wire, on a manual clock: hours of retries in seconds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.node import clock
from tests.aws.conftest import Server, start, stop

Client = Callable[..., Any]

ECHO = "def handler(event, context):\n    return {'got': event}\n"
FAILS = "def handler(event, context):\n    raise ValueError('no such luck')\n"
LOOPS = """import boto3, json
def handler(event, context):
    boto3.client('sqs').send_message(QueueUrl=event['log'], MessageBody='ran')
    boto3.client('lambda').invoke(FunctionName=context.function_name, InvocationType='Event', Payload=json.dumps(event))
"""


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("async") / "data", "--clock", "manual")
    yield server
    stop(server)


@pytest.fixture
def on(manual: Server, account: str) -> Client:
    return lambda service: manual.client(service, account)


def advance(server: Server, duration: str) -> None:
    """Let time pass; what became due has ended when this returns."""
    clock.command(server.url, "advance", duration)


def function(on: Client, name: str, code: str, **settings: Any) -> str:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", code)
    request = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Code": {"ZipFile": package.getvalue()},
    }
    arn: str = on("lambda").create_function(**(request | settings))["FunctionArn"]
    return arn


def queue(on: Client, name: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    url = on("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, on("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def allow(service: str, resource: str, action: str = "sqs:SendMessage") -> str:
    """A resource policy that lets a service in."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def messages(on: Client, url: str) -> list[dict[str, Any]]:
    """What a queue holds; it is empty afterwards."""
    found: list[dict[str, Any]] = []
    while (
        more := on("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"])
        .get("Messages")
    ):
        found += more
        for message in more:
            on("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_success_goes_to_a_queue_as_a_record(on: Client, manual: Server) -> None:
    url, arn = queue(on, "done")
    function_arn = function(on, "echo", ECHO)
    on("lambda").put_function_event_invoke_config(
        FunctionName="echo", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    on("lambda").invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (message,) = messages(on, url)
    record = json.loads(message["Body"])
    assert record["requestContext"]["functionArn"] == f"{function_arn}:$LATEST"
    assert record["requestContext"]["condition"] == "Success"
    assert (record["requestPayload"], record["responsePayload"]) == ({"n": 1}, {"got": {"n": 1}})
    assert "Lineage=1:" in message["Attributes"]["AWSTraceHeader"]


def test_a_failing_event_ends_in_the_dead_letter_queue_after_three_runs(on: Client, manual: Server) -> None:
    url, arn = queue(on, "dead")
    function(on, "fails", FAILS, DeadLetterConfig={"TargetArn": arn})
    on("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "2m59s")
    assert messages(on, url) == []
    advance(manual, "2s")
    (message,) = messages(on, url)
    assert message["Body"] == '{"n": 1}'
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ErrorCode"] == "200" and attributes["ErrorMessage"] == "no such luck"
    assert set(attributes) == {"RequestID", "ErrorCode", "ErrorMessage"}


def test_a_throttled_event_runs_when_there_is_room_again(on: Client, manual: Server) -> None:
    url, arn = queue(on, "done")
    function(on, "echo", ECHO)
    functions = on("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="echo",
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    )
    functions.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    functions.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (message,) = messages(on, url)
    assert json.loads(message["Body"])["requestContext"]["condition"] == "ZeroReservedConcurrency"
    functions.delete_function_concurrency(FunctionName="echo")
    functions.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (message,) = messages(on, url)
    assert json.loads(message["Body"])["requestContext"]["condition"] == "Success"


def test_a_function_that_invokes_itself_is_stopped_after_sixteen_runs(on: Client, manual: Server) -> None:
    url, _ = queue(on, "log")
    dead, arn = queue(on, "dead")
    function(on, "loops", LOOPS, Timeout=30, DeadLetterConfig={"TargetArn": arn})
    on("lambda").invoke(FunctionName="loops", InvocationType="Event", Payload=json.dumps({"log": url}))
    advance(manual, "10m")
    assert len(messages(on, url)) == 16
    assert len(messages(on, dead)) == 1


def test_a_bus_and_a_function_as_destinations(on: Client, manual: Server, account: str) -> None:
    url, arn = queue(on, "seen")
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("events.amazonaws.com", arn)})
    events = on("events")
    bus = events.create_event_bus(Name="results")["EventBusArn"]
    events.put_rule(
        Name="failed",
        EventBusName="results",
        EventPattern=json.dumps(
            {
                "source": ["lambda"],
                "detail-type": ["Lambda Function Invocation Result - Failure"],
                "detail": {"responsePayload": {"errorType": ["ValueError"]}},
            }
        ),
    )
    events.put_targets(Rule="failed", EventBusName="results", Targets=[{"Id": "q", "Arn": arn}])
    failing, after = function(on, "fails", FAILS), function(on, "after", ECHO)
    functions = on("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": bus}}
    )
    functions.invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    advance(manual, "1s")
    (message,) = messages(on, url)
    event = json.loads(message["Body"])
    assert event["resources"] == [f"{failing}:$LATEST", bus] and event["account"] == account
    assert event["detail"]["requestContext"]["condition"] == "RetriesExhausted"

    functions.put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": after}}
    )
    functions.put_function_event_invoke_config(
        FunctionName="after", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    functions.invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    advance(manual, "1s")
    (message,) = messages(on, url)
    assert json.loads(message["Body"])["requestPayload"]["responsePayload"]["errorMessage"] == "no such luck"


def test_destinations_and_dead_letters_of_templates(on: Client, manual: Server) -> None:
    template: dict[str, Any] = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Next": {"Type": "AWS::SQS::Queue"},
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "InlineCode": FAILS,
                    "RecursiveLoop": "Allow",
                    "DeadLetterQueue": {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}},
                    "EventInvokeConfig": {
                        "MaximumRetryAttempts": 0,
                        "MaximumEventAgeInSeconds": 70,
                        "DestinationConfig": {
                            "OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Next", "Arn"]}}
                        },
                    },
                },
            },
        },
        "Outputs": {
            "Name": {"Value": {"Ref": "Function"}},
            "Dead": {"Value": {"Ref": "Dead"}},
            "Next": {"Value": {"Ref": "Next"}},
        },
    }
    stacks = on("cloudformation")
    stacks.create_stack(
        StackName="s", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    outputs = {
        each["OutputKey"]: each["OutputValue"] for each in stacks.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    }
    functions = on("lambda")
    assert functions.get_function_recursion_config(FunctionName=outputs["Name"])["RecursiveLoop"] == "Allow"
    config = functions.get_function_event_invoke_config(FunctionName=outputs["Name"])
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 70)
    functions.invoke(FunctionName=outputs["Name"], InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    assert [message["Body"] for message in messages(on, outputs["Dead"])] == ['{"n": 1}']
    (message,) = messages(on, outputs["Next"])
    assert json.loads(message["Body"])["responsePayload"]["errorType"] == "ValueError"
    settings = template["Resources"]["Function"]["Properties"]
    for gone in ("DeadLetterQueue", "RecursiveLoop"):
        del settings[gone]
    settings["EventInvokeConfig"] = {"DestinationConfig": {"OnSuccess": {"Type": "SQS"}}, "MaximumRetryAttempts": 1}
    stacks.update_stack(
        StackName="s", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert "DeadLetterConfig" not in functions.get_function_configuration(FunctionName=outputs["Name"])
    assert functions.get_function_recursion_config(FunctionName=outputs["Name"])["RecursiveLoop"] == "Terminate"
    config = functions.get_function_event_invoke_config(FunctionName=outputs["Name"])
    assert config["MaximumRetryAttempts"] == 1 and "MaximumEventAgeInSeconds" not in config
    assert ":sqs:" in config["DestinationConfig"]["OnSuccess"]["Destination"]
    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_failures_as_objects_of_a_bucket(on: Client, manual: Server, account: str) -> None:
    bucket = f"records-{account}"
    on("s3").create_bucket(Bucket=bucket)
    function(on, "fails", FAILS)
    on("lambda").put_function_event_invoke_config(
        FunctionName="fails",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    on("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (found,) = on("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"].startswith("aws/lambda/async/fails/")
    record = json.loads(on("s3").get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_settings_that_are_refused(on: Client, manual: Server) -> None:
    function(on, "echo", ECHO)
    functions = on("lambda")
    with pytest.raises(ClientError, match="is invalid") as caught:
        functions.put_function_event_invoke_config(
            FunctionName="echo",
            DestinationConfig={"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:000000000000:gone"}},
        )
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    on("sqs").create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})
    on("sns").create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})
    account = on("sts").get_caller_identity()["Account"]
    for ordered in (f"arn:aws:sqs:us-east-1:{account}:q.fifo", f"arn:aws:sns:us-east-1:{account}:t.fifo"):
        with pytest.raises(ClientError, match="is invalid"):
            functions.put_function_event_invoke_config(
                FunctionName="echo", DestinationConfig={"OnFailure": {"Destination": ordered}}
            )
        with pytest.raises(ClientError, match="is invalid"):
            functions.update_function_configuration(FunctionName="echo", DeadLetterConfig={"TargetArn": ordered})
    with pytest.raises(ClientError, match="less than or equal to 2"):
        functions.put_function_event_invoke_config(FunctionName="echo", MaximumRetryAttempts=3)
    with pytest.raises(ClientError) as caught:
        functions.get_function_event_invoke_config(FunctionName="echo")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_topics_as_destination_and_dead_letter_target(on: Client, manual: Server) -> None:
    url, arn = queue(on, "heard")
    topic = on("sns").create_topic(Name="news")["TopicArn"]
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("sns.amazonaws.com", arn)})
    on("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    function(on, "fails", FAILS, DeadLetterConfig={"TargetArn": topic})
    on("lambda").put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}}
    )
    on("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    dead, record = sorted(messages(on, url), key=lambda message: len(message["Body"]))
    assert dead["Body"] == '{"n": 1}' and dead["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no such luck"
    assert json.loads(record["Body"])["requestPayload"] == {"n": 1}


def test_a_topic_invokes_a_function_that_lets_it(on: Client, manual: Server, account: str) -> None:
    url, arn = queue(on, "done")
    function_arn = function(on, "echo", ECHO)
    on("lambda").put_function_event_invoke_config(
        FunctionName="echo", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    topic = on("sns").create_topic(Name="news")["TopicArn"]
    on("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function_arn)
    on("sns").publish(TopicArn=topic, Message="unheard")
    advance(manual, "1s")
    assert messages(on, url) == []
    on("lambda").add_permission(
        FunctionName="echo",
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    on("sns").publish(TopicArn=topic, Message="heard")
    advance(manual, "1s")
    heard = [json.loads(message["Body"])["requestPayload"] for message in messages(on, url)]
    assert "heard" in [event["Records"][0]["Sns"]["Message"] for event in heard]


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
