"""`Tracing: Active` produces traces, however the function is called."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.aws.conftest import Server
from tests.aws.functions import call, make

Client = Callable[..., Any]
SOURCE = "import os\ndef handler(event, context): return {'statusCode': 200, 'body': os.environ['_X_AMZN_TRACE_ID']}"


def traces(server: Server, account: str) -> Any:
    with urllib.request.urlopen(f"{server.url}/_freehold/traces?account={account}&region=us-east-1") as answer:
        return json.load(answer)["traces"]


def fields(header: str) -> dict[str, str]:
    return dict(part.split("=") for part in header.split(";"))


def get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


Way = Callable[[Client, Server, str], Callable[[], str]]


def http_api(aws: Client, server: Server, arn: str) -> Callable[[], str]:
    made = aws("apigatewayv2").create_api(Name="api", ProtocolType="HTTP", Target=arn)
    return lambda: get(f"{server.url}/_apis/{made['ApiId']}/")


def rest_api(aws: Client, server: Server, arn: str) -> Callable[[], str]:
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    body = {
        "swagger": "2.0",
        "info": {"title": "api", "version": "1"},
        "paths": {"/x": {"get": {"x-amazon-apigateway-integration": integration}}},
    }
    client = aws("apigateway")
    made = client.import_rest_api(body=json.dumps(body).encode())
    client.create_deployment(restApiId=made["id"], stageName="prod")
    return lambda: get(f"{server.url}/_apis/{made['id']}/prod/x")


def function_url(aws: Client, server: Server, arn: str) -> Callable[[], str]:
    url = aws("lambda").create_function_url_config(FunctionName=arn, AuthType="NONE")["FunctionUrl"]
    return lambda: get(url)


def invoke(aws: Client, server: Server, arn: str) -> Callable[[], str]:
    client = aws("lambda")
    return lambda: str(call(client, arn)[0]["body"])


@pytest.mark.parametrize("way", [http_api, rest_api, function_url, invoke])
@pytest.mark.parametrize("mode", ["Active", "PassThrough"])
def test_who_calls_leaves_the_decision_to_the_function(
    aws: Client, account: str, server: Server, way: Way, mode: str
) -> None:
    client = aws("lambda")
    arn = make(client, account, source=SOURCE, TracingConfig={"Mode": mode})
    client.add_permission(FunctionName=arn, StatementId="s", Action="lambda:*", Principal="apigateway.amazonaws.com")
    again = way(aws, server, arn)
    parts = fields(again())
    assert set(parts) == {"Root", "Parent", "Sampled", "Lineage"}  # the last is what recursion is detected by
    if mode == "PassThrough":
        assert parts["Sampled"] == "0" and traces(server, account) == []
        return
    # A service samples the first request of a second, and few of the others.
    deadline = time.monotonic() + 10
    while parts["Sampled"] != "1" and time.monotonic() < deadline:
        time.sleep(0.3)
        parts = fields(again())
    while parts["Root"] not in json.dumps(found := traces(server, account)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "AWS::Lambda::Function" in json.dumps(found)
