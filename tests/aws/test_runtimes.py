"""Functions of every kind call other services with nothing configured, in open and in guarded mode."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from freehold.runtime.host import default_node_modules
from tests.aws.conftest import Server, isolated, needs_isolation, start, stop
from tests.aws.functions import call, executable, make, zipped
from tests.aws.test_lambda_servers import guarded, root

Client = Callable[..., Any]

SDK = """
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const s3 = new S3Client({});

export const handler = async (event) => {
  await table.send(new PutCommand({ TableName: "notes", Item: { id: "one", number: 3 } }));
  const item = await table.send(new GetCommand({ TableName: "notes", Key: { id: "one" } }));
  const place = { Bucket: event.bucket, Key: "a/b ü.txt" };
  await s3.send(new PutObjectCommand({ ...place, Body: "hello" }));
  const object = await s3.send(new GetObjectCommand(place));
  const request = { FunctionName: "echo", Payload: JSON.stringify({ x: 1 }) };
  const other = await new LambdaClient({}).send(new InvokeCommand(request));
  const who = await new STSClient({}).send(new GetCallerIdentityCommand({}));
  return {
    item: item.Item, object: await object.Body.transformToString(),
    other: JSON.parse(Buffer.from(other.Payload).toString()), who: who.Arn,
  };
};
"""
BOTO3 = """
import boto3, json
table = boto3.resource("dynamodb").Table("notes")
s3 = boto3.client("s3")

def handler(event, context):
    table.put_item(Item={"id": "one", "number": 3})
    s3.put_object(Bucket=event["bucket"], Key="a/b ü.txt", Body=b"hello")
    return {
        "item": {"id": "one", "number": int(table.get_item(Key={"id": "one"})["Item"]["number"])},
        "object": s3.get_object(Bucket=event["bucket"], Key="a/b ü.txt")["Body"].read().decode(),
        "other": json.load(boto3.client("lambda").invoke(FunctionName="echo", Payload=b'{"x": 1}')["Payload"]),
        "who": boto3.client("sts").get_caller_identity()["Arn"],
    }
"""
RUNTIMES = [
    pytest.param({"Runtime": "python3.12", "Code": {"ZipFile": zipped(app__py=BOTO3)}}, id="boto3"),
    pytest.param(
        {"Runtime": "nodejs22.x", "Code": {"ZipFile": zipped(app__mjs=SDK)}, "MemorySize": 512},
        id="sdk for javascript",
        marks=pytest.mark.skipif(
            shutil.which("node") is None or default_node_modules() is None, reason="no Node.js, or no SDK for it"
        ),
    ),
]


def prepare(client: Callable[[str], Any], account: str) -> str:
    """A table, a bucket (its name is returned) and a function to be called."""
    bucket = f"notes-{account}"
    client("dynamodb").create_table(
        TableName="notes",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("s3").create_bucket(Bucket=bucket)
    make(client("lambda"), account, "echo", "def handler(event, context): return event")
    return bucket


def expected(account: str, name: str) -> dict[str, Any]:
    who = f"arn:aws:sts::{account}:assumed-role/r/{name}"
    return {"item": {"id": "one", "number": 3}, "object": "hello", "other": {"x": 1}, "who": who}


@pytest.mark.parametrize("settings", RUNTIMES)
def test_sdk_calls_inside_functions_just_work(aws: Client, account: str, settings: dict[str, Any]) -> None:
    bucket = prepare(aws, account)
    make(aws("lambda"), account, "caller", **settings)
    assert call(aws("lambda"), "caller", {"bucket": bucket})[0] == expected(account, "caller")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    running = start(tmp_path_factory.mktemp("locked") / "data", "--guarded")
    yield running
    stop(running)


@needs_isolation
@pytest.mark.parametrize("settings", RUNTIMES)
def test_and_in_guarded_mode_with_the_credentials_of_their_role(locked: Server, settings: dict[str, Any]) -> None:
    session = boto3.session.Session(*root(locked), region_name="us-east-1")
    account = guarded(locked)[1]

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=locked.url)

    if "notes" not in client("dynamodb").list_tables()["TableNames"]:
        prepare(client, account)
    name = settings["Runtime"].partition(".")[0]
    make(client("lambda"), account, name, **settings)
    got, answer = call(client("lambda"), name, {"bucket": f"notes-{account}"})
    assert got == expected(account, name), answer


SHELL = """#!/bin/bash
set -euo pipefail
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  if [ "$event" = '"exit"' ]; then exit 3; fi
  if [ "$event" = '"bad"' ]; then
    curl -sS "$api/$id/error" -d '{"errorMessage": "no", "errorType": "Mine.Bad"}' > /dev/null
  else
    echo "working on $id"
    curl -sS "$api/$id/response" -d "[$event, \\"$_HANDLER\\", \\"$LAMBDA_TASK_ROOT\\"]" > /dev/null
  fi
done
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap uses curl")
@pytest.mark.parametrize("runtime", ["provided", "provided.al2", "provided.al2023"])
def test_a_bootstrap_of_one_s_own(aws: Client, account: str, runtime: str) -> None:
    client = aws("lambda")
    make(client, account, "shell", Runtime=runtime, Handler="my.thing", Code={"ZipFile": executable(SHELL)})
    for event in ({"a": 1}, [2], "three"):
        got, answer = call(client, "shell", event, LogType="Tail")
        assert got == [event, "my.thing", "/var/task"]
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert f"working on {request_id}\n" in base64.b64decode(answer["LogResult"]).decode()
    got, answer = call(client, "shell", "bad")
    assert (got, answer["FunctionError"]) == ({"errorMessage": "no", "errorType": "Mine.Bad"}, "Unhandled")
    got, answer = call(client, "shell", "exit")
    assert got["errorType"] == "Runtime.ExitError" and got["errorMessage"].endswith("exit status 3")
    assert call(client, "shell", 1)[0][0] == 1


def test_what_is_no_bootstrap_is_said(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, "none", Runtime="provided.al2023", Code={"ZipFile": zipped(readme__txt="x")})
    got, _answer = call(client, "none")
    assert got["errorType"] == "Runtime.InvalidEntrypoint"
    assert got["errorMessage"].endswith("Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
    make(client, account, "plain", Runtime="provided.al2023", Code={"ZipFile": zipped(bootstrap="#!/bin/sh\n")})
    got, _answer = call(client, "plain")
    assert got["errorType"] == "Runtime.InvalidEntrypoint"
    assert got["errorMessage"].endswith("Error: fork/exec /var/task/bootstrap: permission denied")


@pytest.mark.skipif(isolated(), reason="this host offers full isolation")
def test_a_guarded_server_runs_nothing_without_full_isolation(locked: Server) -> None:
    client, account = guarded(locked)
    make(client, account, "refused", "def handler(event, context): return 1")
    with pytest.raises(client.exceptions.InvalidRuntimeException, match="only in full isolation with --guarded"):
        client.invoke(FunctionName="refused")


def test_the_configuration_says_what_isolation_is_missing(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, "any", "def handler(event, context): return 1")
    found = client.get_function_configuration(FunctionName="any")["RuntimeVersionConfig"].get("Error", {})
    weaker = "on this host" in found.get("Message", "").replace("is not installed on this host", "")
    assert weaker is not isolated()
