"""EventBridge Pipes from queue to queue over the wire: filters, templates, order, stopping, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Account, Clock
from tests.aws.pipes import World, world
from tests.aws.waiting import eventually

__all__ = ["world"]


def test_messages_that_match_go_through_the_template_and_others_are_deleted(world: World) -> None:
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    shown = world.create(
        "p",
        source,
        target,
        SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": '{"body":{"k":[{"numeric":[">",1]}]}}'}]}},
        TargetParameters={"InputTemplate": '{"got": <$.body.k>, "by": <aws.pipes.pipe-name>}'},
        Tags={"a": "b"},
    )
    assert (shown["DesiredState"], shown["Tags"]) == ("RUNNING", {"a": "b"})
    for body in ('{"k":0}', "plain", '{"k":5}'):
        world.sqs.send_message(QueueUrl=source_url, MessageBody=body)
    assert world.receive(target_url, 1) == ['{"got":5,"by":"p"}']
    eventually(lambda: world.left(source_url) == 0)


def test_a_stopped_pipe_takes_nothing_and_loses_nothing(freehold: Account, freehold_clock: Clock) -> None:
    world = World(freehold.client, freehold.id)
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    world.create("p", source, target, TargetParameters={"InputTemplate": "<$.body>"})
    assert world.pipes.stop_pipe(Name="p")["CurrentState"] == "STOPPING"
    world.wait("p", "STOPPED")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="kept")
    with pytest.raises(ClientError, match="ConflictException"):
        world.pipes.stop_pipe(Name="p")
    freehold_clock.advance("1h")
    assert world.left(source_url) == 1
    assert world.pipes.start_pipe(Name="p")["CurrentState"] == "STARTING"
    assert world.receive(target_url, 1) == ["kept"]
    world.wait("p", "RUNNING")
    world.pipes.update_pipe(Name="p", RoleArn=world.role, TargetParameters={"InputTemplate": "new <$.body>"})
    world.wait("p", "RUNNING")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
    assert world.receive(target_url, 1) == ["new x"]
    assert world.pipes.delete_pipe(Name="p")["CurrentState"] == "DELETING"
    eventually(lambda: not world.pipes.list_pipes()["Pipes"])
    with pytest.raises(ClientError, match="NotFoundException"):
        world.pipes.describe_pipe(Name="p")


def test_groups_of_fifo_queues_keep_their_order(world: World) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    (source_url, source), (target_url, target) = world.queue("source.fifo", **fifo), world.queue("target.fifo", **fifo)
    for number in range(30):
        world.sqs.send_message(
            QueueUrl=source_url,
            MessageBody=json.dumps({"n": number, "g": f"g{number % 3}"}),
            MessageGroupId=f"g{number % 3}",
        )
    world.create(
        "p",
        source,
        target,
        TargetParameters={
            "InputTemplate": "<$.body>",
            "SqsQueueParameters": {"MessageGroupId": "$.body.g", "MessageDeduplicationId": "$.messageId"},
        },
    )
    got = [json.loads(body) for body in world.receive(target_url, 30)]
    for group in range(3):
        assert [each["n"] for each in got if each["g"] == f"g{group}"] == list(range(group, 30, 3))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RoleArn": "arn:aws:iam::123456789012:role/none"}, "cannot be assumed"),
        ({"Source": "arn:aws:kinesis:us-east-1:{account}:stream/s"}, "NotImplemented.*sources of the service kinesis"),
        (
            {"Target": "arn:aws:states:us-east-1:{account}:stateMachine:s"},
            "NotImplemented.*targets of the service states",
        ),
        ({"TargetParameters": {"KinesisStreamParameters": {"PartitionKey": "k"}}}, "KinesisStreamParameters cannot be"),
        ({"TargetParameters": {"InputTemplate": "<$..x>"}}, "InputTemplate is not valid"),
        ({"KmsKeyIdentifier": "key"}, "NotImplemented.*KmsKeyIdentifier"),
    ],
)
def test_what_cannot_act_is_refused(world: World, change: dict[str, Any], says: str) -> None:
    _, source = world.queue("source")
    _, target = world.queue("target")
    request: dict[str, Any] = {"Name": "p", "Source": source, "Target": target, "RoleArn": world.role}
    request |= {k: v.replace("{account}", world.account) if isinstance(v, str) else v for k, v in change.items()}
    with pytest.raises(ClientError, match=says):
        world.pipes.create_pipe(**request)


def test_a_pipe_without_its_source_fails_to_be_created(world: World) -> None:
    _, target = world.queue("target")
    source = target.replace("target", "none")
    world.pipes.create_pipe(Name="p", Source=source, Target=target, RoleArn=world.role)
    assert "does not exist" in world.wait("p", "CREATE_FAILED")["StateReason"]
