"""Queues: names, attributes, tags, lists, deletion, permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.sqs.catalog import memory
from tests.services.sqs.support import ACCOUNT, OTHER, Sqs, arn, scenario


async def code(sqs: Sqs, operation: str, **request: Any) -> str:
    with pytest.raises(Fault) as caught:
        await sqs(operation, **request)
    return caught.value.code


@scenario
async def test_a_queue_has_the_defaults_of_the_developer_guide(sqs: Sqs) -> None:
    url = await sqs.queue()
    assert url == f"http://sqs/{ACCOUNT}/q"
    found = await sqs.attributes(url)
    now = str(sqs.clock.now_ms() // 1000)
    assert found == {
        "QueueArn": arn("q"),
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": now,
        "LastModifiedTimestamp": now,
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    assert await sqs("GetQueueAttributes", QueueUrl=url) == {}


@scenario
async def test_names_of_queues_have_rules(sqs: Sqs) -> None:
    for name in ("", "a b", "x" * 81, "a.fifo"):
        assert await code(sqs, "CreateQueue", QueueName=name) == "InvalidParameterValue"
    for name in ("a", "x" * 76 + ".fifo", ".fifo"):
        assert (
            await code(sqs, "CreateQueue", QueueName=name, Attributes={"FifoQueue": "true"}) == "InvalidParameterValue"
        )


@scenario
async def test_creating_a_queue_again_asks_for_the_same_attributes(sqs: Sqs) -> None:
    url = await sqs.queue(VisibilityTimeout=10)
    assert await sqs.queue(VisibilityTimeout=10) == url
    assert await sqs.queue() == url  # what is not given is not compared
    with pytest.raises(Fault) as caught:
        await sqs.queue(VisibilityTimeout=11)
    assert caught.value.code == "QueueNameExists"
    assert caught.value.message.endswith("with the same name and a different value for attribute VisibilityTimeout")


STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"Nonsense": "1"}, "InvalidAttributeName"),
        ({"QueueArn": "1"}, "InvalidAttributeName"),
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "x"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1023"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1048577"}, "InvalidAttributeValue"),
        ({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
        ({"DelaySeconds": "901"}, "InvalidAttributeValue"),
        ({"ReceiveMessageWaitTimeSeconds": "21"}, "InvalidAttributeValue"),
        ({"Policy": "{"}, "InvalidAttributeValue"),
        ({"Policy": " " * 8_193}, "InvalidAttributeValue"),
        ({"Policy": json.dumps({"Statement": [STATEMENT] * 21})}, "InvalidAttributeValue"),
        ({"RedriveAllowPolicy": " " * 8_193}, "InvalidAttributeValue"),
        ({"FifoQueue": "false"}, "InvalidAttributeName"),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ({"DeduplicationScope": "queue"}, "InvalidAttributeName"),
        ({"RedrivePolicy": "x"}, "InvalidParameterValue"),
        ({"RedrivePolicy": "{}"}, "InvalidParameterValue"),
        (
            {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("q"), "maxReceiveCount": 1})},
            "InvalidParameterValue",
        ),
        (
            {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("x"), "maxReceiveCount": 1})},
            "InvalidParameterValue",
        ),
        (
            {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("d"), "maxReceiveCount": 0})},
            "InvalidParameterValue",
        ),
        ({"RedriveAllowPolicy": '{"redrivePermission":"some"}'}, "InvalidAttributeValue"),
        ({"RedriveAllowPolicy": '{"redrivePermission":"byQueue"}'}, "InvalidAttributeValue"),
        ({"KmsMasterKeyId": "alias/mine"}, "NotImplemented"),
        ({"KmsMasterKeyId": "arn:aws:kms:us-east-1:111111111111:key/12"}, "NotImplemented"),
        ({"KmsMasterKeyId": "alias/aws/sqs", "SqsManagedSseEnabled": "true"}, "InvalidAttributeValue"),
        ({"KmsDataKeyReusePeriodSeconds": "59"}, "InvalidAttributeValue"),
        ({"SqsManagedSseEnabled": "maybe"}, "InvalidAttributeValue"),
    ],
)
def test_attributes_that_are_wrong_are_refused(attributes: dict[str, str], expected: str) -> None:
    @scenario
    async def run(sqs: Sqs) -> None:
        await sqs.queue("d")
        assert await code(sqs, "CreateQueue", QueueName="q", Attributes=attributes) == expected
        url = await sqs.queue()
        assert await code(sqs, "SetQueueAttributes", QueueUrl=url, Attributes=attributes) == expected

    run()


@scenario
async def test_a_queue_has_awss_own_key_or_that_of_sqs(sqs: Sqs) -> None:
    url = await sqs.queue(KmsMasterKeyId="alias/aws/sqs")
    found = await sqs.attributes(url)
    assert (found["KmsMasterKeyId"], found["KmsDataKeyReusePeriodSeconds"]) == ("alias/aws/sqs", "300")
    assert found["SqsManagedSseEnabled"] == "false"
    await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    found = await sqs.attributes(url)
    assert found["SqsManagedSseEnabled"] == "true" and "KmsMasterKeyId" not in found


@scenario
async def test_high_throughput_asks_for_both_attributes(sqs: Sqs) -> None:
    alone = {"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"}
    assert await code(sqs, "CreateQueue", QueueName="q.fifo", Attributes=alone) == "InvalidAttributeValue"
    url = await sqs.queue("q.fifo", FifoThroughputLimit="perMessageGroupId", DeduplicationScope="messageGroup")
    found = await sqs.attributes(url)
    assert (found["FifoThroughputLimit"], found["DeduplicationScope"]) == ("perMessageGroupId", "messageGroup")
    assert await code(sqs, "SetQueueAttributes", QueueUrl=url, Attributes={"DeduplicationScope": "queue"}) == (
        "InvalidAttributeValue"
    )


@scenario
async def test_attributes_change_and_say_when(sqs: Sqs) -> None:
    url = await sqs.queue()
    await sqs.advance(10)
    await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "1", "Policy": ""})
    found = await sqs.attributes(url)
    assert found["VisibilityTimeout"] == "1" and "Policy" not in found
    assert int(found["LastModifiedTimestamp"]) == int(found["CreatedTimestamp"]) + 10


@scenario
async def test_queues_are_listed_by_prefix_in_pages(sqs: Sqs) -> None:
    for name in ("a1", "a2", "a3", "b"):
        await sqs.queue(name)
    names = [url.rpartition("/")[2] for url in (await sqs("ListQueues", QueueNamePrefix="a"))["QueueUrls"]]
    assert names == ["a1", "a2", "a3"]
    first = await sqs("ListQueues", QueueNamePrefix="a", MaxResults=2)
    second = await sqs("ListQueues", QueueNamePrefix="a", MaxResults=2, NextToken=first["NextToken"])
    assert len(first["QueueUrls"]) == 2 and second == {"QueueUrls": [f"http://sqs/{ACCOUNT}/a3"]}
    assert await sqs("ListQueues", QueueNamePrefix="c") == {}
    assert await sqs("ListQueues", account=OTHER) == {}
    assert await code(sqs, "ListQueues", MaxResults=2, NextToken="é") == "InvalidParameterValue"


@scenario
async def test_tags_are_added_changed_and_removed(sqs: Sqs) -> None:
    url = (await sqs("CreateQueue", QueueName="q", tags={"a": "1"}))["QueueUrl"]
    await sqs("TagQueue", QueueUrl=url, Tags={"a": "2", "b": "3"})
    await sqs("UntagQueue", QueueUrl=url, TagKeys=["b", "c"])
    assert await sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"a": "2"}}
    assert await code(sqs, "TagQueue", QueueUrl=url, Tags={f"k{n}": "v" for n in range(50)}) == "InvalidParameterValue"


@scenario
async def test_a_deleted_queue_is_gone_and_its_name_free(sqs: Sqs) -> None:
    url = await sqs.queue()
    await sqs.send(url, "old")
    await sqs("DeleteQueue", QueueUrl=url)
    for operation in ("DeleteQueue", "ReceiveMessage", "GetQueueAttributes", "PurgeQueue"):
        assert await code(sqs, operation, QueueUrl=url) == "QueueDoesNotExist"
    assert await code(sqs, "GetQueueUrl", QueueName="q") == "QueueDoesNotExist"
    assert await sqs.queue(VisibilityTimeout=1) == url
    assert await sqs.receive(url) == []


@scenario
async def test_a_name_that_no_queue_can_have_names_none(sqs: Sqs) -> None:
    long = "x" * 100_000
    assert await code(sqs, "ReceiveMessage", QueueUrl=f"http://sqs/{ACCOUNT}/{long}") == "QueueDoesNotExist"
    assert await code(sqs, "GetQueueUrl", QueueName=long) == "QueueDoesNotExist"
    known = memory(sqs.platform)
    assert not known.queues and not known.places


@scenario
async def test_an_address_that_names_no_queue_is_invalid(sqs: Sqs) -> None:
    for url in ("q", "http://sqs/", "http://sqs/q", "http://sqs/1234/q"):
        assert await code(sqs, "ReceiveMessage", QueueUrl=url) == "InvalidAddress"


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]})


@scenario
async def test_another_account_may_what_the_policy_allows(sqs: Sqs) -> None:
    url = await sqs.queue()

    async def may(operation: str, **request: Any) -> bool:
        try:
            await sqs(operation, account=OTHER, QueueUrl=url, **request)
        except Fault as fault:
            assert fault.code == "AccessDenied" and fault.status == 403
            return False
        return True

    assert not await may("SendMessage", MessageBody="x")
    await sqs("AddPermission", QueueUrl=url, Label="l", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    assert await may("SendMessage", MessageBody="x")
    assert await may("SendMessageBatch", Entries=[{"Id": "1", "MessageBody": "x"}])
    assert not await may("ReceiveMessage")
    everything = policy(Principal="*", Action="sqs:*")
    await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": everything})
    assert await may("ReceiveMessage") and await may("GetQueueAttributes")
    for operation in ("DeleteQueue", "ListQueueTags"):  # never for other accounts
        assert not await may(operation)
    assert not await may("TagQueue", Tags={"a": "b"})


@scenario
async def test_permissions_are_statements_by_label(sqs: Sqs) -> None:
    url = await sqs.queue()
    request: dict[str, Any] = {"QueueUrl": url, "Label": "l", "AWSAccountIds": [OTHER], "Actions": ["*"]}
    await sqs("AddPermission", **request)
    assert json.loads((await sqs.attributes(url))["Policy"]) == {
        "Version": "2008-10-17",
        "Id": f"{arn('q')}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "l",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
                "Action": "SQS:*",
                "Resource": arn("q"),
            }
        ],
    }
    assert await code(sqs, "AddPermission", **request) == "InvalidParameterValue"
    assert await code(sqs, "AddPermission", **(request | {"Label": "m", "Actions": ["CreateQueue"]})) == (
        "InvalidParameterValue"
    )
    many = ["SendMessage"] * 8
    assert await code(sqs, "AddPermission", **(request | {"Label": "m", "Actions": many})) == "OverLimit"
    await sqs("RemovePermission", QueueUrl=url, Label="l")
    assert "Policy" not in await sqs.attributes(url)
    assert await code(sqs, "RemovePermission", QueueUrl=url, Label="l") == "InvalidParameterValue"


@scenario
async def test_a_deny_binds_the_owner_too(sqs: Sqs) -> None:
    url = await sqs.queue()
    deny = policy(Effect="Deny", Principal="*", Action="sqs:SendMessage")
    await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": deny})
    assert await code(sqs, "SendMessage", QueueUrl=url, MessageBody="x") == "AccessDenied"
    assert await sqs.receive(url) == []


@scenario
async def test_nothing_of_a_deleted_queue_stays_in_memory(sqs: Sqs) -> None:
    known = memory(sqs.platform)
    for name in ("a", "b"):
        url = await sqs.queue(name)
        await sqs.send(url, "x")
        await sqs.receive(url)
        await sqs("DeleteQueue", QueueUrl=url)
    assert not known.queues and not known.flowing and not known.pollers
    assert await code(sqs, "SendMessage", QueueUrl=url, MessageBody="x") == "QueueDoesNotExist"
    assert not known.queues
