"""Filter policies: which messages a subscription gets, and how many a topic may have."""

from __future__ import annotations

from typing import Any

from tests.services.sns.support import QUEUE, Sns, scenario, string


@scenario
async def test_filter_policies_on_attributes_and_body(sns: Sns) -> None:
    topic = await sns.topic()
    queues = [f"{QUEUE}{n}" for n in range(3)]
    await sns.subscribe(topic, queues[0], FilterPolicy='{"kind": ["a", {"prefix": "b"}], "n": [{"numeric": [">", 3]}]}')
    await sns.subscribe(topic, queues[1], FilterPolicy='{"user": {"age": [30]}}', FilterPolicyScope="MessageBody")
    await sns.subscribe(topic, queues[2], FilterPolicy='{"tags": ["x"]}')

    async def reached(message: str = "m", **attributes: dict[str, str]) -> list[int]:
        sns.written.clear()
        await sns.publish(topic, message, MessageAttributes=attributes)
        return sorted(queues.index(sent.target) for sent in sns.sent)

    assert await reached(kind=string("bcd"), n=string("4", "Number")) == [0]
    assert await reached(kind=string("bcd"), n=string("3", "Number")) == []
    assert await reached('{"user": {"age": 30}}') == [1]
    assert await reached("no json") == []
    assert await reached(tags=string('["y", "x"]', "String.Array")) == [2]


@scenario
async def test_200_filter_policies_of_a_topic_at_most(sns: Sns) -> None:
    topic = await sns.topic()
    for n in range(200):
        last = await sns.subscribe(topic, f"{QUEUE}{n}", FilterPolicy='{"a": ["b"]}')
    request: dict[str, Any] = {
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "Attributes": {"FilterPolicy": '{"a": ["b"]}'},
    }
    assert (await sns.refused("Subscribe", **request))[0] == "FilterPolicyLimitExceededException"
    await sns("Unsubscribe", SubscriptionArn=last)
    await sns("Subscribe", **request)
