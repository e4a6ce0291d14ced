"""Guarded trust: every call carries a valid signature by a known key."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.aws.conftest import Server, start, stop


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("guarded") / "data", "--guarded")
    yield running
    stop(running)


@pytest.fixture(scope="module")
def root(guarded: Server) -> boto3.Session:
    """The root's session, from the credentials that the first start shows once."""
    key = re.search(r"AWS_ACCESS_KEY_ID=(\S+)", guarded.said)
    secret = re.search(r"AWS_SECRET_ACCESS_KEY=(\S+)", guarded.said)
    assert key and secret
    return boto3.Session(key[1], secret[1], region_name="us-east-1")


def client(session: boto3.Session, server: Server, service: str) -> Any:
    return session.client(service, endpoint_url=server.url, config=Config(retries={"max_attempts": 0}))


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_the_root_may_call(guarded: Server, root: boto3.Session) -> None:
    assert client(root, guarded, "sts").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ssm", "describe_parameters", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
    ],
)
def test_unknown_keys_are_refused_in_the_words_of_each_protocol(
    guarded: Server, service: str, operation: str, expected: str
) -> None:
    unknown = boto3.Session("AKIAUNKNOWNUNKNOWN00", "secret", region_name="us-east-1")
    with pytest.raises(ClientError) as raised:
        getattr(client(unknown, guarded, service), operation)()
    assert code(raised) == expected


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ssm", "describe_parameters", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("lambda", "list_functions", "InvalidSignatureException"),
    ],
)
def test_a_wrong_secret_is_refused(
    guarded: Server, root: boto3.Session, service: str, operation: str, expected: str
) -> None:
    credentials = root.get_credentials()
    assert credentials is not None
    forged = boto3.Session(credentials.access_key, "wrong", region_name="us-east-1")
    with pytest.raises(ClientError) as raised:
        getattr(client(forged, guarded, service), operation)()
    assert code(raised) == expected


def test_an_unsigned_call_is_refused(guarded: Server) -> None:
    connection = http.client.HTTPConnection(guarded.url.removeprefix("http://"))
    headers = {"x-amz-target": "AmazonSSM.DescribeParameters", "content-type": "application/x-amz-json-1.1"}
    connection.request("POST", "/", b"{}", headers)
    response = connection.getresponse()
    assert response.status == 400
    assert b"MissingAuthenticationToken" in response.read()


def test_a_signature_from_another_time_is_refused(
    guarded: Server, root: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=20)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: late)
    with pytest.raises(ClientError) as raised:
        client(root, guarded, "ssm").describe_parameters()
    assert "Signature expired" in str(raised.value)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_objects_are_put_signed_and_read_by_presigned_url(guarded: Server, root: boto3.Session, version: str) -> None:
    config = Config(signature_version=version)
    s3 = root.client("s3", endpoint_url=guarded.url, config=config)
    client(root, guarded, "s3").create_bucket(Bucket="guarded-bucket")
    client(root, guarded, "s3").put_object(Bucket="guarded-bucket", Key="a b/ü", Body=b"x" * 200_000)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "guarded-bucket", "Key": "a b/ü"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x" * 200_000
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url.replace("guarded-bucket/a%20b", "guarded-bucket/a%20c"))
    assert raised.value.code == 403
    assert b"SignatureDoesNotMatch" in raised.value.read()


def test_users_and_sessions_authenticate(guarded: Server, root: boto3.Session) -> None:
    iam = client(root, guarded, "iam")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    user = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    token = client(user, guarded, "sts").get_session_token()["Credentials"]
    session = boto3.Session(
        token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"], region_name="us-east-1"
    )
    assert client(session, guarded, "sts").get_caller_identity()["Arn"].endswith(":user/ada")
    iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as raised:
        client(user, guarded, "sts").get_caller_identity()
    assert code(raised) == "InvalidClientTokenId"


def test_a_session_token_for_another_key_is_refused(guarded: Server, root: boto3.Session) -> None:
    token = client(root, guarded, "sts").get_session_token()["Credentials"]
    forged = boto3.Session("ASIAFORGEDFORGED0000", "secret", token["SessionToken"], region_name="us-east-1")
    with pytest.raises(ClientError) as raised:
        client(forged, guarded, "sts").get_caller_identity()
    assert code(raised) == "InvalidClientTokenId"


def test_the_control_api_takes_the_root_only(guarded: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(guarded.url + "/_freehold/services")
    assert raised.value.code == 403
    with urllib.request.urlopen(guarded.url + "/_freehold/health") as answer:
        assert answer.status == 200


def test_the_root_credentials_are_shown_once(guarded: Server, root: boto3.Session, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = start(data, "--guarded")
    stop(first)
    second = start(data, "--guarded")
    stop(second)
    assert "AWS_SECRET_ACCESS_KEY" in first.said
    assert "AWS_SECRET_ACCESS_KEY" not in second.said


def test_env_gives_no_credentials_for_a_guarded_server(guarded: Server) -> None:
    environment = os.environ | {"AWS_ENDPOINT_URL": guarded.url}
    printed = subprocess.run([sys.executable, "-m", "freehold", "env"], env=environment, capture_output=True, text=True)
    assert f"export AWS_ENDPOINT_URL={guarded.url}" in printed.stdout
    assert "AWS_ACCESS_KEY_ID=test" not in printed.stdout
