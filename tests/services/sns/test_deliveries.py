"""What a target gets of a message: envelopes and their signatures, raw messages, the event of functions; and what
becomes of a delivery: logged, sent to the dead-letter queue, expanded in pages."""

from __future__ import annotations

import json

from freehold.kit.faults import Fault
from freehold.ports.identity import Source
from tests.services.sns.support import ACCOUNT, DEAD, FUNCTION, QUEUE, REGION, Sns, scenario, string, verify


@scenario
async def test_a_queue_gets_the_json_envelope_and_its_signature_when_it_is_received(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic)
    attributes = {"kind": string("a"), "n": string("5", "Number"), "b": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    id = await sns.publish(topic, 'say "é"', Subject="Subj", MessageAttributes=attributes, trace="Root=1-2-3")
    (sent,) = sns.sent
    assert sent.source == Source("sns.amazonaws.com", topic, ACCOUNT)
    assert sent.trace == "Root=1-2-3"
    assert sent.message is not None and sent.message.unsigned
    (body,) = await sns.port.signed([sent.body])
    assert len(body) == len(sent.body)
    envelope = json.loads(body)
    assert list(envelope) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert envelope["MessageId"] == id
    assert envelope["Message"] == 'say "é"'
    assert envelope["Timestamp"] == "2026-01-01T00:00:00.000Z"
    assert envelope["UnsubscribeURL"].endswith(f"SubscriptionArn={subscription}")
    assert envelope["MessageAttributes"]["b"] == {"Type": "Binary", "Value": "AA=="}
    await verify(sns, envelope)


@scenario
async def test_signature_version_2_is_sha256(sns: Sns) -> None:
    topic = await sns.topic(SignatureVersion="2")
    await sns.subscribe(topic)
    await sns.publish(topic)
    envelope = json.loads((await sns.port.signed([sns.sent[0].body]))[0])
    assert envelope["SignatureVersion"] == "2"
    await verify(sns, envelope)


@scenario
async def test_a_raw_message_is_the_message_with_its_attributes(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    await sns.publish(topic, "plain", MessageAttributes={"a": string("1")})
    (sent,) = sns.sent
    assert sent.body == "plain"
    assert sent.message is not None
    assert sent.message.attributes == {"a": string("1")}
    assert not sent.message.unsigned


@scenario
async def test_a_raw_message_with_more_than_ten_attributes_is_a_client_side_error(sns: Sns) -> None:
    topic = await sns.topic()
    redrive = json.dumps({"deadLetterTargetArn": DEAD})
    await sns.subscribe(topic, RawMessageDelivery="true", RedrivePolicy=redrive)
    await sns.publish(topic, MessageAttributes={f"a{n}": string("1") for n in range(11)})
    await sns.advance()
    assert sns.sent == [], "nor can the dead-letter queue take it"
    await sns.publish(topic, MessageAttributes={f"a{n}": string("1") for n in range(10)})
    assert [sent.target for sent in sns.sent] == [QUEUE]


@scenario
async def test_a_function_gets_the_event_of_sns(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic, FUNCTION, "lambda")
    for known in (False, True):  # the second publish signs before its transaction
        await sns.publish(topic, f"m{known}", Subject="S", MessageAttributes={"a": string("1")})
        event = sns.sent[-1].json
        (record,) = event["Records"]
        assert {key: record[key] for key in ("EventSource", "EventVersion", "EventSubscriptionArn")} == {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
        }
        assert record["Sns"]["MessageAttributes"] == {"a": {"Type": "String", "Value": "1"}}
        assert record["Sns"]["Message"] == f"m{known}"
        await verify(sns, record["Sns"])


@scenario
async def test_message_structure_json_gives_each_protocol_its_text(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    await sns.subscribe(topic, FUNCTION, "lambda")
    text = json.dumps({"default": "d", "sqs": "for queues"})
    await sns.publish(topic, text, MessageStructure="json")
    assert sns.to(QUEUE)[0].body == "for queues"
    assert sns.to(FUNCTION)[0].json["Records"][0]["Sns"]["Message"] == "d"
    bad = "Invalid parameter: Message Structure - "
    code = "InvalidParameterException"
    asked = {"TopicArn": topic, "MessageStructure": "json"}
    assert await sns.refused("Publish", Message="{", **asked) == (code, bad + "JSON message body failed to parse")
    assert await sns.refused("Publish", Message='{"sqs":"x"}', **asked) == (
        code,
        bad + "No default entry in JSON message body",
    )


@scenario
async def test_client_side_errors_go_to_the_dead_letter_queue_at_once(sns: Sns) -> None:
    topic = await sns.topic(SQSFailureFeedbackRoleArn="arn:aws:iam::111122223333:role/r")
    redrive = json.dumps({"deadLetterTargetArn": DEAD})
    await sns.subscribe(topic, RedrivePolicy=redrive)
    await sns.subscribe(topic, FUNCTION, "lambda")
    sns.refusing[QUEUE] = Fault("QueueDoesNotExist", "The specified queue does not exist.")
    sns.refusing[FUNCTION] = Fault("ResourceNotFoundException", "Function not found")
    id = await sns.publish(topic, "lost")
    (dead,) = sns.sent
    assert dead.target == DEAD
    assert dead.json["MessageId"] == id
    await sns.advance()
    (group, line) = sns.logs.lines[0]
    assert group == f"sns/{REGION}/{ACCOUNT}/news/Failure"
    assert line["status"] == "FAILURE"
    assert line["delivery"]["destination"] == QUEUE
    assert len(sns.logs.lines) == 1


@scenario
async def test_successes_are_logged_by_sample_rate(sns: Sns) -> None:
    role = "arn:aws:iam::111122223333:role/r"
    topic = await sns.topic(SQSSuccessFeedbackRoleArn=role, SQSSuccessFeedbackSampleRate="50")
    await sns.subscribe(topic)
    ids = {await sns.publish(topic, f"m{n}") for n in range(100)}
    await sns.advance()
    assert 25 < len(sns.logs.lines) < 75
    group, line = sns.logs.lines[0]
    assert group == f"sns/{REGION}/{ACCOUNT}/news"
    assert line["status"] == "SUCCESS"
    assert line["delivery"]["statusCode"] == 200
    assert line["notification"]["messageId"] in ids
    assert line["notification"]["timestamp"] == "2026-01-01 00:00:00.000"


@scenario
async def test_more_than_100_deliveries_are_expanded_in_pages(sns: Sns) -> None:
    topic = await sns.topic()
    for n in range(250):
        await sns.subscribe(topic, f"{QUEUE}{n}", RawMessageDelivery="true")
    await sns.publish(topic, "to all")
    assert sns.sent == []
    await sns.advance()
    assert {sent.target for sent in sns.sent} == {f"{QUEUE}{n}" for n in range(250)}
    assert {sent.body for sent in sns.sent} == {"to all"}
