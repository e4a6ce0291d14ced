"""SNS through boto3: topics deliver to queues and functions, to the outbox of mails and texts, and log it."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server
from tests.aws.topics import Clients, queue, received, verify
from tests.aws.waiting import eventually

REGION = "us-east-1"


def logged(aws: Clients, group: str, pattern: str = "") -> list[str]:
    """The lines of a log group, which need not exist yet."""
    try:
        found = aws("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    except ClientError:
        return []
    return [event["message"] for event in found]


def test_a_queue_gets_signed_envelopes_and_raw_messages_under_its_policy(aws: Clients) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name="news", Attributes={"SignatureVersion": "2"})["TopicArn"]
    closed, arn = queue(aws, "closed")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="the queue's policy says nothing of the topic")
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
    assert "Messages" not in aws("sqs").receive_message(QueueUrl=closed), "of three messages that others got"


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
    (line,) = eventually(lambda: logged(aws, "/aws/lambda/see", "GOT"))
    record = json.loads(line.partition("GOT ")[2])
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
        found = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
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
    (message,) = eventually(lambda: logged(aws, f"sns/{REGION}/{account}/news"))
    line = json.loads(message)
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
