"""Notifications of buckets over the wire: the queue, topic, function and bus that hear of an object."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server

Aws = Callable[..., Any]
SENDS = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


class Listener:
    """A queue that S3 may send to."""

    def __init__(self, aws: Aws, account: str, name: str = "q", *, open_to: str | None = "s3.amazonaws.com") -> None:
        self.sqs = aws("sqs")
        self.arn = f"arn:aws:sqs:us-east-1:{account}:{name}"
        attributes = {}
        if open_to is not None:
            attributes["Policy"] = policy(open_to, "sqs:SendMessage", self.arn)
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def messages(self, at_least: int = 1) -> list[Any]:
        """What came, as JSON, in no order; waits until there are so many."""
        found: list[Any] = []
        while True:
            wait = 5 if len(found) < at_least else 0
            got = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
            for message in got.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            if not got.get("Messages"):
                assert len(found) >= at_least, found
                return found


def policy(service: str, action: str, resource: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def bucket(aws: Aws, account: str) -> str:
    name = f"notified-{account}"
    aws("s3").create_bucket(Bucket=name)
    return name


def notify(aws: Aws, bucket: str, **configuration: Any) -> None:
    aws("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def test_a_queue_hears_of_puts_and_deletes(aws: Aws, account: str, bucket: str) -> None:
    queue, s3 = Listener(aws, account), aws("s3")
    rules = [{"Name": "prefix", "Value": "in/"}]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"]
    configured = {"Id": "mine", "QueueArn": queue.arn, "Events": events, "Filter": {"Key": {"FilterRules": rules}}}
    notify(aws, bucket, QueueConfigurations=[configured])
    [test] = queue.messages()
    assert (test["Event"], test["Bucket"], test["Service"]) == ("s3:TestEvent", bucket, "Amazon S3")
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert found["QueueConfigurations"] == [
        configured | {"Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in/"}]}}}
    ]
    s3.put_object(Bucket=bucket, Key="elsewhere", Body=b"x")
    put = s3.put_object(Bucket=bucket, Key="in/a b", Body=b"hello")
    [message] = queue.messages()
    [record] = message["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["object"]["key"] == "in/a+b"
    assert record["s3"]["object"]["size"] == 5
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert record["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/a b"}, {"Key": "in/never"}, {"Key": "elsewhere"}]})
    [message] = queue.messages()
    assert message["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    notify(aws, bucket)
    s3.put_object(Bucket=bucket, Key="in/after", Body=b"x")
    assert queue.messages(0) == []


def test_destinations_must_exist_and_let_s3_in(aws: Aws, account: str, bucket: str) -> None:
    closed = Listener(aws, account, "closed", open_to=None)
    gone = closed.arn.replace("closed", "gone")
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations") as caught:
        notify(
            aws, bucket,
            QueueConfigurations=[
                {"QueueArn": closed.arn, "Events": ["s3:ObjectCreated:Put"]},
                {"QueueArn": gone, "Events": ["s3:ObjectCreated:Copy"]},
            ],
        )  # fmt: skip
    error: Any = caught.value.response["Error"]
    assert error["Code"] == "InvalidArgument"
    assert error["ArgumentName1"] == closed.arn
    assert error["ArgumentValue1"].startswith("Permissions on the destination queue do not allow S3")
    assert (error["ArgumentName2"], error["ArgumentValue2"]) == (gone, "The destination queue does not exist")
    with pytest.raises(ClientError, match="Cannot have overlapping suffixes") as caught:
        one: dict[str, Any] = {"QueueArn": gone, "Events": ["s3:ObjectCreated:Put"]}
        other = {**one, "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}
        notify(aws, bucket, QueueConfigurations=[one, other])
    with pytest.raises(ClientError, match="is not supported for notifications"):
        notify(aws, bucket, QueueConfigurations=[{"QueueArn": gone, "Events": ["s3:ObjectEaten"]}])


def test_event_bridge_rules_hear_of_everything(aws: Aws, account: str, bucket: str) -> None:
    queue, s3, events = Listener(aws, account, open_to="events.amazonaws.com"), aws("s3"), aws("events")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "in/"}]}}}
    events.put_rule(Name="objects", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="objects", Targets=[{"Id": "q", "Arn": queue.arn}])
    s3.put_object(Bucket=bucket, Key="in/before", Body=b"x")
    notify(aws, bucket, EventBridgeConfiguration={})
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["EventBridgeConfiguration"] == {}
    s3.put_object(Bucket=bucket, Key="in/a b", Body=b"hello")
    s3.put_object(Bucket=bucket, Key="out", Body=b"hello")
    [event] = queue.messages()
    assert (event["detail-type"], event["account"], event["region"]) == ("Object Created", account, "us-east-1")
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert event["detail"]["object"]["key"] == "in/a b"
    assert event["detail"]["reason"] == "PutObject"
    assert event["detail"]["requester"] == account
    s3.delete_object(Bucket=bucket, Key="in/a b")
    [event] = queue.messages()
    assert (event["detail-type"], event["detail"]["deletion-type"]) == ("Object Deleted", "Permanently Deleted")


def test_a_queue_that_is_deleted_does_not_hold_up_the_bucket(
    aws: Aws, server: Server, account: str, bucket: str
) -> None:
    queue, s3 = Listener(aws, account), aws("s3")
    notify(aws, bucket, QueueConfigurations=[{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}])
    queue.sqs.delete_queue(QueueUrl=queue.url)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with urllib.request.urlopen(f"{server.url}/_freehold/s3-notifications?bucket={bucket}") as answer:
        [dropped] = json.loads(answer.read())["undelivered"]
    assert (dropped["destination"], dropped["count"], dropped["lastCode"]) == (queue.arn, 1, "QueueDoesNotExist")


def test_stacks_configure_notifications(aws: Aws, account: str) -> None:
    name = f"stacked-{account}"
    queue = Listener(aws, account)
    cloudformation, s3 = aws("cloudformation"), aws("s3")
    template: dict[str, Any] = {
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": name,
                    "NotificationConfiguration": {
                        "EventBridgeConfiguration": {"EventBridgeEnabled": True},
                        "QueueConfigurations": [
                            {
                                "Event": "s3:ObjectCreated:*",
                                "Queue": queue.arn,
                                "Filter": {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".txt"}]}},
                            }
                        ],
                    },
                },
            }
        }
    }
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    queue.messages()
    s3.put_object(Bucket=name, Key="a.txt", Body=b"x")
    [message] = queue.messages()
    assert message["Records"][0]["s3"]["object"]["key"] == "a.txt"
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)
    del template["Resources"]["Bucket"]["Properties"]["NotificationConfiguration"]
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    found = s3.get_bucket_notification_configuration(Bucket=name)
    found.pop("ResponseMetadata")
    assert found == {}


def test_functions_must_let_the_bucket_in(aws: Aws, account: str, bucket: str) -> None:
    functions, s3 = aws("lambda"), aws("s3")
    queue = Listener(aws, account)
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", SENDS)
    arn = functions.create_function(
        FunctionName="f", Runtime="python3.12", Handler="app.handler", Role=f"arn:aws:iam::{account}:role/any",
        Code={"ZipFile": package.getvalue()}, Environment={"Variables": {"QUEUE": queue.url}},
    )["FunctionArn"]  # fmt: skip
    configured = [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    with pytest.raises(ClientError, match="Unable to validate") as caught:
        notify(aws, bucket, LambdaFunctionConfigurations=configured)
    error: Any = caught.value.response["Error"]
    assert error["ArgumentValue1"] == f"Not authorized to invoke function [{arn}]"
    functions.add_permission(
        FunctionName="f", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=account,
    )  # fmt: skip
    notify(aws, bucket, LambdaFunctionConfigurations=configured)
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    [event] = queue.messages()
    assert event["Records"][0]["s3"]["object"]["key"] == "k"


def test_topics_hear_with_a_subject(aws: Aws, account: str, bucket: str) -> None:
    sns, s3 = aws("sns"), aws("s3")
    queue = Listener(aws, account, open_to="sns.amazonaws.com")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    configured = [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
    with pytest.raises(ClientError, match="Unable to validate") as caught:
        notify(aws, bucket, TopicConfigurations=configured)
    error: Any = caught.value.response["Error"]
    assert error["ArgumentValue1"].startswith("Permissions on the destination topic do not allow S3")
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy("s3.amazonaws.com", "sns:Publish", topic)
    )
    notify(aws, bucket, TopicConfigurations=configured)
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    found = queue.messages(2)
    assert {one["Subject"] for one in found} == {"Amazon S3 Notification"}
    [record] = [json.loads(one["Message"])["Records"][0] for one in found if "Records" in one["Message"]]
    assert record["s3"]["object"]["size"] == 5
