"""What a node of a cluster leaves undone when it is killed, stopped or paused, others finish."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from freehold.testing import Freehold
from tests.aws.nodes import Nodes, at, bodies, create_rate, needs_postgresql, nodes, queue
from tests.aws.waiting import eventually

__all__ = ["nodes"]

pytestmark = needs_postgresql


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
    url, arn = queue(other, "paused", VisibilityTimeout="3600")
    os.kill(paused.process.pid, signal.SIGSTOP)
    try:
        create_rate(nodes, other, arn, "meanwhile")
        assert eventually(lambda: bodies(other, url)) == ["meanwhile"]
    finally:
        os.kill(paused.process.pid, signal.SIGCONT)
    eventually(lambda: nodes.owner("timers:scheduler") is paused)
    create_rate(nodes, other, arn, "afterwards")
    assert eventually(lambda: bodies(other, url)) == ["afterwards"], "the other one fired once"
