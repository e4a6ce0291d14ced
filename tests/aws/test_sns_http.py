"""HTTP endpoints of topics: confirmed, signed for, retried, given up, and kept over a kill."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.aws.conftest import start, stop
from tests.aws.topics import Clients, Receiver, queue, received, receiver, verify

__all__ = ["receiver"]


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
    receiver.status, tried = 200, len(receiver.got)
    second = start(tmp_path / "data", "--clock", "manual")
    try:
        request = urllib.request.Request(f"{second.url}/_freehold/clock", b'{"advance_seconds": 60}', method="POST")
        urllib.request.urlopen(request, timeout=30).read()
        receiver.wait(tried + 1)
        message = receiver.got[tried][1]
        assert message["Message"] == "kept"
        assert message["SigningCertURL"].endswith(certificate)
        verify(message)
    finally:
        stop(second)
