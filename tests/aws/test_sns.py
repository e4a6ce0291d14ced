"""SNS through boto3: queues, functions, an HTTP receiver that verifies what it gets, stacks, a restart."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.aws.conftest import Server, start, stop

Clients = Callable[..., Any]
REGION = "us-east-1"


class Receiver(ThreadingHTTPServer):
    """An HTTP endpoint that keeps what it gets and answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/in"

    def wait(self, count: int, seconds: float = 10) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, seconds), f"{len(self.got)} of {count}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver = self.server
        assert isinstance(receiver, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        with receiver.arrived:
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            receiver.arrived.notify_all()
        self.send_response(receiver.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def verify(message: dict[str, Any]) -> None:
    """As AWS documents it ("Verifying the signatures of Amazon SNS messages")."""
    with urllib.request.urlopen(message["SigningCertURL"], timeout=10) as answer:
        key = x509.load_pem_x509_certificate(answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


def queue(aws: Clients, name: str, topic: str | None = None, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a queue, open to a topic."""
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if topic is not None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def received(aws: Clients, url: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(20):
        if len(found) >= count:
            break
        answer = aws("sqs").receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            found.append(message)
            aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert len(found) == count
    return found


def test_a_queue_gets_signed_envelopes_and_raw_messages_under_its_policy(aws: Clients) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news", Attributes={"SignatureVersion": "2"})["TopicArn"]
    url, arn = queue(aws, "closed")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="the queue's policy says nothing of the topic")
    assert "Messages" not in aws("sqs").receive_message(QueueUrl=url)
    url, arn = queue(aws, "open", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    id = sns.publish(TopicArn=topic, Message='für "alle"', Subject="Subject")["MessageId"]
    (message,) = received(aws, url, 1)  # boto3 checks the MD5 of the body
    envelope = json.loads(message["Body"])
    assert (envelope["MessageId"], envelope["Message"]) == (id, 'für "alle"')
    verify(envelope)
    raw_url, raw = queue(aws, "raw", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw, Attributes={"RawMessageDelivery": "true"})
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}
    sns.publish(TopicArn=topic, Message="raw", MessageAttributes=attributes)
    (message,) = received(aws, raw_url, 1)
    assert message["Body"] == "raw"
    assert message["MessageAttributes"]["a"]["StringValue"] == "b"


def test_an_http_endpoint_confirms_verifies_and_unsubscribes(aws: Clients, receiver: Receiver) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    receiver.wait(1)
    headers, letter = receiver.got[0]
    assert headers["x-amz-sns-message-type"] == letter["Type"] == "SubscriptionConfirmation"
    verify(letter)
    with urllib.request.urlopen(letter["SubscribeURL"], timeout=10) as confirmed:
        assert b"<ConfirmSubscriptionResult><SubscriptionArn>arn:aws:sns:" in confirmed.read()
    sns.publish(TopicArn=topic, Message="hello", Subject="S")
    receiver.wait(2)
    headers, message = receiver.got[1]
    assert headers["x-amz-sns-topic-arn"] == topic
    assert message["Message"] == "hello"
    verify(message)
    with urllib.request.urlopen(message["UnsubscribeURL"], timeout=10) as gone:
        assert gone.status == 200
    receiver.wait(3)
    assert receiver.got[2][1]["Type"] == "UnsubscribeConfirmation"
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_an_endpoint_that_refuses_leaves_the_message_in_the_dead_letter_queue(aws: Clients, receiver: Receiver) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    url, arn = queue(aws, "dead", topic)
    redrive = json.dumps({"deadLetterTargetArn": arn})
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url, Attributes={"RedrivePolicy": redrive})
    receiver.wait(1)
    sns.confirm_subscription(TopicArn=topic, Token=receiver.got[0][1]["Token"])
    receiver.status = 403
    sns.publish(TopicArn=topic, Message="refused")
    (message,) = received(aws, url, 1)
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == "refused"
    verify(envelope)


def test_a_function_gets_records_of_aws_sns(aws: Clients, account: str) -> None:
    sns, functions = aws("sns"), aws("lambda")
    topic = sns.create_topic(Name="news")["TopicArn"]
    code = "import json, boto3, os\ndef handler(event, context):\n    print('GOT', json.dumps(event['Records'][0]))\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("app.py", code)
    function = functions.create_function(
        FunctionName="see",
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account}:role/x",
        Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()},
    )["FunctionArn"]
    dead_url, dead = queue(aws, "dead", topic)
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, Attributes=redrive)
    sns.publish(TopicArn=topic, Message="the function's policy says nothing of the topic")
    assert json.loads(received(aws, dead_url, 1)[0]["Body"])["Message"].startswith("the function's")
    functions.add_permission(
        FunctionName="see",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.publish(TopicArn=topic, Message="for the function")
    deadline = time.monotonic() + 20
    lines: list[str] = []
    while not lines and time.monotonic() < deadline:
        try:
            found = aws("logs").filter_log_events(logGroupName="/aws/lambda/see", filterPattern="GOT")["events"]
        except ClientError:
            found = []
        lines = [event["message"] for event in found]
        time.sleep(0.1)
    record = json.loads(lines[0].partition("GOT ")[2])
    assert record["EventSource"] == "aws:sns"
    message = {**record["Sns"], "SigningCertURL": record["Sns"]["SigningCertUrl"]}
    assert message.pop("Subject") is None
    verify(message)


def test_a_fifo_topic_keeps_the_order_of_groups(aws: Clients) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})[
        "TopicArn"
    ]
    url, arn = queue(aws, "orders.fifo", topic, FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    numbers = []
    for n in range(10):
        entries = [{"Id": group, "Message": f"{group}{n}", "MessageGroupId": group} for group in ("a", "b")]
        found = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries * 1)
        numbers += [entry["SequenceNumber"] for entry in found["Successful"]]
        sns.publish(TopicArn=topic, Message=f"a{n}", MessageGroupId="a")
    assert numbers == sorted(numbers)
    messages = received(aws, url, 20)
    for group in ("a", "b"):
        bodies = [each["Body"] for each in messages if each["Attributes"]["MessageGroupId"] == group]
        assert bodies == [f"{group}{n}" for n in range(10)]


def test_emails_texts_and_pushes_are_read_in_the_outbox(aws: Clients, server: Server, account: str) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")

    def mails() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{server.url}/_freehold/sns?account={account}", timeout=10) as answer:
            return list(json.load(answer)["messages"])

    sns.confirm_subscription(TopicArn=topic, Token=mails()[0]["token"])
    sns.publish(TopicArn=topic, Message="by mail", Subject="S")
    sns.publish(PhoneNumber="+15555550100", Message="by phone")
    assert [(mail["kind"], mail["body"]) for mail in mails()[1:]] == [("email", "by mail"), ("sms", "by phone")]


def test_delivery_status_is_logged(aws: Clients, account: str) -> None:
    sns = aws("sns")
    role = f"arn:aws:iam::{account}:role/logs"
    attributes = {"SQSSuccessFeedbackRoleArn": role, "SQSSuccessFeedbackSampleRate": "100"}
    topic = sns.create_topic(Name="news", Attributes=attributes)["TopicArn"]
    _, arn = queue(aws, "q", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    id = sns.publish(TopicArn=topic, Message="logged")["MessageId"]
    deadline = time.monotonic() + 10
    events: list[Any] = []
    while not events and time.monotonic() < deadline:
        try:
            events = aws("logs").filter_log_events(logGroupName=f"sns/{REGION}/{account}/news")["events"]
        except ClientError:
            pass
        time.sleep(0.05)
    line = json.loads(events[0]["message"])
    assert (line["status"], line["notification"]["messageId"], line["delivery"]["destination"]) == ("SUCCESS", id, arn)


def test_errors_have_the_codes_of_the_query_protocol(aws: Clients) -> None:
    sns = aws("sns")
    for call, code, status in (
        (lambda: sns.publish(TopicArn="arn:aws:sns:us-east-1:000000000001:no", Message="m"), "NotFound", 404),
        (lambda: sns.create_topic(Name="bad name"), "InvalidParameter", 400),
        (lambda: sns.subscribe(TopicArn="x", Protocol="sqs"), "InvalidParameter", 400),
        (lambda: sns.publish_batch(TopicArn=sns.create_topic(Name="t")["TopicArn"], PublishBatchRequestEntries=[]),
         "EmptyBatchRequest", 400),
        (lambda: sns.get_sms_sandbox_account_status(), "NotImplemented", 501),
    ):  # fmt: skip
        with pytest.raises(ClientError) as refused:
            call()  # type: ignore[no-untyped-call]
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_batch_of_a_mebibyte_arrives(aws: Clients) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="big", Attributes={"MaximumMessageSize": "1048576"})["TopicArn"]
    url, arn = queue(aws, "big", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    entries = [{"Id": str(n), "Message": "ü%&=" * 20_000} for n in range(10)]
    assert len(sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]) == 10
    assert {message["Body"] for message in received(aws, url, 10)} == {"ü%&=" * 20_000}


TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Other": {"Type": "AWS::SQS::Queue"},
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "DisplayName": "News",
                "Subscription": [{"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Other", "Arn"]}}],
                "Tags": [{"Key": "k", "Value": "v"}],
            },
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
                "RawMessageDelivery": True,
                "FilterPolicy": {"kind": ["a"]},
            },
        },
        "Policy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "Topic"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sns:Publish",
                            "Resource": {"Ref": "Topic"},
                        }
                    ],
                },
            },
        },
    },
    "Outputs": {
        "Topic": {"Value": {"Ref": "Topic"}},
        "Name": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}},
        "Subscription": {"Value": {"Ref": "Subscription"}},
    },
}


def test_topics_in_stacks(aws: Clients) -> None:
    stacks, sns = aws("cloudformation"), aws("sns")
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    (stack,) = stacks.describe_stacks(StackName="s")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    topic = outputs["Topic"]
    assert topic.endswith(f":{outputs['Name']}")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("News", "2")
    assert "events.amazonaws.com" in attributes["Policy"]
    assert {"Key": "k", "Value": "v"} in sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    found = sns.get_subscription_attributes(SubscriptionArn=outputs["Subscription"])["Attributes"]
    assert (json.loads(found["FilterPolicy"]), found["RawMessageDelivery"]) == ({"kind": ["a"]}, "true")
    changed = json.loads(json.dumps(TEMPLATE))
    del changed["Resources"]["Policy"], changed["Resources"]["Topic"]["Properties"]["Subscription"]
    changed["Resources"]["Topic"]["Properties"]["DisplayName"] = "Old news"
    changed["Resources"]["Subscription"]["Properties"] |= {
        "FilterPolicy": {"kind": {"of": ["a"]}},
        "FilterPolicyScope": "MessageBody",
    }
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed))
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("Old news", "1")
    assert "events.amazonaws.com" not in attributes["Policy"]
    found = sns.get_subscription_attributes(SubscriptionArn=outputs["Subscription"])["Attributes"]
    assert found["FilterPolicyScope"] == "MessageBody"
    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert sns.list_topics()["Topics"] == []


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    first = start(tmp_path / "data")
    try:
        sns = first.client("sns")
        topic = sns.create_topic(Name="news")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
        receiver.wait(1)
        sns.confirm_subscription(TopicArn=topic, Token=receiver.got[0][1]["Token"])
        receiver.status = 503
        sns.publish(TopicArn=topic, Message="kept")
        receiver.wait(2)
        certificate = receiver.got[1][1]["SigningCertURL"].rpartition("/")[2]
    finally:
        first.process.kill()
        first.process.wait()
    receiver.status = 200
    second = start(tmp_path / "data", "--clock", "manual")
    try:
        request = urllib.request.Request(f"{second.url}/_freehold/clock", b'{"advance_seconds": 60}', method="POST")
        urllib.request.urlopen(request, timeout=30).read()
        receiver.wait(3)
        message = receiver.got[2][1]
        assert message["Message"] == "kept"
        assert message["SigningCertURL"].endswith(certificate)
        verify(message)
    finally:
        stop(second)
