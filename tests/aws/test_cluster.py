"""Three nodes on one PostgreSQL: each serves every call, each thing is done once, who joins is like the others."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from freehold.testing import Freehold
from tests import postgres_server
from tests.aws.nodes import Nodes, at, bodies, create_rate, needs_postgresql, nodes, queue
from tests.aws.test_up import refused
from tests.aws.waiting import eventually

__all__ = ["nodes"]

pytestmark = needs_postgresql


def test_what_is_made_on_one_node_is_used_and_changed_on_the_others(nodes: Nodes) -> None:
    first, second, third = nodes.whole()
    url, _ = queue(first, "shared")
    second.client("sqs").send_message(QueueUrl=at(second, url), MessageBody="hello")
    assert eventually(lambda: bodies(third, url)) == ["hello"]
    # Settings that every node has compiled by now are those of the last change, at once.
    for seconds in ("7", "9"):
        first.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": seconds})
        for node in (first, second, third):
            got = node.client("sqs").get_queue_attributes(QueueUrl=at(node, url), AttributeNames=["DelaySeconds"])
            assert got["Attributes"] == {"DelaySeconds": seconds}
    third.client("sqs").delete_queue(QueueUrl=at(third, url))
    with pytest.raises(ClientError, match="does not exist"):
        first.client("sqs").send_message(QueueUrl=url, MessageBody="too late")

    tables = [node.client("dynamodb") for node in (first, second, third)]
    tables[0].create_table(
        TableName="counts",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for _ in range(10):
        for table in tables:
            table.update_item(
                TableName="counts",
                Key={"id": {"S": "count"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
    assert (
        tables[1].get_item(TableName="counts", Key={"id": {"S": "count"}}, ConsistentRead=True)["Item"]["n"]["N"]
        == "30"
    )


def test_a_long_poll_on_one_node_is_woken_by_a_send_on_another_within_milliseconds(nodes: Nodes) -> None:
    first, second, _ = nodes.whole()
    url, _ = queue(first, "polled")
    sender = second.client("sqs")
    took: list[float] = []
    for number in range(5):
        ends: list[float] = []

        def poll(ends: list[float] = ends, number: int = number) -> None:
            assert bodies(first, url, wait=20) == [str(number)]
            ends.append(time.monotonic())

        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(1.3)  # looks of its own come every second, give or take; none of them is due for a while
        begun = time.monotonic()
        sender.send_message(QueueUrl=at(second, url), MessageBody=str(number))
        thread.join()
        took.append(ends[0] - begun)
    assert sorted(took)[2] < 0.4, took


def test_a_schedule_fires_once(nodes: Nodes) -> None:
    servers = nodes.whole()
    url, arn = queue(servers[0], "scheduled", VisibilityTimeout="3600")
    heard: list[str] = []

    def told() -> list[str]:
        heard.extend(bodies(servers[2], url))
        return heard[number:]

    for number in range(12):  # what fires twice is heard again while later ones are waited for
        create_rate(nodes, servers[number % 3], arn, str(number))
        assert eventually(told) == [str(number)]


def test_a_guarded_cluster_has_one_root_and_no_open_node(nodes: Nodes, tmp_path: Path) -> None:
    url = postgres_server.database(nodes.url, "guarded")
    store = ("--store", url, "--blobs", str(tmp_path / "blobs"))
    first = Freehold(data=tmp_path / "first", flags=("--guarded", *store)).start()
    second = Freehold(data=tmp_path / "second", flags=("--guarded", *store)).start()
    try:
        assert "AWS_SECRET_ACCESS_KEY" in first.said and "AWS_SECRET_ACCESS_KEY" not in second.said
        said = dict(re.findall(r"export (\w+)=(\S+)", first.said))
        keys = {"aws_access_key_id": said["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": said["AWS_SECRET_ACCESS_KEY"]}
        for node in (first, second):
            boto3.client("sqs", endpoint_url=node.url, region_name="us-east-1", **keys).create_queue(QueueName="q")
            with pytest.raises(ClientError):
                node.client("sqs").list_queues()
        line = refused("--port", "0", "--data", str(tmp_path / "open"), *store)
        assert "guarded" in line and "this one with" in line and "open" in line
    finally:
        first.stop()
        second.stop()


def test_a_clock_that_stands_is_not_for_several(nodes: Nodes) -> None:
    flags = ("--data", str(nodes.directory / "manual"), "--blobs", str(nodes.directory / "blobs"))
    line = refused("--port", "0", *flags, "--store", nodes.url, "--clock", "manual")
    assert "the database is in use by another Freehold" in line
