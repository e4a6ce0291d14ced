"""FIFO topics: deduplication, sequence numbers, and the order of a group."""

from __future__ import annotations

from freehold.kit.tuples import span
from freehold.ports.identity import Source
from freehold.ports.topics import Note
from freehold.store.base import Tx
from tests.services.sns.support import ACCOUNT, FIFO, Sns, scenario


@scenario
async def test_fifo_topics_deduplicate_for_five_minutes_and_number_messages(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    await sns.subscribe(topic, FIFO, RawMessageDelivery="true")
    asked = {"TopicArn": topic, "Message": "m", "MessageGroupId": "g"}
    first = await sns("Publish", MessageDeduplicationId="1", **asked)
    again = await sns("Publish", MessageDeduplicationId="1", **asked)
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    second = await sns("Publish", MessageDeduplicationId="2", **asked)
    assert len(first["SequenceNumber"]) == 20
    assert second["SequenceNumber"] > first["SequenceNumber"]
    await sns.advance(299.9)
    await sns("Publish", MessageDeduplicationId="1", **asked)
    assert len(sns.sent) == 2
    await sns.advance(0.1)
    await sns("Publish", MessageDeduplicationId="1", **asked)
    assert len(sns.sent) == 3
    assert sns.sent[0].message is not None
    assert (sns.sent[0].message.group, sns.sent[0].message.deduplication) == ("g", "1")
    await sns.advance(3600)
    assert await sns.store.read(lambda tx: tx.scan(*span("sns", "d"))) == []


@scenario
async def test_fifo_topics_want_a_group_and_a_deduplication_id(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    assert (await sns.refused("Publish", TopicArn=topic, Message="m"))[1] == (
        "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
    )
    assert (
        "ContentBasedDeduplication"
        in (await sns.refused("Publish", TopicArn=topic, Message="m", MessageGroupId="g"))[1]
    )
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="ContentBasedDeduplication", AttributeValue="true")
    await sns.subscribe(topic, FIFO)
    await sns.publish(topic, "m", MessageGroupId="g")
    await sns.publish(topic, "m", MessageGroupId="h")
    assert len(sns.sent) == 1
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="FifoThroughputScope", AttributeValue="MessageGroup")
    await sns.publish(topic, "n", MessageGroupId="g")
    await sns.publish(topic, "n", MessageGroupId="h")
    assert len(sns.sent) == 3
    assert len(sns.sent[-1].json["SequenceNumber"]) == 20


@scenario
async def test_the_order_of_a_group_holds_where_a_message_is_expanded_later(sns: Sns) -> None:
    topic = await sns.topic("news.fifo", ContentBasedDeduplication="true")
    for n in range(8):
        await sns.subscribe(topic, FIFO.replace("orders", f"orders{n}"), RawMessageDelivery="true")
    source = Source("s3.amazonaws.com", "arn", ACCOUNT, role=f"arn:aws:iam::{ACCOUNT}:role/r")
    texts = [("a" * 200_000, "g"), ("b", "g"), ("c", "h")]
    notes = [Note(sns.platform.ids.uuid(), text, group=group) for text, group in texts]

    def body(tx: Tx) -> None:
        for note in notes:
            sns.port.publish(tx, topic, note, now_ms=sns.clock.now_ms(), source=source)

    await sns.store.transact(body)
    assert {sent.body for sent in sns.sent} == {"c"}
    await sns.advance()
    for n in range(8):
        target = FIFO.replace("orders", f"orders{n}")
        assert [sent.body[0] for sent in sns.to(target) if sent.body != "c"] == ["a", "b"]
    await sns.publish(topic, "d", MessageGroupId="g")
    assert sns.sent[-1].body == "d"


@scenario
async def test_what_a_fifo_topic_remembers_goes_also_while_it_is_published_to(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    start, end = span("sns", "d")

    async def remembered() -> int:
        return len(await sns.store.read(lambda tx: tx.scan(start, end)))

    for minute in range(60):
        await sns.publish(topic, MessageGroupId="g", MessageDeduplicationId=str(minute))
        assert 1 <= await remembered() <= 11
        await sns.advance(60)
    await sns.advance(900)
    assert await remembered() == 0
