"""HTTP endpoints: confirmation, signed messages, retries by policy over hours of service time, throttling."""

from __future__ import annotations

import json
from itertools import pairwise

from tests.services.sns.support import ACCOUNT, DEAD, REGION, Post, Sns, scenario, verify

URL = "http://endpoint.test/in"
LETTER = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


async def confirmed(sns: Sns, topic: str, url: str = URL, **attributes: str) -> str:
    subscription = await sns.subscribe(topic, url, "http", **attributes)
    await sns.advance()
    assert (await sns.visit(sns.posts[-1].json["SubscribeURL"]))[0] == 200
    sns.posts.clear()
    return subscription


def policy(**retries: int | str) -> str:
    return json.dumps({"http": {"defaultHealthyRetryPolicy": retries}})


def delays(sns: Sns) -> list[float]:
    """Seconds between attempts."""
    times = [post.at_ms for post in sns.posts]
    return [(after - before) / 1000 for before, after in pairwise(times)]


@scenario
async def test_an_endpoint_confirms_and_gets_signed_messages(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic, URL, "http")
    await sns.publish(topic, "before")
    await sns.advance()
    (post,) = sns.posts
    assert post.headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert post.headers["x-amz-sns-topic-arn"] == topic
    assert "x-amz-sns-subscription-arn" not in post.headers
    assert post.headers["content-type"] == "text/plain; charset=UTF-8"
    assert post.headers["user-agent"] == "Amazon Simple Notification Service Agent"
    await verify(sns, post.json, LETTER)
    status, said = await sns.visit(post.json["SubscribeURL"])
    assert (status, subscription in said) == (200, True)
    found = (await sns("GetSubscriptionAttributes", SubscriptionArn=subscription))["Attributes"]
    assert (found["PendingConfirmation"], found["ConfirmationWasAuthenticated"]) == ("false", "false")
    id = await sns.publish(topic, "after", Subject="S")
    await sns.advance()
    post = sns.posts[-1]
    assert post.headers["x-amz-sns-message-type"] == "Notification"
    assert post.headers["x-amz-sns-message-id"] == id
    assert post.headers["x-amz-sns-subscription-arn"] == subscription
    assert (post.json["Message"], post.json["Subject"]) == ("after", "S")
    await verify(sns, post.json)
    assert (await sns.visit(post.json["UnsubscribeURL"]))[0] == 200
    await sns.advance()
    assert sns.posts[-1].json["Type"] == "UnsubscribeConfirmation"
    await verify(sns, sns.posts[-1].json, LETTER)
    count = len(sns.posts)
    await sns.publish(topic, "gone")
    await sns.advance()
    assert len(sns.posts) == count


@scenario
async def test_raw_delivery_posts_the_message_itself(sns: Sns) -> None:
    topic = await sns.topic()
    own = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    await confirmed(sns, topic, RawMessageDelivery="true", DeliveryPolicy=own)
    await sns.publish(topic, '{"a": 1}')
    await sns.advance()
    (post,) = sns.posts
    assert post.body == '{"a": 1}'
    assert post.headers["x-amz-sns-rawdelivery"] == "true"
    assert post.headers["content-type"] == "application/json"


@scenario
async def test_three_retries_twenty_seconds_apart_by_default_then_the_dead_letter_queue(sns: Sns) -> None:
    topic = await sns.topic(HTTPFailureFeedbackRoleArn=f"arn:aws:iam::{ACCOUNT}:role/r")
    await confirmed(sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD}))
    sns.answer = lambda post: 503
    await sns.publish(topic, "lost")
    await sns.advance(3600)
    assert delays(sns) == [20, 20, 20]
    (dead,) = sns.to(DEAD)
    assert dead.json["Message"] == "lost"
    assert dead.message is not None and dead.message.unsigned
    ((group, line),) = sns.logs.lines
    assert group == f"sns/{REGION}/{ACCOUNT}/news/Failure"
    assert (line["delivery"]["statusCode"], line["delivery"]["attempts"], line["delivery"]["dwellTimeMs"]) == (
        503,
        4,
        60_000,
    )


@scenario
async def test_client_errors_are_not_tried_again_and_429_is(sns: Sns) -> None:
    topic = await sns.topic()
    await confirmed(sns, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD}))
    sns.answer = lambda post: 404
    await sns.publish(topic, "refused")
    await sns.advance(3600)
    assert len(sns.posts) == 1
    assert len(sns.to(DEAD)) == 1
    sns.posts.clear()
    answers = iter([429, 0, 500, 200])
    sns.answer = lambda post: next(answers)
    await sns.publish(topic, "in the end")
    await sns.advance(3600)
    assert len(sns.posts) == 4
    assert len(sns.to(DEAD)) == 1


@scenario
async def test_the_phases_of_a_retry_policy(sns: Sns) -> None:
    phases = policy(
        numRetries=8, numNoDelayRetries=1, minDelayTarget=5, numMinDelayRetries=2, maxDelayTarget=65,
        numMaxDelayRetries=2, backoffFunction="linear",
    )  # fmt: skip
    topic = await sns.topic(DeliveryPolicy=phases)
    await confirmed(sns, topic)
    sns.answer = lambda post: 500
    await sns.publish(topic)
    await sns.advance(3600)
    assert delays(sns) == [0, 5, 5, 5, 35, 65, 65, 65]


@scenario
async def test_backoff_functions(sns: Sns) -> None:
    expected = {
        "linear": [10, 20, 30, 40],
        "geometric": [10, 15.874, 25.198, 40],
        "arithmetic": [10, 15, 25, 40],
        "exponential": [10, 14.285, 22.857, 40],
    }
    sns.answer = lambda post: 500 if post.headers["x-amz-sns-message-type"] == "Notification" else 200
    for name, waits in expected.items():
        text = policy(numRetries=4, minDelayTarget=10, maxDelayTarget=40, backoffFunction=name)
        topic = await sns.topic(name, DeliveryPolicy=text)
        await confirmed(sns, topic)
        await sns.publish(topic)
        await sns.advance(3600)
        assert delays(sns) == waits, name


@scenario
async def test_a_subscriptions_policy_wins_unless_the_topic_forbids_it(sns: Sns) -> None:
    topic = await sns.topic()
    own = json.dumps({"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 7, "maxDelayTarget": 7}})
    subscription = await confirmed(sns, topic, DeliveryPolicy=own)
    found = (await sns("GetSubscriptionAttributes", SubscriptionArn=subscription))["Attributes"]
    assert json.loads(found["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["minDelayTarget"] == 7
    sns.answer = lambda post: 500
    await sns.publish(topic)
    await sns.advance(3600)
    assert delays(sns) == [7]
    text = json.dumps({"http": {"disableSubscriptionOverrides": True}})
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=text)
    sns.posts.clear()
    await sns.publish(topic)
    await sns.advance(3600)
    assert delays(sns) == [20, 20, 20]


@scenario
async def test_what_a_delivery_policy_may_not_say(sns: Sns) -> None:
    topic = await sns.topic()
    for text in (
        "no json",
        policy(numRetries=101),
        policy(minDelayTarget=0),
        policy(minDelayTarget=30, maxDelayTarget=20),
        policy(maxDelayTarget=3601),
        policy(numRetries=2, numNoDelayRetries=3),
        policy(backoffFunction="random"),
        policy(numRetries=100, minDelayTarget=40, maxDelayTarget=40),
        json.dumps({"http": {"defaultThrottlePolicy": {"maxReceivesPerSecond": 0}}}),
        json.dumps({"http": {"defaultRequestPolicy": {"headerContentType": "image/png"}}}),
        json.dumps({"http": {"unknown": 1}}),
        json.dumps({"ftp": {}}),
    ):
        request = {"TopicArn": topic, "AttributeName": "DeliveryPolicy", "AttributeValue": text}
        code, message = await sns.refused("SetTopicAttributes", **request)
        assert (code, message.startswith("Invalid parameter: DeliveryPolicy: ")) == (
            "InvalidParameterException",
            True,
        ), text


@scenario
async def test_max_receives_per_second_spaces_deliveries(sns: Sns) -> None:
    topic = await sns.topic(DeliveryPolicy=json.dumps({"http": {"defaultThrottlePolicy": {"maxReceivesPerSecond": 2}}}))
    await confirmed(sns, topic)
    await sns.advance(10)
    for n in range(5):
        await sns.publish(topic, str(n))
    await sns.advance(10)
    assert delays(sns) == [0.5, 0.5, 0.5, 0.5]


@scenario
async def test_a_day_of_retries_ends_by_the_clock_alone(sns: Sns) -> None:
    """Confirmations are tried as often as notifications, and an endpoint that comes back gets what waits for it."""
    topic = await sns.topic(DeliveryPolicy=policy(numRetries=3, minDelayTarget=1100, maxDelayTarget=1100))
    await confirmed(sns, topic)
    up: list[bool] = []

    def answer(post: Post) -> int:
        return 200 if up else 0

    sns.answer = answer
    await sns.publish(topic, "patient")
    await sns.advance(2300)
    assert len(sns.posts) == 3
    up.append(True)
    await sns.advance(86_400)
    assert delays(sns) == [1100, 1100, 1100]
    assert sns.posts[-1].json["Message"] == "patient"


class Home:
    """Stands for API Gateway, which knows where its APIs are."""

    async def home(self, url: str) -> str:
        return url.replace("https://abc.execute-api.us-east-1.amazonaws.com", "http://127.0.0.1:4566/_apis/abc")


@scenario
async def test_an_endpoint_spelled_as_aws_spells_an_api_is_found_here(sns: Sns) -> None:
    sns.platform.addresses = Home()
    topic = await sns.topic()
    await sns.subscribe(topic, "https://abc.execute-api.us-east-1.amazonaws.com/prod/in", "https")
    await sns.advance()
    assert [post.url for post in sns.posts] == ["http://127.0.0.1:4566/_apis/abc/prod/in"]
