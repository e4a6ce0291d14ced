"""Topics: names, attributes, tags, permissions."""

from __future__ import annotations

import json
from typing import Any

from freehold.kit.faults import Fault
from tests.services.sns.support import ACCOUNT, OTHER, QUEUE, REGION, Sns, scenario

INVALID = "InvalidParameterException"


@scenario
async def test_creating_again_is_idempotent_unless_attributes_or_tags_differ(sns: Sns) -> None:
    asked: dict[str, Any] = {
        "Name": "news",
        "Attributes": {"DisplayName": "News"},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    topic = (await sns("CreateTopic", **asked))["TopicArn"]
    assert topic == f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
    assert (await sns("CreateTopic", **asked))["TopicArn"] == topic
    assert (await sns("CreateTopic", Name="news"))["TopicArn"] == topic
    assert await sns.refused("CreateTopic", Name="news", Attributes={"DisplayName": "Other"}) == (
        INVALID,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    assert await sns.refused("CreateTopic", Name="news", Tags=[{"Key": "k", "Value": "w"}]) == (
        INVALID,
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
    )


@scenario
async def test_names_are_letters_digits_hyphens_and_underscores(sns: Sns) -> None:
    for name in ("", "a b", "a.b", "a" * 257, "news.fifo"):
        assert await sns.refused("CreateTopic", Name=name) == (INVALID, "Invalid parameter: Topic Name"), name
    for name in ("news", ".fifo", "a" * 252 + ".fifo"):
        code, message = await sns.refused("CreateTopic", Name=name, Attributes={"FifoTopic": "true"})
        assert (code, "Topic" in message) == (INVALID, True)
    await sns.topic("a" * 256)
    await sns.topic("a" * 251 + ".fifo")


@scenario
async def test_what_topic_attributes_may_hold(sns: Sns) -> None:
    topic = await sns.topic()
    for name, value in (
        ("SignatureVersion", "3"),
        ("TracingConfig", "On"),
        ("ContentBasedDeduplication", "true"),
        ("FifoThroughputScope", "Topic"),
        ("SQSSuccessFeedbackRoleArn", "role"),
        ("SQSSuccessFeedbackSampleRate", "101"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("FifoTopic", "true"),
        ("Policy", "no json"),
        ("Policy", '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}'),
        ("Colour", "red"),
    ):
        request = {"TopicArn": topic, "AttributeName": name, "AttributeValue": value}
        assert (await sns.refused("SetTopicAttributes", **request))[0] == INVALID, (name, value)
    shown = (await sns("GetTopicAttributes", TopicArn=topic))["Attributes"]
    assert shown["Owner"] == ACCOUNT
    policy = json.loads(shown["Policy"])
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}
    effective = json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    assert (effective["numRetries"], effective["minDelayTarget"]) == (3, 20)
    fifo = (await sns("GetTopicAttributes", TopicArn=await sns.topic("news.fifo")))["Attributes"]
    assert (fifo["FifoTopic"], fifo["ContentBasedDeduplication"]) == ("true", "false")


@scenario
async def test_messages_beyond_256_kib_want_queues_and_functions_only(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, "+15555550100", "sms")
    request = {"TopicArn": topic, "AttributeName": "MaximumMessageSize", "AttributeValue": "300000"}
    assert "SQS, Lambda" in (await sns.refused("SetTopicAttributes", **request))[1]
    await sns.subscribe(topic)
    await sns("SetTopicAttributes", **{**request, "AttributeValue": "2000"})
    assert (await sns.refused("Publish", TopicArn=topic, Message="m" * 2001))[
        1
    ] == "Invalid parameter: Message too long"


@scenario
async def test_a_fifo_topic_has_at_most_100_subscriptions(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    for n in range(100):
        await sns.subscribe(topic, f"{QUEUE}{n}.fifo")
    request = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE}
    assert (await sns.refused("Subscribe", **request))[0] == "SubscriptionLimitExceededException"


@scenario
async def test_tags(sns: Sns) -> None:
    topic = await sns.topic()
    await sns("TagResource", ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await sns("TagResource", ResourceArn=topic, Tags=[{"Key": "a", "Value": "3"}])
    await sns("UntagResource", ResourceArn=topic, TagKeys=["b", "c"])
    assert (await sns("ListTagsForResource", ResourceArn=topic))["Tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": str(n), "Value": ""} for n in range(50)]
    assert (await sns.refused("TagResource", ResourceArn=topic, Tags=many))[0] == "TagLimitExceededException"
    assert (await sns.refused("ListTagsForResource", ResourceArn=topic + "x"))[0] == "ResourceNotFoundException"


@scenario
async def test_permissions_are_statements_of_the_policy(sns: Sns) -> None:
    topic = await sns.topic()
    request: dict[str, Any] = {
        "TopicArn": topic,
        "Label": "l",
        "AWSAccountId": [OTHER],
        "ActionName": ["Publish", "Subscribe"],
    }
    await sns("AddPermission", **request)
    assert (await sns.refused("AddPermission", **request))[1] == "Invalid parameter: Statement already exists"
    assert (
        "out of service scope"
        in (await sns.refused("AddPermission", **{**request, "Label": "m", "ActionName": ["X"]}))[1]
    )
    policy = json.loads((await sns("GetTopicAttributes", TopicArn=topic))["Attributes"]["Policy"])
    assert policy["Statement"][1] == {
        "Sid": "l",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": ["SNS:Publish", "SNS:Subscribe"],
        "Resource": topic,
    }
    queue = QUEUE.replace(ACCOUNT, OTHER)
    found = await sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue, account=OTHER)
    owned = (await sns("GetSubscriptionAttributes", SubscriptionArn=found["SubscriptionArn"], account=OTHER))[
        "Attributes"
    ]
    assert (owned["Owner"], owned["PendingConfirmation"]) == (OTHER, "false")
    assert len((await sns("ListSubscriptions", account=OTHER))["Subscriptions"]) == 1
    await sns("RemovePermission", TopicArn=topic, Label="l")
    assert (await sns.refused("GetTopicAttributes", TopicArn=topic, account=OTHER))[0] == "AuthorizationErrorException"


@scenario
async def test_failures_are_counted_under_the_names_of_cloudwatch(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic)
    sns.refusing[QUEUE] = Fault("AccessDenied", "no")
    await sns.publish(topic)
    await sns.advance()
    await sns.platform.meters.flush()
    found = await sns.platform.meters.read(
        ACCOUNT, REGION, "AWS/SNS:NumberOfNotificationsFailed", 0, sns.clock.now_ms() + 1
    )
    assert found


@scenario
async def test_nothing_of_a_deleted_topic_stays_in_memory(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic)
    await sns.publish(topic)
    assert sns.platform.own["sns.topics"]
    await sns("DeleteTopic", TopicArn=topic)
    assert not sns.platform.own["sns.topics"]
