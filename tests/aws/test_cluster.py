"""Three nodes on one PostgreSQL: each serves every call, and what one leaves undone when it is killed others finish."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from freehold.kit.tuples import span
from freehold.testing import Freehold
from freehold.work.duties import preferred
from tests import postgres_server
from tests.aws.test_scheduler import role
from tests.aws.test_up import refused

psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.skipif(
    postgres_server.binaries() is None, reason="no PostgreSQL: install Debian's postgresql package"
)

SOON_S = 40.0
"""Takeover takes about six seconds; machines that run tests are busy."""


def eventually(found: Callable[[], Any], seconds: float = SOON_S) -> Any:
    """What `found` says once that is true."""
    until = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.1)
    return answer


@dataclass
class Nodes:
    """The cluster: three servers, each with a data directory of its own."""

    directory: Path
    url: str
    running: list[Freehold] = field(default_factory=list)
    role: str = ""
    """One that schedules may take."""

    def make(self, number: int) -> Freehold:
        flags = ("--store", self.url, "--blobs", str(self.directory / "blobs"))
        return Freehold(data=self.directory / f"node{number}", flags=flags)

    def whole(self) -> list[Freehold]:
        """All three, started again where they were killed."""
        for number, node in enumerate(self.running):
            if node.process.poll() is not None:
                self.running[number] = self.make(number).start()
        eventually(self._shared_out)
        return self.running

    def _shared_out(self) -> bool:
        """Do all three live, and has each duty gone where it belongs?"""
        described = self._described()
        members = [member["id"] for member in described["members"]]
        return len(members) == 3 and all(
            owner == preferred(name, members)
            for name, owner in described["duties"].items()
            if not name.startswith(("stack:", "imports"))  # these stay where they began
        )

    def _described(self) -> dict[str, Any]:
        """What a node that answers says of the cluster."""
        for node in self.running:
            if node.process.poll() is None:
                try:
                    with urllib.request.urlopen(node.url + "/_freehold/cluster", timeout=3) as answer:
                        return dict(json.load(answer))
                except OSError:
                    continue
        raise AssertionError("no node answers")

    def owner(self, duty: str) -> Freehold:
        """The node that has the duty of this name; or, where it ends with a colon, the first one whose name begins so."""

        def found() -> Freehold | None:
            described = self._described()
            members = {member["id"]: member["url"] for member in described["members"]}
            named = [
                owner
                for name, owner in described["duties"].items()
                if name == duty or (duty.endswith(":") and name.startswith(duty))
            ]
            return next((node for node in self.running if named and node.url == members.get(named[0])), None)

        node: Freehold = eventually(found)
        return node

    def others(self, but: Freehold) -> list[Freehold]:
        return [node for node in self.running if node is not but]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    programs = postgres_server.binaries()
    assert programs is not None
    with postgres_server.cluster(programs) as server:
        cluster = Nodes(tmp_path_factory.mktemp("cluster"), postgres_server.database(server.url, "cluster"))
        try:
            for number in range(3):
                cluster.running.append(cluster.make(number).start())
            cluster.role = role(cluster.running[0].client)
            yield cluster
        finally:
            stopped = [node for node in cluster.running if node.process.poll() is None]
            for node in stopped:
                node.stop()
        with psycopg.connect(cluster.url) as connection:
            query = "SELECT v FROM freehold.kv WHERE k >= %s AND k < %s"
            left = b"".join(bytes(row[0]) for row in connection.execute(query, span("node", "member")))
        assert not any(node.url.encode() in left for node in stopped), "nodes that stop take their rows along"


class Listener(BaseHTTPRequestHandler):
    """An HTTP endpoint of a topic. While its gate is closed, notifications are not answered."""

    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["Type"] == "SubscriptionConfirmation":
            self.server.tokens.append(body["Token"])
        else:
            self.server.heard.append(body["Message"])
            self.server.gate.wait(60)
        try:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
        except OSError:
            pass  # whoever asked was killed meanwhile

    def log_message(self, *arguments: Any) -> None:
        pass


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Listener)
        self.tokens: list[str] = []
        self.heard: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def subscribe(self, node: Freehold, topic: str) -> None:
        sns = node.client("sns")
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://127.0.0.1:{self.server_address[1]}/")
        sns.confirm_subscription(TopicArn=topic, Token=eventually(lambda: self.tokens)[0])


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


def queue(node: Freehold, name: str, **attributes: str) -> tuple[str, str]:
    sqs = node.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def at(node: Freehold, url: str) -> str:
    """A queue's URL at another node."""
    return node.url + url[url.index("/", 8) :]


def bodies(node: Freehold, url: str, wait: int = 0) -> list[str]:
    got = node.client("sqs").receive_message(QueueUrl=at(node, url), MaxNumberOfMessages=10, WaitTimeSeconds=wait)
    return [message["Body"] for message in got.get("Messages", [])]


def create_rate(nodes: Nodes, node: Freehold, arn: str) -> None:
    """A schedule that sends to a queue now, and then in a minute."""
    node.client("scheduler").create_schedule(
        Name=arn.rpartition(":")[2],
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": nodes.role, "Input": "on time"},
    )


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
    first, second, third = nodes.whole()
    url, arn = queue(first, "scheduled")
    create_rate(nodes, second, arn)
    assert eventually(lambda: bodies(third, url)) == ["on time"]
    time.sleep(2.5)
    assert bodies(first, url) == []


def test_a_delivery_that_a_killed_node_had_under_way_is_taken_over(nodes: Nodes, endpoint: Endpoint) -> None:
    first = nodes.whole()[0]
    topic = first.client("sns").create_topic(Name="news")["TopicArn"]
    endpoint.subscribe(first, topic)
    endpoint.gate.clear()
    first.client("sns").publish(TopicArn=topic, Message="hello")
    eventually(lambda: endpoint.heard == ["hello"])
    performer = nodes.owner("outbox:sns.http")
    performer.kill()
    endpoint.gate.set()
    eventually(lambda: endpoint.heard == ["hello", "hello"])
    survivor = nodes.others(performer)[0]
    survivor.client("sns").publish(TopicArn=topic, Message="again")
    eventually(lambda: endpoint.heard == ["hello", "hello", "again"])


STACK = {
    "Resources": {
        "Before": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "before"}},
        "Slow": {
            "Type": "Custom::Slow",
            "DependsOn": "Before",
            "Properties": {"ServiceToken": {"Ref": "Topic"}, "Colour": "blue"},
        },
        "After": {"Type": "AWS::SSM::Parameter", "DependsOn": "Slow", "Properties": {"Type": "String", "Value": "x"}},
    },
    "Parameters": {"Topic": {"Type": "String"}},
    "Outputs": {"Answer": {"Value": {"Fn::GetAtt": ["Slow", "Answer"]}}, "Queue": {"Value": {"Ref": "Before"}}},
}


def respond(message: str) -> tuple[str, str]:
    """Do what a custom resource does; what it was asked for."""
    asked = json.loads(message)
    answer = {**{k: asked[k] for k in ("StackId", "RequestId", "LogicalResourceId")}, "Data": {"Answer": "42"}}
    body = json.dumps({**answer, "Status": "SUCCESS", "PhysicalResourceId": "slow"}).encode()
    urllib.request.urlopen(urllib.request.Request(asked["ResponseURL"], body, method="PUT")).close()
    return asked["RequestType"], asked["ResourceProperties"]["Colour"]


def test_a_stack_is_finished_by_another_node_when_its_own_is_killed(nodes: Nodes, endpoint: Endpoint) -> None:
    first, second, third = nodes.whole()
    topic = second.client("sns").create_topic(Name="resources")["TopicArn"]
    endpoint.subscribe(second, topic)
    third.client("cloudformation").create_stack(
        StackName="s",
        TemplateBody=json.dumps(STACK),
        Parameters=[{"ParameterKey": "Topic", "ParameterValue": topic}],
    )
    eventually(lambda: len(endpoint.heard) == 1)
    assert nodes.owner("stack:") is third, "an operation is carried out where it began"
    third.kill()
    eventually(lambda: len(endpoint.heard) == 2)
    assert respond(endpoint.heard[1]) == ("Create", "blue")

    def stack(status: str) -> Any:
        (found,) = first.client("cloudformation").describe_stacks(StackName="s")["Stacks"]
        assert "FAILED" not in found["StackStatus"], found
        return found["StackStatus"] == status and found

    finished = eventually(lambda: stack("CREATE_COMPLETE"))
    outputs = {output["OutputKey"]: output["OutputValue"] for output in finished["Outputs"]}
    assert outputs["Answer"] == "42" and outputs["Queue"].endswith("/before")
    events = second.client("cloudformation").describe_stack_events(StackName="s")["StackEvents"]
    done = [event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "CREATE_COMPLETE"]
    assert sorted(done) == ["After", "Before", "Slow", "s"], "each once"

    changed = json.loads(json.dumps(STACK))
    changed["Resources"]["Slow"]["Properties"]["Colour"] = "red"
    parameters = [{"ParameterKey": "Topic", "UsePreviousValue": True}]
    first.client("cloudformation").update_stack(StackName="s", TemplateBody=json.dumps(changed), Parameters=parameters)
    eventually(lambda: len(endpoint.heard) == 3)
    second.client("cloudformation").cancel_update_stack(StackName="s")  # it runs on the first one

    def cancelled() -> bool:
        found = second.client("cloudformation").describe_stack_events(StackName="s")["StackEvents"]
        return any(event["ResourceStatus"] == "UPDATE_FAILED" for event in found)

    eventually(cancelled)
    assert respond(endpoint.heard[2]) == ("Update", "red")
    eventually(lambda: len(endpoint.heard) == 4)
    assert respond(endpoint.heard[3]) == ("Update", "blue")
    eventually(lambda: stack("UPDATE_ROLLBACK_COMPLETE"))


def test_a_pipe_goes_on_when_its_node_is_killed_and_when_one_stops(nodes: Nodes) -> None:
    first, second, _ = nodes.whole()
    source, source_arn = queue(first, "source", VisibilityTimeout="5")
    target, target_arn = queue(first, "target")
    trust = {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role_arn = first.client("iam").create_role(
        RoleName="pipe", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    second.client("pipes").create_pipe(
        Name="p",
        Source=source_arn,
        Target=target_arn,
        RoleArn=role_arn,
        TargetParameters={"InputTemplate": "<$.body>"},
    )

    def through(body: str, on: Freehold) -> None:
        on.client("sqs").send_message(QueueUrl=at(on, source), MessageBody=body)
        assert eventually(lambda: bodies(on, target)) == [body]

    through("a", first)
    owner = nodes.owner("pipe:")
    owner.kill()
    through("b", nodes.others(owner)[0])
    nodes.whole()
    owner = nodes.owner("pipe:")
    begun = time.monotonic()
    owner.stop()
    through("c", nodes.others(owner)[0])
    assert time.monotonic() - begun < 5.0, "a node that stops hands over: nobody waits until it looks dead"


def test_a_node_that_was_paused_lets_go_of_what_others_took_and_takes_its_share_again(nodes: Nodes) -> None:
    nodes.whole()
    paused = nodes.owner("timers:scheduler")
    other = nodes.others(paused)[0]
    url, arn = queue(other, "paused")
    os.kill(paused.process.pid, signal.SIGSTOP)
    try:
        create_rate(nodes, other, arn)
        assert eventually(lambda: bodies(other, url)) == ["on time"]
    finally:
        os.kill(paused.process.pid, signal.SIGCONT)
    eventually(lambda: nodes.owner("timers:scheduler") is paused)
    time.sleep(1)
    assert bodies(paused, url) == [], "fired once"


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
