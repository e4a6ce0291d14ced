"""Lambda on three nodes with one PostgreSQL: concurrency holds over all, changes are seen by all, work outlives its node."""

from __future__ import annotations

import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from freehold.services.lambda_.asynchronous import events
from freehold.testing import Freehold
from tests.aws.nodes import Nodes, needs_postgresql, nodes
from tests.aws.waiting import eventually

__all__ = ["nodes"]

pytestmark = needs_postgresql

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def archive(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("app.py", source)
    return packed.getvalue()


def client(node: Freehold, service: str = "lambda") -> Any:
    return node.client(service, config=Config(retries={"max_attempts": 0}, max_pool_connections=20, read_timeout=60))


def make(node: Freehold, name: str, source: str, **settings: Any) -> None:
    client(node).create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": archive(source)},
        **settings,
    )


def table(node: Freehold, name: str) -> Any:
    client(node, "dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def items(node: Freehold, name: str) -> set[str]:
    return {item["id"]["S"] for item in client(node, "dynamodb").scan(TableName=name)["Items"]}


def answer(lambda_: Any, name: str, **options: Any) -> Any:
    found = lambda_.invoke(FunctionName=name, **options)
    assert "FunctionError" not in found, found["Payload"].read()
    return json.loads(found["Payload"].read())


WAITS = """
import time
def handler(event, context):
    begun = time.time()
    time.sleep(event)
    return [begun, time.time()]
"""


def overlap(spans: list[tuple[float, float]]) -> int:
    """How many ran at a time, at most."""
    moments = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def hammer(servers: list[Freehold], name: str, threads: int, seconds: float) -> tuple[list[list[Any]], int]:
    """Invoke through all nodes; what ran on each, and how many were refused."""
    until = time.monotonic() + seconds

    def one(node: Freehold) -> tuple[list[Any], int]:
        lambda_ = client(node)
        ran: list[Any] = []
        refused = 0
        while time.monotonic() < until:
            try:
                ran.append(tuple(answer(lambda_, name, Payload=b"0.3")))
            except ClientError as error:
                assert error.response["Error"]["Code"] == "TooManyRequestsException"
                refused += 1
                time.sleep(0.01)
        return ran, refused

    with ThreadPoolExecutor(threads * len(servers)) as pool:
        done = [[pool.submit(one, node) for _ in range(threads)] for node in servers]
        results = [[each.result() for each in futures] for futures in done]
    ran = [[span for spans, _ in one_node for span in spans] for one_node in results]
    return ran, sum(refused for one_node in results for _, refused in one_node)


def test_reserved_concurrency_is_never_exceeded_over_three_nodes(nodes: Nodes) -> None:
    servers = nodes.whole()
    make(servers[0], "five", WAITS, Timeout=10)
    client(servers[1]).put_function_concurrency(FunctionName="five", ReservedConcurrentExecutions=5)
    ran, refused = hammer(servers, "five", 4, 8.0)
    spans = [span for one_node in ran for span in one_node]
    assert 3 <= overlap(spans) <= 5, "that all five are used is shown where the machine is quiet: in unit tests"
    assert refused and all(ran), [len(one_node) for one_node in ran]

    client(servers[2]).put_function_concurrency(FunctionName="five", ReservedConcurrentExecutions=2)
    ran, _ = hammer(servers, "five", 2, 4.0)
    assert overlap([span for one_node in ran for span in one_node]) <= 2

    client(servers[0]).put_function_concurrency(FunctionName="five", ReservedConcurrentExecutions=0)
    ran, refused = hammer(servers, "five", 1, 0.5)
    assert refused and not any(ran)


def test_a_single_slot_serves_calls_through_all_nodes_one_after_the_other(nodes: Nodes) -> None:
    servers = nodes.whole()
    make(servers[0], "one", WAITS)
    client(servers[0]).put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=1)
    clients = [client(node) for node in servers]
    for number in range(15):
        answer(clients[number % 3], "one", Payload=b"0")


def test_slots_of_a_killed_node_are_free_again(nodes: Nodes) -> None:
    servers = nodes.whole()
    make(servers[0], "dies", WAITS, Timeout=60)
    client(servers[0]).put_function_concurrency(FunctionName="dies", ReservedConcurrentExecutions=2)
    answer(client(servers[1]), "dies", Payload=b"0")
    with ThreadPoolExecutor(2) as pool:
        begun = [pool.submit(client(servers[0]).invoke, FunctionName="dies", Payload=b"40") for _ in range(2)]
        time.sleep(1.5)
        with pytest.raises(ClientError, match="Rate Exceeded"):
            answer(client(servers[1]), "dies", Payload=b"0")
        servers[0].kill()
        for each in begun:
            assert each.exception() is not None

    def serves() -> bool:
        try:
            answer(client(servers[2]), "dies", Payload=b"0")
        except ClientError:
            return False
        return True

    eventually(serves, 20)


def test_what_changes_on_one_node_is_in_the_next_call_through_another(nodes: Nodes) -> None:
    first, second, third = nodes.whole()
    source = "import os\ndef handler(e, c): return [{0}, os.environ.get('COLOUR')]"
    make(first, "changing", source.format(0))
    version = client(first).publish_version(FunctionName="changing")["Version"]
    client(first).create_alias(FunctionName="changing", Name="live", FunctionVersion=version)
    others = [client(second), client(third)]
    for lambda_ in others:
        assert answer(lambda_, "changing") == [0, None]
    for number in range(1, 8):
        client(first).update_function_code(FunctionName="changing", ZipFile=archive(source.format(number)))
        assert [answer(lambda_, "changing")[0] for lambda_ in others] == [number] * 2
        variables = {"COLOUR": str(number)}
        client(second).update_function_configuration(FunctionName="changing", Environment={"Variables": variables})
        assert answer(client(first), "changing") == answer(others[1], "changing") == [number, str(number)]
        version = client(third).publish_version(FunctionName="changing")["Version"]
        assert answer(others[0], "changing", Qualifier="live") == [number - 1, str(number - 1) if number > 1 else None]
        client(third).update_alias(FunctionName="changing", Name="live", FunctionVersion=version)
        assert answer(others[0], "changing", Qualifier="live") == [number, str(number)]
    client(second).delete_function(FunctionName="changing")
    for lambda_ in (client(first), others[1]):
        with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
            lambda_.invoke(FunctionName="changing")


WRITES = """
import boto3, time
table = boto3.resource("dynamodb").Table("{0}")
def handler(event, context):
    for record in event.get("Records", [event]):
        time.sleep({1})
        table.put_item(Item={{"id": record["body"]}})
"""


def test_a_mapping_goes_on_when_its_node_is_killed(nodes: Nodes) -> None:
    servers = nodes.whole()
    table(servers[0], "seen")
    make(servers[0], "consumer", WRITES.format("seen", 0.05), Timeout=5)
    sqs = client(servers[0], "sqs")
    queue = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "6"})["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
    made = client(servers[1]).create_event_source_mapping(FunctionName="consumer", EventSourceArn=arn, BatchSize=5)

    def state(node: Freehold) -> str:
        return str(client(node).get_event_source_mapping(UUID=made["UUID"])["State"])

    eventually(lambda: state(servers[2]) == "Enabled")
    owner = nodes.owner(f"lambda:mapping:{made['UUID']}")
    survivor, another = nodes.others(owner)
    sent: set[str] = set()

    def send(number: int) -> None:
        entries = [{"Id": str(n), "MessageBody": f"{number}-{n}"} for n in range(10)]
        assert not client(survivor, "sqs").send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")
        sent.update(entry["MessageBody"] for entry in entries)

    for number in range(10):
        send(number)
    eventually(lambda: len(items(survivor, "seen")) > 20, 120)
    owner.kill()
    killed = time.monotonic()
    for number in range(10, 15):
        send(number)
    eventually(lambda: nodes.owner(f"lambda:mapping:{made['UUID']}") is not owner)
    took = time.monotonic() - killed
    eventually(lambda: items(another, "seen") == sent, 120)
    assert took < 15, f"taken over after {took:.1f} s"

    client(another).update_event_source_mapping(UUID=made["UUID"], Enabled=False)
    eventually(lambda: state(survivor) == "Disabled")
    client(survivor).delete_event_source_mapping(UUID=made["UUID"])
    eventually(lambda: not client(another).list_event_source_mappings()["EventSourceMappings"])


def test_an_accepted_event_runs_although_the_node_that_took_it_is_killed(nodes: Nodes) -> None:
    servers = nodes.whole()
    table(servers[0], "events")
    make(servers[0], "later", WRITES.format("events", 1.5), Timeout=10)
    worker = nodes.owner(f"lambda:events:{events.shard_of(ACCOUNT, 'us-east-1', 'later')}")
    for number in range(5):
        payload = json.dumps({"body": str(number)}).encode()
        taken = client(worker).invoke(FunctionName="later", InvocationType="Event", Payload=payload)
        assert taken["StatusCode"] == 202
    time.sleep(0.5)
    worker.kill()
    eventually(lambda: items(nodes.others(worker)[0], "events") == set("01234"))


def test_logs_of_all_nodes_are_in_one_group(nodes: Nodes) -> None:
    servers = nodes.whole()
    make(servers[0], "speaks", "def handler(e, c): print('said', e)")
    for number, node in enumerate(servers):
        answer(client(node), "speaks", Payload=str(number).encode())

    def messages() -> list[str]:
        try:
            found = client(servers[0], "logs").filter_log_events(logGroupName="/aws/lambda/speaks")["events"]
        except ClientError:
            return []
        return sorted(event["message"] for event in found if event["message"].startswith("said"))

    eventually(lambda: messages() == [f"said {number}\n" for number in range(3)])
    streams = client(servers[1], "logs").describe_log_streams(logGroupName="/aws/lambda/speaks")["logStreams"]
    assert len(streams) == 3
