"""Lambda on servers of its own: killed and started again, and guarded."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.aws.conftest import Server, needs_isolation, start, stop
from tests.aws.functions import make


def root(server: Server) -> tuple[str, str]:
    """The root credentials that a new guarded server shows."""
    key, secret = re.findall(r"AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY)=(\S+)", server.said)
    return key, secret


def guarded(server: Server) -> tuple[Any, str]:
    """A client of the root user, and its account."""
    session = boto3.session.Session(*root(server), region_name="us-east-1")
    account = session.client("sts", endpoint_url=server.url).get_caller_identity()["Account"]
    return session.client("lambda", endpoint_url=server.url), account


def test_an_accepted_event_survives_a_kill(tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    try:
        client = running.client("lambda")
        source = "import time\ndef handler(event, context):\n    time.sleep(event['s'])\n    print('ran', event)"
        make(client, "000000000000", source=source)
        client.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=1)
        for payload in (b'{"s": 2}', b'{"s": 0}'):  # the second waits for the first
            answer = client.invoke(FunctionName="hello", InvocationType="Event", Payload=payload)
            assert answer["StatusCode"] == 202
        running.process.kill()
        running.process.wait()
        running = start(tmp_path / "data")
        client, logs = running.client("lambda"), running.client("logs")
        assert client.get_function(FunctionName="hello")["Configuration"]["State"] == "Active"
        deadline, seen = time.monotonic() + 30, False
        while not seen and time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                events = logs.filter_log_events(logGroupName="/aws/lambda/hello")["events"]
            except logs.exceptions.ResourceNotFoundException:
                continue
            seen = any(event["message"] == "ran {'s': 0}\n" for event in events)
        assert seen
    finally:
        stop(running)


@needs_isolation
def test_functions_of_a_guarded_server_call_it_with_their_role(tmp_path: Path) -> None:
    running = start(tmp_path / "data", "--guarded")
    try:
        client, account = guarded(running)
        source = "import boto3\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Arn']"
        make(client, account, source=source)
        answer = client.invoke(FunctionName="hello")["Payload"].read()
        assert answer.decode() == f'"arn:aws:sts::{account}:assumed-role/r/hello"'
        with pytest.raises(client.exceptions.ClientError, match="Cross-account pass role is not allowed"):
            make(client, "999999999999", "other")
    finally:
        stop(running)


@needs_isolation
def test_a_guarded_server_checks_the_signatures_of_iam_urls(tmp_path: Path) -> None:
    running = start(tmp_path / "data", "--guarded")
    try:
        client, account = guarded(running)
        key, secret = root(running)
        make(client, account, source="def handler(e, c): return e['requestContext']['authorizer']['iam']['userArn']")
        url = client.create_function_url_config(FunctionName="hello", AuthType="AWS_IAM")["FunctionUrl"]
        for secret_used, status in ((secret, 200), ("wrong", 403)):
            request = AWSRequest("GET", url)
            SigV4Auth(Credentials(key, secret_used), "lambda", "us-east-1").add_auth(request)
            asked = urllib.request.Request(url, headers=dict(request.headers))
            try:
                with urllib.request.urlopen(asked) as answer:
                    assert (answer.status, answer.read().decode()) == (status, f"arn:aws:iam::{account}:root")
            except urllib.error.HTTPError as error:
                assert error.code == status
    finally:
        stop(running)
