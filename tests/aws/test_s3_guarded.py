"""S3 where trust is guarded: presigned URLs of both versions, and what anonymous callers may."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.aws.conftest import Server, start, stop


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("guarded-s3") / "data", "--guarded")
    yield running
    stop(running)


def client(server: Server, version: str = "s3v4") -> Any:
    key = re.search(r"AWS_ACCESS_KEY_ID=(\S+)", server.said)
    secret = re.search(r"AWS_SECRET_ACCESS_KEY=(\S+)", server.said)
    assert key is not None and secret is not None
    session = boto3.Session(key.group(1), secret.group(1), region_name="us-east-1")
    return session.client("s3", endpoint_url=server.url, config=Config(signature_version=version))


def status(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": ""} if data else {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_are_verified(guarded: Server, version: str) -> None:
    s3 = client(guarded, version)
    client(guarded).create_bucket(Bucket=f"signed-{version}")
    params = {"Bucket": f"signed-{version}", "Key": "a b+c"}
    assert status(s3.generate_presigned_url("put_object", Params=params), "PUT", b"hello")[0] == 200
    url = s3.generate_presigned_url("get_object", Params=params)
    assert status(url) == (200, b"hello")
    code, body = status(url.replace("a%20b", "a%20c"))
    assert code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in body
    code, body = status(s3.generate_presigned_url("get_object", Params=params, ExpiresIn=-10))
    assert code in (400, 403) and b"<Error>" in body


def test_anonymous_callers_may_what_a_public_policy_allows(guarded: Server) -> None:
    s3 = client(guarded)
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="site", Key="index.html", Body=b"public", ContentType="text/html")
    url = f"{guarded.url}/site/index.html"
    code, body = status(url)
    assert code == 403 and b"<Code>AccessDenied</Code>" in body
    s3.delete_public_access_block(Bucket="site")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}
    s3.put_bucket_policy(Bucket="site", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert status(url) == (200, b"public")
    assert status(url, "PUT", b"defaced")[0] == 403
    assert status(f"{guarded.url}/site?list-type=2")[0] == 403
    assert status(f"{guarded.url}/site/none")[0] == 403
    assert status(f"{guarded.url}/")[0] == 403
    assert s3.get_object(Bucket="site", Key="index.html")["Body"].read() == b"public"
