"""Publish and PublishBatch, and what the targets get."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from freehold.kit.faults import Fault
from freehold.kit.tuples import span
from freehold.ports.identity import Source
from freehold.ports.topics import Note
from freehold.store.base import Tx
from tests.services.sns.support import ACCOUNT, DEAD, FIFO, FUNCTION, OTHER, QUEUE, REGION, Sns, scenario, string


async def verify(sns: Sns, envelope: dict[str, Any], names: tuple[str, ...] = ()) -> None:
    """As AWS documents it: the certificate from SigningCertURL, the fields in order."""
    url = envelope.get("SigningCertURL") or envelope["SigningCertUrl"]
    _, pem = await sns.visit(url)
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    fields = names or ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{envelope[name]}\n" for name in fields if envelope.get(name) is not None)
    algorithm = hashes.SHA256() if envelope["SignatureVersion"] == "2" else hashes.SHA1()
    key.verify(base64.b64decode(envelope["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


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
    assert sns.sent == []


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
async def test_what_publish_refuses(sns: Sns) -> None:
    topic = await sns.topic()
    code = "InvalidParameterException"

    async def why(**request: Any) -> str:
        found, message = await sns.refused("Publish", **{"TopicArn": topic, "Message": "m", **request})
        assert found in (code, "InvalidParameterValueException", "NotFoundException"), found
        return message

    assert await why(Message="") == "Invalid parameter: Empty message"
    assert await why(Message="x" * (256 * 1024 + 1)) == "Invalid parameter: Message too long"
    for subject in ("", "x" * 101, "line\nbreak", "é", " begins with a space"):
        assert await why(Subject=subject) == "Invalid parameter: Subject"
    assert await why(TopicArn="x") == "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert await why(TopicArn=topic + "s") == "Topic does not exist"
    assert await why(TopicArn=topic.replace(REGION, "eu-west-1")) == "Invalid parameter: TopicArn"
    assert (await why(MessageDeduplicationId="d")).startswith("Invalid parameter: MessageDeduplicationId")
    for value, words in (
        ({"DataType": "Text", "StringValue": "x"}, "invalid message attribute type"),
        ({"DataType": "String", "StringValue": ""}, "non-empty"),
        ({"DataType": "Number", "StringValue": "five"}, "Could not cast message attribute 'a' value to number."),
        ({"DataType": "String.Array", "StringValue": '{"a": 1}'}, "JSON array"),
        ({"DataType": "Binary", "StringValue": "x"}, "non-empty"),
    ):
        assert words in await why(MessageAttributes={"a": value})
    assert sns.sent == []


@scenario
async def test_maximum_message_size_raises_the_limit_for_queues_and_functions(sns: Sns) -> None:
    topic = await sns.topic(MaximumMessageSize="1048576")
    await sns.subscribe(topic, RawMessageDelivery="true")
    await sns.publish(topic, "x" * 1_000_000)
    assert len(sns.sent[0].body) == 1_000_000
    assert (await sns.refused("Subscribe", TopicArn=topic, Protocol="email", Endpoint="a@b.cc"))[0] == (
        "InvalidParameterException"
    )


@scenario
async def test_a_batch_fails_entry_by_entry(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    entries = [
        {"Id": "1", "Message": "one"},
        {"Id": "2", "Message": ""},
        {"Id": "3", "Message": "three", "MessageDeduplicationId": "d"},
        {"Id": "4", "Message": "four"},
    ]
    found = await sns("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in found["Successful"]] == ["1", "4"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in found["Failed"]] == [
        ("2", "InvalidParameter", True),
        ("3", "InvalidParameter", True),
    ]
    assert [sent.body for sent in sns.sent] == ["one", "four"]


@scenario
async def test_what_a_batch_refuses_whole(sns: Sns) -> None:
    topic = await sns.topic()

    async def code(entries: list[dict[str, str]]) -> str:
        return (await sns.refused("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries))[0]

    assert await code([]) == "EmptyBatchRequestException"
    assert await code([{"Id": str(n), "Message": "m"} for n in range(11)]) == "TooManyEntriesInBatchRequestException"
    assert await code([{"Id": "a b", "Message": "m"}]) == "InvalidBatchEntryIdException"
    assert await code([{"Id": "a", "Message": "m"}] * 2) == "BatchEntryIdsNotDistinctException"
    big = [{"Id": str(n), "Message": "m" * 100_000} for n in range(3)]
    assert await code(big) == "BatchRequestTooLongException"


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
async def test_policies_hold_for_services_and_other_accounts(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, RawMessageDelivery="true")
    bucket = Source("s3.amazonaws.com", "arn:aws:s3:::bucket", ACCOUNT)

    async def emit(source: Source) -> str:
        note = Note(sns.platform.ids.uuid(), "from a service")
        try:
            await sns.store.transact(
                lambda tx: sns.port.publish(tx, topic, note, now_ms=sns.clock.now_ms(), source=source)
            )
        except Fault as fault:
            return fault.code
        return "published"

    assert await emit(bucket) == "AuthorizationErrorException"
    assert (await sns.refused("Publish", TopicArn=topic, Message="m", account=OTHER))[
        0
    ] == "AuthorizationErrorException"
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "SNS:Publish",
            "Resource": topic,
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}},
        }
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert await emit(bucket) == "published"
    assert await emit(Source("s3.amazonaws.com", "arn:aws:s3:::other", ACCOUNT)) == "AuthorizationErrorException"
    assert await emit(Source("x.amazonaws.com", "a", ACCOUNT, role=f"arn:aws:iam::{ACCOUNT}:role/r")) == "published"
    await sns("AddPermission", TopicArn=topic, Label="others", AWSAccountId=[OTHER], ActionName=["Publish"])
    await sns("Publish", TopicArn=topic, Message="m", account=OTHER)
    await sns("RemovePermission", TopicArn=topic, Label="others")
    assert (await sns.refused("Publish", TopicArn=topic, Message="m", account=OTHER))[
        0
    ] == "AuthorizationErrorException"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "SNS:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert "explicit deny" in (await sns.refused("Publish", TopicArn=topic, Message="m"))[1]


@scenario
async def test_active_tracing_records_a_segment_of_sampled_traces(sns: Sns) -> None:
    topic = await sns.topic(TracingConfig="Active")
    root = "1-5759e988-bd862e3fe1be46a994272793"
    await sns.publish(topic, trace=f"Root={root};Sampled=0")
    await sns.publish(topic, trace=f"Root={root};Sampled=1")
    await sns.platform.traces.flush()
    found = await sns.platform.traces.recent(ACCOUNT, REGION)
    assert [segment["name"] for trace in found for segment in trace["Segments"]] == ["news"]


@scenario
async def test_what_a_fifo_topic_remembers_goes_also_while_it_is_published_to(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    start, end = span("sns", "d")

    async def remembered() -> int:
        return len(await sns.store.read(lambda tx: tx.scan(start, end)))

    for minute in range(60):
        await sns.publish(topic, MessageGroupId="g", MessageDeduplicationId=str(minute))
        assert await remembered() <= 11
        await sns.advance(60)
    await sns.advance(900)
    assert await remembered() == 0
