"""What every call goes through: protocols, request ids, limits, refusals."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server

Aws = Callable[..., Any]


def send(
    server: Server, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, answer


JSON = "application/x-amz-json-1.0"


@pytest.mark.parametrize("service", ["dynamodb", "iam", "lambda", "logs", "s3", "ssm", "sts", "cloudformation"])
def test_every_answer_carries_a_request_id(aws: Aws, service: str) -> None:
    operations = {
        "dynamodb": "list_tables",
        "iam": "list_users",
        "lambda": "list_functions",
        "logs": "describe_log_groups",
        "s3": "list_buckets",
        "ssm": "describe_parameters",
        "sts": "get_caller_identity",
        "cloudformation": "list_stacks",
    }
    answer = getattr(aws(service), operations[service])()
    assert answer["ResponseMetadata"]["RequestId"]


def test_an_operation_that_freehold_lacks_is_refused_by_name(aws: Aws) -> None:
    with pytest.raises(ClientError) as raised:
        aws("ssm").list_documents()
    assert raised.value.response["Error"]["Code"] == "NotImplemented"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "ssm:ListDocuments" in raised.value.response["Error"]["Message"]


def test_an_unknown_operation_is_the_protocols_own_error(server: Server) -> None:
    status, _, answer = send(server, "POST", "/", b"{}", x_amz_target="DynamoDB_20120810.Fly", content_type=JSON)
    assert status == 400
    assert "UnknownOperationException" in json.loads(answer)["__type"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"TableName": 5}', b"\xff\xfe", b'{"TableName": {"a": []}}', b"{" * 9999]
)
def test_malformed_json_is_a_serialization_exception(server: Server, body: bytes) -> None:
    target = "DynamoDB_20120810.DescribeTable"
    status, headers, answer = send(server, "POST", "/", body, x_amz_target=target, content_type=JSON)
    assert status == 400
    assert "SerializationException" in json.loads(answer)["__type"]
    assert headers["x-amzn-requestid"]


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(server: Server) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", "/")
    connection.putheader("x-amz-target", "DynamoDB_20120810.PutItem")
    connection.putheader("content-type", JSON)
    connection.putheader("content-length", str(1 << 30))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert "RequestEntityTooLarge" in json.loads(response.read())["__type"]


def test_accounts_do_not_see_each_other(server: Server, aws: Aws) -> None:
    aws("logs").create_log_group(logGroupName="mine")
    assert server.client("logs", "999999999999").describe_log_groups(logGroupNamePrefix="mine")["logGroups"] == []


def test_what_asks_for_nothing_known_gets_a_clear_answer(server: Server) -> None:
    status, _, _ = send(server, "GET", "/_freehold/nothing")
    assert status == 404
    status, _, answer = send(server, "GET", "/_freehold/health")
    assert status == 200
    assert json.loads(answer)["status"] == "ready"


def test_the_control_api_lists_services(server: Server) -> None:
    _, _, answer = send(server, "GET", "/_freehold/services")
    assert "PutItem" in json.loads(answer)["dynamodb"]["works"]
