"""SQS over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.aws.conftest import Server, start, stop

Aws = Callable[..., Any]


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_message_goes_in_and_comes_out(aws: Aws, server: Server, account: str) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName="q", tags={"a": "b"})["QueueUrl"]
    assert url == f"{server.url}/{account}/q" == sqs.get_queue_url(QueueName="q")["QueueUrl"]
    attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"hello").hexdigest()
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageId"]) == ("hello", sent["MessageId"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["ApproximateNumberOfMessages"] == shown["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_errors_carry_the_codes_of_the_query_protocol(aws: Aws, server: Server, account: str) -> None:
    sqs = aws("sqs")
    with pytest.raises(ClientError) as raised:
        sqs.send_message(QueueUrl=f"{server.url}/{account}/none", MessageBody="x")
    assert code(raised) == "AWS.SimpleQueueService.NonExistentQueue"
    assert isinstance(raised.value, sqs.exceptions.QueueDoesNotExist)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "1"})
    with pytest.raises(sqs.exceptions.EmptyBatchRequest):
        sqs.send_message_batch(QueueUrl=url, Entries=[])
    sqs.purge_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)


def test_a_long_poll_is_woken_by_a_message_within_milliseconds(aws: Aws) -> None:
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sent = 0.0

    def send() -> None:
        nonlocal sent
        time.sleep(0.2)
        sent = time.monotonic()
        sqs.send_message(QueueUrl=url, MessageBody="x")

    sender = threading.Thread(target=send)
    sender.start()
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"] == "x" and time.monotonic() - sent < 1
    sender.join()


def test_a_fifo_queue_keeps_order_and_drops_duplicates(aws: Aws) -> None:
    sqs = aws("sqs")
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="q.fifo", Attributes=attributes)["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": f"{n % 7}", "MessageGroupId": "g"} for n in range(10)]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    ids = [entry["MessageId"] for entry in answer["Successful"]]
    assert ids[7:] == ids[:3]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in found] == ["0", "1", "2", "3", "4", "5", "6"]
    numbers = [message["Attributes"]["SequenceNumber"] for message in found]
    assert numbers == sorted(set(numbers))


def query(url: str, account: str, **parameters: str) -> xml.Element:
    """A call by the query protocol; its answer without namespaces."""
    scope = f"Credential={account}/20260101/us-east-1/sqs/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-date, Signature=0",
        "X-Amz-Date": "20260101T000000Z",
    }
    data = urllib.parse.urlencode({"Version": "2012-11-05", **parameters}).encode()
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, data, headers))
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    return xml.fromstring(text.replace('xmlns="http://queue.amazonaws.com/doc/2012-11-05/"', ""))


def test_the_query_protocol_is_spoken_too(server: Server, account: str, aws: Aws) -> None:
    def call(**parameters: str) -> xml.Element:
        return query(server.url, account, **parameters)

    create = {"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "5"}
    url = call(Action="CreateQueue", QueueName="q", **create).findtext("CreateQueueResult/QueueUrl") or ""
    assert url == f"{server.url}/{account}/q"
    attribute = {
        "MessageAttribute.1.Name": "a",
        "MessageAttribute.1.Value.DataType": "String",
        "MessageAttribute.1.Value.StringValue": "v",
    }
    sent = call(Action="SendMessage", QueueUrl=url, MessageBody="<x>", **attribute)
    assert sent.findtext("SendMessageResult/MD5OfMessageBody") == hashlib.md5(b"<x>").hexdigest()
    query(url, account, Action="SendMessage", MessageBody="to the queue's own address")
    received = call(
        **{"Action": "ReceiveMessage", "QueueUrl": url, "MaxNumberOfMessages": "10", "MessageAttributeName.1": "All"}
    )
    found = received.findall("ReceiveMessageResult/Message")
    assert [message.findtext("Body") for message in found] == ["<x>", "to the queue's own address"]
    assert found[0].findtext("MessageAttribute/Value/StringValue") == "v"
    entries = {}
    for n, message in enumerate(found, 1):
        entries[f"DeleteMessageBatchRequestEntry.{n}.Id"] = str(n)
        entries[f"DeleteMessageBatchRequestEntry.{n}.ReceiptHandle"] = message.findtext("ReceiptHandle") or ""
    deleted = call(Action="DeleteMessageBatch", QueueUrl=url, **entries)
    assert len(deleted.findall("DeleteMessageBatchResult/DeleteMessageBatchResultEntry")) == 2
    failed = call(Action="SendMessage", QueueUrl=url + "x", MessageBody="x")
    assert failed.findtext("Error/Code") == "AWS.SimpleQueueService.NonExistentQueue"
    assert aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"] == {
        "VisibilityTimeout": "5"
    }


def test_a_queue_is_shared_with_another_account(server: Server, aws: Aws) -> None:
    sqs, other = aws("sqs"), server.client("sqs", "999988887777")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    with pytest.raises(ClientError) as raised:
        other.send_message(QueueUrl=url, MessageBody="x")
    assert code(raised) == "AccessDenied"
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["999988887777"], Actions=["SendMessage"])
    other.send_message(QueueUrl=url, MessageBody="x")
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["SenderId"])["Messages"]
    assert message["Attributes"]["SenderId"] == "999988887777"


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Dead": {"Type": "AWS::SQS::Queue"},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "VisibilityTimeout": 0,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 1},
                "Tags": [{"Key": "a", "Value": "b"}],
            },
        },
        "Ordered": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "FifoQueue": True,
                "ContentBasedDeduplication": True,
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        },
        "Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "sqs:*", "Resource": "*"}
                    ],
                },
            },
        },
    },
    "Outputs": {
        "Queue": {"Value": {"Ref": "Queue"}},
        "Dead": {"Value": {"Fn::GetAtt": ["Dead", "QueueUrl"]}},
        "DeadArn": {"Value": {"Fn::GetAtt": ["Dead", "Arn"]}},
        "Ordered": {"Value": {"Fn::GetAtt": ["Ordered", "QueueName"]}},
    },
}


def test_a_stack_has_queues_a_redrive_policy_and_a_queue_policy(aws: Aws, server: Server) -> None:
    cloudformation, sqs = aws("cloudformation"), aws("sqs")

    def wait(what: str) -> None:
        cloudformation.get_waiter(what).wait(StackName="s", WaiterConfig={"Delay": 0.1, "MaxAttempts": 200})

    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE))
    wait("stack_create_complete")
    (stack,) = cloudformation.describe_stacks(StackName="s")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Ordered"].endswith(".fifo")
    assert sqs.list_queue_tags(QueueUrl=outputs["Queue"])["Tags"]["a"] == "b"
    server.client("sqs", "999988887777").send_message(QueueUrl=outputs["Queue"], MessageBody="x")
    for _ in range(2):
        sqs.receive_message(QueueUrl=outputs["Queue"])
    (message,) = sqs.receive_message(QueueUrl=outputs["Dead"], VisibilityTimeout=0)["Messages"]
    assert message["Body"] == "x"
    sqs.start_message_move_task(SourceArn=outputs["DeadArn"])
    (message,) = sqs.receive_message(QueueUrl=outputs["Queue"], WaitTimeSeconds=10)["Messages"]
    assert message["Body"] == "x"

    changed = json.loads(json.dumps(TEMPLATE))
    del changed["Resources"]["Policy"]
    changed["Resources"]["Queue"]["Properties"] = {"DelaySeconds": 3}
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(changed))
    wait("stack_update_complete")
    found = sqs.get_queue_attributes(QueueUrl=outputs["Queue"], AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["DelaySeconds"]) == ("30", "3")
    assert "Policy" not in found and "RedrivePolicy" not in found
    assert "a" not in sqs.list_queue_tags(QueueUrl=outputs["Queue"])["Tags"]
    cloudformation.delete_stack(StackName="s")
    wait("stack_delete_complete")
    assert "QueueUrls" not in sqs.list_queues()


def test_templates_name_the_keys_of_aws_and_no_others(aws: Aws) -> None:
    cloudformation = aws("cloudformation")

    def made(name: str, key: str) -> str:
        resources = {
            "Q": {"Type": "AWS::SQS::Queue", "Properties": {"KmsMasterKeyId": key.format("sqs"), "QueueName": name}},
            "T": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key.format("sns")}},
        }
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
        with contextlib.suppress(WaiterError):
            waiter = cloudformation.get_waiter("stack_create_complete")
            waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

    assert made("works", "alias/aws/{}") == "CREATE_COMPLETE"
    url = aws("sqs").get_queue_url(QueueName="works")["QueueUrl"]
    shown = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])["Attributes"]
    assert shown == {"KmsMasterKeyId": "alias/aws/sqs"}
    assert made("fails", "alias/mine") == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName="fails")["StackEvents"]
    assert any("other than alias/aws/" in event.get("ResourceStatusReason", "") for event in events)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    try:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        for n in range(50):
            sqs.send_message(QueueUrl=url, MessageBody=str(n))
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        for message in found[:5]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        server.process.kill()
        server.process.wait()
        server = start(tmp_path / "data")
        sqs = server.client("sqs")
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        bodies = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
        assert bodies == [str(n) for n in range(10, 50)]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=found[5]["ReceiptHandle"])
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert (shown["ApproximateNumberOfMessages"], shown["ApproximateNumberOfMessagesNotVisible"]) == ("0", "44")
    finally:
        stop(server)
