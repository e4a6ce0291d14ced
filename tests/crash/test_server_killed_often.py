"""Killed four times under load: events run, stacks under way end, nothing of the old server is left, objects are whole."""

from __future__ import annotations

import io
import json
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError

from tests.aws.conftest import Server, start, stop

KILLS = 4
SEED = 20261123
MOST_EVENTS = 12
"""Asynchronous invocations per round: enough to be caught in every state, few enough to be run in a second."""
FUNCTION = """
import boto3
table = boto3.resource("dynamodb").Table("load")
def handler(event, context):
    table.put_item(Item={"pk": event["id"], "by": "function"})
"""
TEMPLATE = {
    "Resources": {
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "kept"}},
        "Bucket": {"Type": "AWS::S3::Bucket", "DependsOn": "Parameter"},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "DependsOn": "Bucket",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            },
        },
        "Last": {
            "Type": "AWS::SSM::Parameter",
            "DependsOn": "Table",
            "Properties": {"Type": "String", "Value": {"Ref": "Table"}},
        },
    },
    "Outputs": {"Table": {"Value": {"Ref": "Table"}}},
}


class Load:
    """Writers of every kind against one server, and what it acknowledged over all its lives."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, set[str]] = {kind: set() for kind in ("item", "small", "large", "ssm", "event")}
        self.stacks: list[str] = []
        self.problems: list[Exception] = []
        self._count = 0
        self._changed = threading.Condition()

    def run(self, server: Server, round_: int, kill_after: int) -> list[psutil.Process]:
        """Write until `kill_after` requests of this round were acknowledged, then kill the server.

        Returns the processes that it had below it.
        """
        self._count = 0
        clients = {name: server.client(name) for name in ("dynamodb", "s3", "ssm", "lambda", "cloudformation")}
        writers = [
            ("item", lambda key: clients["dynamodb"].put_item(TableName="load", Item={"pk": {"S": key}})),
            ("item", lambda key: clients["dynamodb"].put_item(TableName="load", Item={"pk": {"S": key}})),
            ("small", lambda key: clients["s3"].put_object(Bucket="load", Key=key, Body=content(key, 700))),
            ("large", lambda key: clients["s3"].put_object(Bucket="load", Key=key, Body=content(key, 100_000))),
            ("ssm", lambda key: clients["ssm"].put_parameter(Name=f"/load/{key}", Value=key, Type="String")),
            ("event", lambda key: invoke(clients["lambda"], key)),
        ]
        threads = [
            threading.Thread(target=self._write, args=(kind, f"{round_}-{at}", write))
            for at, (kind, write) in enumerate(writers)
        ]
        for thread in threads:
            thread.start()
        self._wait_for(kill_after // 2)
        stack = clients["cloudformation"].create_stack(StackName=f"stack-{round_}", TemplateBody=json.dumps(TEMPLATE))
        self.stacks.append(stack["StackId"])
        self._wait_for(kill_after)
        below = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        server.process.wait()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        return below

    def _write(self, kind: str, prefix: str, write: Callable[[str], Any]) -> None:
        for number in range(MOST_EVENTS if kind == "event" else 1_000_000):
            key = f"{prefix}-{number:05d}"
            try:
                write(key)
            except BotoCoreError:  # the connection ended: not acknowledged
                return
            except Exception as problem:  # noqa: BLE001 the test fails with it
                self.problems.append(problem)
                return
            with self._changed:
                self.acknowledged[kind].add(key)
                self._count += 1
                self._changed.notify_all()

    def _wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= count or self.problems, 60)


def content(key: str, size: int) -> bytes:
    """The bytes of an object, by its key."""
    return (key.encode() * (size // len(key) + 1))[:size]


def invoke(client: Any, key: str) -> None:
    """Store an asynchronous invocation."""
    answer = client.invoke(FunctionName="writer", InvocationType="Event", Payload=json.dumps({"id": key}))
    assert answer["StatusCode"] == 202


def prepare(server: Server) -> None:
    """The table, bucket and function of the load."""
    server.client("dynamodb").create_table(
        TableName="load",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    server.client("dynamodb").get_waiter("table_exists").wait(TableName="load", WaiterConfig={"Delay": 1})
    server.client("s3").create_bucket(Bucket="load")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    server.client("lambda").create_function(
        FunctionName="writer",
        Runtime="python3.11",
        Handler="index.handler",
        Role="arn:aws:iam::000000000000:role/writer",
        Code={"ZipFile": package.getvalue()},
        MemorySize=512,
        Timeout=30,
    )
    server.client("lambda").get_waiter("function_active_v2").wait(FunctionName="writer", WaiterConfig={"Delay": 1})
    invoke(server.client("lambda"), "first")


def groups_of(pid: int) -> list[Path]:
    """Control groups that a server made for its functions."""
    return [*Path("/sys/fs/cgroup").glob(f"freehold/{pid}-*"), *Path("/sys/fs/cgroup").glob(f"*/freehold/{pid}-*")]


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.05)
    return True


def items(server: Server) -> set[str]:
    """All keys of the table."""
    pages = server.client("dynamodb").get_paginator("scan").paginate(TableName="load", ConsistentRead=True)
    return {item["pk"]["S"] for page in pages for item in page["Items"]}


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Load]]:
    """A server that was killed some times, what it had acknowledged, and nothing left of its former lives."""
    data = tmp_path_factory.mktemp("killed") / "data"
    seeded, load = random.Random(SEED), Load()
    server = start(data)
    try:
        prepare(server)
        for round_ in range(KILLS):
            below = load.run(server, round_, seeded.randrange(120, 700))
            assert below, "functions have processes"
            killed = server.process.pid
            server = start(data)
            # Frozen ones cannot die before somebody thaws them: the next server does.
            _, orphans = psutil.wait_procs(below, timeout=10)
            assert not orphans, "processes of functions outlive their server"
            assert until(lambda pid=killed: not groups_of(pid), 10), "control groups of the killed server remain"  # type: ignore[misc]
        yield server, load
    finally:
        stop(server)


def test_the_load_was_one(survived: tuple[Server, Load]) -> None:
    _, load = survived
    assert not load.problems
    assert {kind for kind, keys in load.acknowledged.items() if len(keys) >= KILLS * 2} == set(load.acknowledged)
    assert len(load.stacks) == KILLS


def test_acknowledged_items_are_in_the_table(survived: tuple[Server, Load]) -> None:
    server, load = survived
    assert load.acknowledged["item"] <= items(server)


def test_acknowledged_events_have_run(survived: tuple[Server, Load]) -> None:
    server, load = survived
    assert until(lambda: load.acknowledged["event"] <= items(server), 20), load.acknowledged["event"] - items(server)


@pytest.mark.parametrize(("kind", "size"), [("small", 700), ("large", 100_000)])
def test_acknowledged_objects_are_whole(survived: tuple[Server, Load], kind: str, size: int) -> None:
    server, load = survived
    s3 = server.client("s3")
    for key in load.acknowledged[kind]:
        assert s3.get_object(Bucket="load", Key=key)["Body"].read() == content(key, size)


def test_acknowledged_parameters_have_their_values(survived: tuple[Server, Load]) -> None:
    server, load = survived
    names = [f"/load/{key}" for key in sorted(load.acknowledged["ssm"])]
    ssm, found = server.client("ssm"), {}
    for at in range(0, len(names), 10):
        found |= {p["Name"]: p["Value"] for p in ssm.get_parameters(Names=names[at : at + 10])["Parameters"]}
    assert found == {name: name.removeprefix("/load/") for name in names}


def test_stacks_under_way_come_to_their_end(survived: tuple[Server, Load]) -> None:
    server, load = survived
    cloudformation, dynamodb = server.client("cloudformation"), server.client("dynamodb")
    for stack in load.stacks:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        table = found["Outputs"][0]["OutputValue"]
        assert dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"
        resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        assert {r["ResourceStatus"] for r in resources} == {"CREATE_COMPLETE"}
        assert len(resources) == len(TEMPLATE["Resources"])
