"""How many complete CloudFormation deployments of a function and its API a minute, while a client calls that API.

A deployment changes the function's code and its API (a route and its integration come, an older one goes) and is over
when the stack says so. Calls come at a steady rate from before the first to after the last deployment; every one of them
has to be answered 200 by the version before or the version after. When a deployment is complete its version answers, and
no older one does afterwards.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import statistics
import time
from typing import Any

from bench import openloop
from bench.cold import RUNTIME
from bench.percentiles import milliseconds
from bench.scenarios.context import Context, Row, client
from bench.servers import Server

TITLE = "Deploy rate: function and API, while a client calls it"
STACK = "deploys"
CALLS_PER_S = 50
MOST_WAIT_S = 60.0
FEWEST = 4
"""Deployments, however slow the machine."""
PER_MINUTE = 60
"""Deployments a minute that are wanted."""
SOURCE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "version %d."}
"""


def template(version: int) -> str:
    """A role, a function, its API with its routes, stage and permission, at one version."""
    function: dict[str, Any] = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": RUNTIME, "Handler": "index.handler", "MemorySize": 256, "Timeout": 10,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": SOURCE % version},
            "Environment": {"Variables": {"VERSION": str(version)}},
        },
    }  # fmt: skip
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    integration = {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
            "IntegrationUri": {"Fn::GetAtt": ["Function", "Arn"]},
        },
    }  # fmt: skip
    resources: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Function": function,
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "deploys", "ProtocolType": "HTTP"}},
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
            },
        },
        "Integration": integration,
        "Route": _route("GET /hello", "Integration"),
        f"Integration{version}": integration,
        f"Route{version}": _route(f"GET /version{version}", f"Integration{version}"),
    }  # fmt: skip
    return json.dumps({"Resources": resources, "Outputs": {"Api": {"Value": {"Ref": "Api"}}}})


def _route(key: str, integration: str) -> dict[str, Any]:
    target = {"Fn::Sub": f"integrations/${{{integration}}}"}
    return {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target},
    }


class Calls:
    """A client in a process of its own that calls the API until it is told to stop."""

    def __init__(self, port: int, host: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_call, args=(port, host, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of that process is seen
        self._ours.recv()

    def stop(self) -> openloop.Answers:
        """No more calls; what became of them."""
        self._ours.send("stop")
        found: openloop.Answers = self._ours.recv()
        self._process.join(10)
        return found


def _call(port: int, host: str, pipe: Any) -> None:
    request = f"GET /hello HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    found, start = openloop.Answers(), time.perf_counter()
    seen = 0

    def check(status: int, body: bytes) -> bool:
        nonlocal seen
        if status != 200 or not body.startswith(b"version "):
            return False
        seen, before = max(seen, int(body[8:-1])), seen
        return int(body[8:-1]) >= before - 1  # calls that were under way together may be answered in any order

    times = openloop.due_times([(CALLS_PER_S, 0.5)])
    pipe.send("ready")
    while not pipe.poll():
        offset = time.perf_counter() - start
        part = openloop.play(port, [request], times, check)
        found.due_s += [due + offset for due in part.due_s]
        found.latency_s += part.latency_s
        found.errors += [(due + offset, said) for due, said in part.errors]
    pipe.send(found)


def run(context: Context) -> dict[str, Any]:
    """Deploy again and again for a while, on a fresh server."""
    seconds = 8.0 if context.quick else 30.0
    with context.server() as server:
        stacks = client(server, "cloudformation")
        began = time.perf_counter()
        stacks.create_stack(StackName=STACK, TemplateBody=template(1), Capabilities=["CAPABILITY_IAM"])
        stack = _settled(stacks, "CREATE_COMPLETE")
        created_s = time.perf_counter() - began
        host = f"{stack['Outputs'][0]['OutputValue']}.execute-api.localhost"
        calls = Calls(server.port, host)
        took: list[float] = []
        late = 0
        start = time.perf_counter()
        until = start + seconds
        version = 1
        while time.perf_counter() < until or len(took) < FEWEST:
            version += 1
            began = time.perf_counter()
            stacks.update_stack(StackName=STACK, TemplateBody=template(version), Capabilities=["CAPABILITY_IAM"])
            _settled(stacks, "UPDATE_COMPLETE")
            took.append(time.perf_counter() - began)
            for path in ("/hello", f"/version{version}"):
                late += _version(server, host, path) != version
        wall = time.perf_counter() - start
        time.sleep(1)
        answers = calls.stop()
    return {
        "deployments": len(took),
        "per_minute": 60 * len(took) / wall,
        "p50_s": statistics.median(took),
        "max_s": max(took),
        "created_s": created_s,
        "calls": len(answers.due_s),
        "failed": len(answers.errors),
        "late": late,
        "said": [said for _, said in answers.errors[:5]],
        "call_ms": milliseconds(answers.latency_s),
    }


def _settled(stacks: Any, wanted: str) -> dict[str, Any]:
    """The stack, once it says `wanted`. Raises RuntimeError when it says otherwise, or nothing for long."""
    until = time.monotonic() + MOST_WAIT_S
    while time.monotonic() < until:
        stack: dict[str, Any] = stacks.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] == wanted:
            return stack
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            raise RuntimeError(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")
        time.sleep(0.02)
    raise RuntimeError(f"the stack does not reach {wanted}")


def _version(server: Server, host: str, path: str) -> int:
    """The version that answers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={"Host": f"{host}:{server.port}"})
    body = connection.getresponse().read()
    connection.close()
    return int(body[8:-1]) if body.startswith(b"version ") else 0


def rows(found: dict[str, Any]) -> list[Row]:
    """The rate, and what the client saw."""
    rate, calls = found["per_minute"], found["call_ms"]
    return [
        Row("deployments a minute", f"{rate:.0f}", f"≥ {PER_MINUTE}", rate >= PER_MINUTE),
        Row("one deployment, p50 and longest", f"{found['p50_s']:.2f} s, {found['max_s']:.2f} s"),
        Row("the first one, which creates the stack", f"{found['created_s']:.2f} s"),
        Row(f"failed calls of {found['calls']:,}", str(found["failed"]), "0", found["failed"] == 0),
        Row("answers of an old version after a deployment", str(found["late"]), "0", found["late"] == 0),
        Row("calls meanwhile, p50 and p99", f"{calls['p50_ms']:.1f} ms, {calls['p99_ms']:.1f} ms"),
    ]
