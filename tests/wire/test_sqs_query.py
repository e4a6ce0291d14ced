"""SQS by query, as it was spoken before it moved to JSON."""

from __future__ import annotations

from freehold import wire
from freehold.kit.faults import Fault
from tests.wire.requests import form, sent
from tests.wire.services import ID, route


def test_sqs_by_query() -> None:
    request = form(
        "/000000000000/q",
        **{
            "Action": "SendMessage",
            "Version": "2012-11-05",
            "MessageBody": "hi",
            "MessageAttribute.1.Name": "a",
            "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "x",
        },
    )
    match = route("sqs", request)
    assert match.protocol == "query"
    assert wire.parse(match, request) == {
        "QueueUrl": "http://127.0.0.1:4566/000000000000/q",
        "MessageBody": "hi",
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}},
    }
    response = wire.render(match, {"MessageId": "m", "MD5OfMessageBody": "d"}, ID)
    assert isinstance(response.body, bytes)
    assert response.body.decode() == (
        '<SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageResult><MessageId>m'
        "</MessageId><MD5OfMessageBody>d</MD5OfMessageBody></SendMessageResult><ResponseMetadata><RequestId>"
        f"{ID}</RequestId></ResponseMetadata></SendMessageResponse>"
    )


def test_sqs_by_query_flattens_messages_and_attributes() -> None:
    request = form(
        Action="ReceiveMessage", QueueUrl="http://x/1/q", **{"AttributeName.1": "All", "MaxNumberOfMessages": "5"}
    )
    match = route("sqs", request)
    assert wire.parse(match, request) == {
        "QueueUrl": "http://x/1/q",
        "AttributeNames": ["All"],
        "MaxNumberOfMessages": 5,
    }
    message = {"MessageId": "m", "Body": "<b>", "Attributes": {"SentTimestamp": "1", "SenderId": "s"}}
    response = wire.render(match, {"Messages": [message, {**message, "MessageId": "n"}]}, ID)
    assert isinstance(response.body, bytes)
    text = response.body.decode()
    assert text.count("<Message><MessageId>") == 2
    assert "<Body>&lt;b&gt;</Body><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>" in text


def test_sqs_by_query_batches() -> None:
    fields = {"Action": "SendMessageBatch", "QueueUrl": "http://x/1/q"}
    for at in range(1, 12):
        fields[f"SendMessageBatchRequestEntry.{at}.Id"] = f"i{at}"
        fields[f"SendMessageBatchRequestEntry.{at}.MessageBody"] = "b"
    request = form(**fields)
    parsed = wire.parse(route("sqs", request), request)
    assert [entry["Id"] for entry in parsed["Entries"]] == [f"i{at}" for at in range(1, 12)]


def test_every_name_of_sqs_by_query_is_in_its_model() -> None:
    service = wire.load("sqs")
    names = service.patch.query_names
    assert names.members and names.keys and service.patch.query_codes
    assert all(member in service.shapes[shape]["members"] for shape, member in names.members)
    assert all(service.shapes[shape]["type"] == "map" for shape in names.keys)
    assert all(code in service.error_codes for code in service.patch.query_codes)


def test_sqs_errors_in_json_name_the_old_code_too() -> None:
    fault = Fault("QueueDoesNotExist", "The specified queue does not exist.")
    request = sent("sqs", "get_queue_url", QueueName="q")
    response = wire.render_fault(route("sqs", request), fault, ID)
    assert response.status == 400
    assert dict(response.headers)["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert (
        response.body
        == b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}'
    )
    asked = form(Action="GetQueueUrl", QueueName="q")
    by_query = wire.render_fault(route("sqs", asked), fault, ID)
    assert b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in by_query.body  # type: ignore[operator]
