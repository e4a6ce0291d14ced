"""Asynchronous invocations over the wire: retries, throttling, refused settings; hours of them in seconds."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server
from tests.aws.manual_clock import ECHO, FAILS, Client, advance, function, manual, messages, on, queue
from tests.aws.waiting import eventually

__all__ = ["manual", "on"]

WAITS = """import boto3
def handler(event, context):
    if "gate" in event:
        sqs = boto3.client("sqs")
        sqs.send_message(QueueUrl=event["log"], MessageBody="running")
        while not sqs.receive_message(QueueUrl=event["gate"], WaitTimeSeconds=20).get("Messages"): pass
"""


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


def test_an_event_of_a_function_without_concurrency_fails_at_once(on: Client, manual: Server) -> None:
    url, arn = queue(on, "done")
    function(on, "echo", ECHO)
    functions = on("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="echo",
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


def test_a_throttled_event_runs_when_there_is_room_again(on: Client, manual: Server) -> None:
    url, arn = queue(on, "done")
    (log, _), (gate, _) = queue(on, "log"), queue(on, "gate")
    function(on, "waits", WAITS, Timeout=60)
    functions = on("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="waits", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    functions.put_function_concurrency(FunctionName="waits", ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as threads:
        held = json.dumps({"log": log, "gate": gate})
        waiting = threads.submit(functions.invoke, FunctionName="waits", Payload=held)
        try:
            eventually(lambda: messages(on, log))
            functions.invoke(FunctionName="waits", InvocationType="Event", Payload=b"{}")
            advance(manual, "5s")
            assert messages(on, url) == [], "its only instance is busy"
        finally:
            on("sqs").send_message(QueueUrl=gate, MessageBody="open")
        assert "FunctionError" not in waiting.result()
    advance(manual, "5m")
    (message,) = messages(on, url)
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 1, "throttles are no tries"


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
    assert [event["Records"][0]["Sns"]["Message"] for event in heard] == ["heard"]
