"""Event source mappings from SQS over the wire: real queues, functions in their sandbox, a clock that tests move."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Freehold
from tests.aws.conftest import start, stop
from tests.aws.functions import zipped
from tests.aws.manual_clock import Client, function, messages, queue

RECORDS = """
import boto3, json, os
sqs = boto3.client("sqs")
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    sqs.send_message(QueueUrl=os.environ["LOG"], MessageBody=json.dumps(event))
    if "raise" in bodies:
        raise ValueError("as it was told")
    failed = [record["messageId"] for record in event["Records"] if record["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""


@pytest.fixture(scope="module")
def freehold() -> Iterator[Freehold]:
    with Freehold(manual_clock=True) as server:
        yield server


class Cloud:
    """A fresh account with a function that writes the events it gets into the queue "log"."""

    def __init__(self, freehold: Freehold) -> None:
        account = freehold.account()
        self.client: Client = account.client
        self.clock = freehold.clock
        self.sqs, self.functions = account.client("sqs"), account.client("lambda")
        self.log = self.queue("log")[0]
        function(self.client, "records", RECORDS, Timeout=20, Environment={"Variables": {"LOG": self.log}})

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        return queue(self.client, name, **attributes)

    def map(self, arn: str, **settings: Any) -> str:
        made = self.functions.create_event_source_mapping(FunctionName="records", EventSourceArn=arn, **settings)
        uuid: str = made["UUID"]
        return uuid

    def events(self) -> list[list[dict[str, Any]]]:
        """The batches that were processed since the last look, in their order."""
        return [json.loads(body)["Records"] for body in drain(self.client, self.log)]

    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in batch] for batch in self.events()]


def drain(on: Client, url: str) -> list[str]:
    """The bodies of what a queue holds; it is empty afterwards."""
    return [message["Body"] for message in messages(on, url)]


def counts(sqs: Any, url: str) -> tuple[int, int]:
    """Messages that are visible, and in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


@pytest.fixture
def cloud(freehold: Freehold) -> Cloud:
    return Cloud(freehold)


def test_a_message_reaches_the_function_as_aws_documents(cloud: Cloud) -> None:
    url, arn = cloud.queue("orders")
    made = cloud.functions.create_event_source_mapping(FunctionName="records", EventSourceArn=arn)
    assert made["State"] == "Creating"
    sent = cloud.sqs.send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "v"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    cloud.clock.advance("1s")
    ((record,),) = cloud.events()
    assert record["messageId"] == sent["MessageId"]
    assert record["body"] == "hello"
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["messageAttributes"] == {
        "text": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "bytes": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert record["attributes"].keys() >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", arn, "us-east-1")
    assert counts(cloud.sqs, url) == (0, 0)
    shown = cloud.functions.get_event_source_mapping(UUID=made["UUID"])
    assert shown["State"] == "Enabled"


def test_failures_come_again_and_end_in_the_dead_letter_queue(cloud: Cloud) -> None:
    dead, dead_arn = cloud.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = cloud.queue("orders", RedrivePolicy=redrive, VisibilityTimeout="120")
    cloud.map(arn)
    cloud.sqs.send_message(QueueUrl=url, MessageBody="raise")
    cloud.clock.advance("119s")
    assert cloud.bodies() == [["raise"]]
    cloud.clock.advance("120s")
    assert cloud.bodies() == [["raise"]]
    cloud.clock.advance("5m")
    assert cloud.bodies() == []
    assert drain(cloud.client, dead) == ["raise"]


def test_partial_failures_filters_and_windows(cloud: Cloud) -> None:
    url, arn = cloud.queue("orders", VisibilityTimeout="60")
    uuid = cloud.map(
        arn,
        BatchSize=100,
        MaximumBatchingWindowInSeconds=5,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": '{"body": [{"prefix": "bad"}, {"prefix": "good"}]}'}]},
    )
    for body in ("good 1", "bad 1", "ugly", "good 2"):
        cloud.sqs.send_message(QueueUrl=url, MessageBody=body)
    cloud.clock.advance("4s")
    assert cloud.bodies() == []
    cloud.clock.advance("1s")
    (batch,) = cloud.bodies()
    assert sorted(batch) == ["bad 1", "good 1", "good 2"]
    assert counts(cloud.sqs, url) == (0, 1)
    cloud.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    cloud.clock.advance("60s")
    assert counts(cloud.sqs, url) == (1, 0)
    assert drain(cloud.client, url) == ["bad 1"]


def test_fifo_groups_keep_their_order_when_a_batch_fails(cloud: Cloud) -> None:
    url, arn = cloud.queue("orders.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="30")
    cloud.map(arn, BatchSize=1)
    for group, bodies in {"g": ["g1", "raise", "g3"], "h": ["h1", "h2", "h3"]}.items():
        for body in bodies:
            cloud.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    cloud.clock.advance("1s")
    seen = [batch[0] for batch in cloud.bodies()]
    assert [body for body in seen if body[0] == "h"] == ["h1", "h2", "h3"]
    assert [body for body in seen if body[0] != "h"] == ["g1", "raise"]
    cloud.clock.advance("60s")
    assert {batch[0] for batch in cloud.bodies()} == {"raise"}
    mended = zipped(app__py=RECORDS.replace('"raise" in bodies', "False"))
    cloud.functions.update_function_code(FunctionName="records", ZipFile=mended)
    cloud.clock.advance("30s")
    assert [batch[0] for batch in cloud.bodies()] == ["raise", "g3"]
    assert counts(cloud.sqs, url) == (0, 0)


def test_a_throttled_function_loses_nothing(cloud: Cloud) -> None:
    url, arn = cloud.queue("orders", VisibilityTimeout="120")
    cloud.functions.put_function_concurrency(FunctionName="records", ReservedConcurrentExecutions=0)
    cloud.map(arn, BatchSize=1)
    for number in range(20):
        cloud.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    cloud.clock.advance("10s")
    assert cloud.bodies() == []
    cloud.functions.put_function_concurrency(FunctionName="records", ReservedConcurrentExecutions=1)
    cloud.clock.advance("2m")
    assert sorted(int(batch[0]) for batch in cloud.bodies()) == list(range(20))
    assert counts(cloud.sqs, url) == (0, 0)


def test_refusals_carry_aws_codes_and_texts(cloud: Cloud) -> None:
    _, arn = cloud.queue("short", VisibilityTimeout="5")
    with pytest.raises(
        ClientError, match="Queue visibility timeout: 5 seconds is less than Function timeout: 20"
    ) as caught:
        cloud.map(arn)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    _, arn = cloud.queue("orders")
    uuid = cloud.map(arn)
    with pytest.raises(cloud.functions.exceptions.ResourceConflictException, match=uuid):
        cloud.map(arn)
    with pytest.raises(ClientError, match="Maximum batch window in seconds must be greater than 0"):
        cloud.functions.update_event_source_mapping(UUID=uuid, BatchSize=11)
    with pytest.raises(ClientError, match="less than or equal to 10000"):
        cloud.functions.update_event_source_mapping(UUID=uuid, BatchSize=10_001)
    with pytest.raises(ClientError, match="less than or equal to 1000"):
        cloud.functions.update_event_source_mapping(UUID=uuid, ScalingConfig={"MaximumConcurrency": 1_001})
    with pytest.raises(cloud.functions.exceptions.ResourceNotFoundException):
        cloud.functions.get_event_source_mapping(UUID="2b733gdc-8ac3-cdf5-af3a-1827b3b11284")


TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        "Fn": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "InlineCode": RECORDS,
                "Environment": {"Variables": {"LOG": {"Ref": "Log"}}},
                "Timeout": 20,
                "Policies": [{"SQSSendMessagePolicy": {"QueueName": {"Fn::GetAtt": ["Log", "QueueName"]}}}],
                "Events": {
                    "Orders": {
                        "Type": "SQS",
                        "Properties": {
                            "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                            "BatchSize": 5,
                            "Enabled": True,
                            "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"kind": ["order"]}}'}]},
                            "FunctionResponseTypes": ["ReportBatchItemFailures"],
                            "ScalingConfig": {"MaximumConcurrency": 3},
                        },
                    }
                },
            },
        },
        "Log": {"Type": "AWS::SQS::Queue"},
    },
    "Outputs": {
        "Queue": {"Value": {"Ref": "Queue"}},
        "Log": {"Value": {"Ref": "Log"}},
        "Mapping": {"Value": {"Ref": "FnOrders"}},
    },
}


def test_sam_events_make_change_and_delete_mappings(cloud: Cloud) -> None:
    formation = cloud.client("cloudformation")

    def deploy(kind: str, template: dict[str, Any]) -> dict[str, str]:
        request: dict[str, Any] = {"StackName": "s", "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]}
        text = json.dumps(template)
        formation.create_change_set(ChangeSetName=kind.lower(), ChangeSetType=kind, TemplateBody=text, **request)
        formation.execute_change_set(StackName="s", ChangeSetName=kind.lower())
        waiter = formation.get_waiter(f"stack_{kind.lower()}_complete")
        waiter.wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        outputs = formation.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
        return {each["OutputKey"]: each["OutputValue"] for each in outputs}

    outputs = deploy("CREATE", TEMPLATE)
    shown = cloud.functions.get_event_source_mapping(UUID=outputs["Mapping"])
    assert (shown["BatchSize"], shown["ScalingConfig"]) == (5, {"MaximumConcurrency": 3})
    tags = cloud.functions.list_tags(Resource=shown["EventSourceMappingArn"])["Tags"]
    assert tags["aws:cloudformation:stack-name"] == "s"
    for body in ('{"kind": "order", "n": 1}', '{"kind": "other"}'):
        cloud.sqs.send_message(QueueUrl=outputs["Queue"], MessageBody=body)
    cloud.clock.advance("1s")
    assert [json.loads(body)["Records"][0]["body"] for body in drain(cloud.client, outputs["Log"])] == [
        '{"kind": "order", "n": 1}'
    ]
    changed = json.loads(json.dumps(TEMPLATE))
    properties = changed["Resources"]["Fn"]["Properties"]["Events"]["Orders"]["Properties"]
    properties["BatchSize"] = 2
    del properties["ScalingConfig"], properties["FilterCriteria"]
    assert deploy("UPDATE", changed)["Mapping"] == outputs["Mapping"]
    shown = cloud.functions.get_event_source_mapping(UUID=outputs["Mapping"])
    assert shown["BatchSize"] == 2
    assert not shown.keys() & {"ScalingConfig", "FilterCriteria"}
    formation.delete_stack(StackName="s")
    formation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert cloud.functions.list_event_source_mappings()["EventSourceMappings"] == []


COUNTS = """
import boto3, os
sqs = boto3.client("sqs")
def handler(event, context):
    entries = [{"Id": str(n), "MessageBody": record["body"]} for n, record in enumerate(event["Records"])]
    sqs.send_message_batch(QueueUrl=os.environ["LOG"], Entries=entries)
"""


def test_killed_servers_lose_nothing(tmp_path: Path) -> None:
    """kill -9 while a backlog drains: every message is processed at least once, and all of them are deleted."""
    account, total = "000000000001", 300
    server = start(tmp_path / "data")
    try:

        def on(service: str) -> Any:
            return server.client(service, account)

        sqs, functions = on("sqs"), on("lambda")
        log, _ = queue(on, "log")
        url, arn = queue(on, "orders", VisibilityTimeout="5")
        environment = {"Variables": {"LOG": log}}
        function(on, "counts", COUNTS, Environment=environment, Timeout=5)
        made = functions.create_event_source_mapping(FunctionName="counts", EventSourceArn=arn, Enabled=False)

        def send(batch: int) -> None:
            entries = [{"Id": str(n), "MessageBody": str(10 * batch + n)} for n in range(10)]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(total // 10)))
        functions.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
        until = time.monotonic() + 10
        while not any(counts(sqs, log)) and time.monotonic() < until:
            time.sleep(0.005)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server = start(tmp_path / "data")
        sqs = on("sqs")
        log = sqs.get_queue_url(QueueName="log")["QueueUrl"]
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        until = time.monotonic() + 30
        while any(counts(sqs, url)) and time.monotonic() < until:
            time.sleep(0.1)
        assert counts(sqs, url) == (0, 0)
        assert {int(body) for body in drain(on, log)} == set(range(total))
    finally:
        stop(server)
