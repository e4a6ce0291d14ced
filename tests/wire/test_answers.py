"""Real services: what a handler answers or refuses, boto3 reads as AWS would have said it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from freehold import wire
from freehold.kit.faults import Fault, not_implemented
from freehold.wire.base import Match
from tests.wire.requests import received
from tests.wire.services import ID

ANSWERS: list[tuple[str, str, dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    (
        "dynamodb",
        "GetItem",
        {"Item": {"id": {"S": "é"}, "b": {"B": b"\x00\x01"}, "l": {"L": [{"N": "1"}]}}},
        lambda got: got["Item"]["b"]["B"] == b"\x00\x01" and got["Item"]["l"] == {"L": [{"N": "1"}]},
    ),
    (
        "dynamodb",
        "DescribeTable",
        {"Table": {"TableName": "t", "CreationDateTime": 1767225600.25}},
        lambda got: got["Table"]["CreationDateTime"].timestamp() == 1767225600.25,
    ),
    (
        "lambda",
        "Invoke",
        {"StatusCode": 200, "Payload": b'{"a": 1}', "ExecutedVersion": "$LATEST", "FunctionError": "Unhandled"},
        lambda got: (
            got["StatusCode"] == 200 and got["Payload"].read() == b'{"a": 1}' and got["FunctionError"] == "Unhandled"
        ),
    ),
    (
        "lambda",
        "GetFunctionConfiguration",
        {"FunctionName": "f", "LastModified": "2026-01-01T00:00:00.000+0000", "Environment": {"Variables": {"a": "b"}}},
        lambda got: got["Environment"] == {"Variables": {"a": "b"}},
    ),
    (
        "iam",
        "GetRole",
        {"Role": {"RoleName": "r<&>", "CreateDate": 1767225600, "Tags": [{"Key": "a", "Value": "b"}], "Path": "/"}},
        lambda got: (
            got["Role"]["RoleName"] == "r<&>"
            and got["Role"]["Tags"] == [{"Key": "a", "Value": "b"}]
            and got["Role"]["CreateDate"].timestamp() == 1767225600
        ),
    ),
    (
        "cloudformation",
        "DescribeStacks",
        {
            "Stacks": [
                {"StackName": "s", "CreationTime": 1767225600.5, "Outputs": [{"OutputKey": "k", "OutputValue": "v"}]}
            ]
        },
        lambda got: got["Stacks"][0]["Outputs"] == [{"OutputKey": "k", "OutputValue": "v"}],
    ),
    (
        "apigatewayv2",
        "GetApi",
        {"ApiId": "a", "CreatedDate": 1767225600, "Tags": {"a": "b"}},
        lambda got: got["CreatedDate"].timestamp() == 1767225600 and got["ApiId"] == "a",
    ),
    (
        "s3",
        "ListObjectsV2",
        {
            "Name": "b",
            "KeyCount": 1,
            "IsTruncated": False,
            "Contents": [{"Key": "a&b", "Size": 3, "ETag": '"x"', "LastModified": 1767225600}],
            "CommonPrefixes": [{"Prefix": "p/"}, {"Prefix": "q/"}],
        },
        lambda got: got["Contents"][0]["Key"] == "a&b" and [p["Prefix"] for p in got["CommonPrefixes"]] == ["p/", "q/"],
    ),
    (
        "s3",
        "HeadObject",
        {"ContentLength": 3, "ETag": '"x"', "LastModified": 1767225600, "Metadata": {"a": "b"}, "ContentType": "t/p"},
        lambda got: got["Metadata"] == {"a": "b"} and got["LastModified"].timestamp() == 1767225600,
    ),
    (
        "s3",
        "GetObject",
        {"Body": b"abc", "ContentLength": 3, "ContentType": "t/p"},
        lambda got: got["Body"].read() == b"abc" and got["ContentType"] == "t/p",
    ),
    (
        "s3",
        "GetBucketAcl",
        {
            "Owner": {"ID": "o"},
            "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "o"}, "Permission": "FULL_CONTROL"}],
        },
        lambda got: got["Grants"][0]["Grantee"] == {"Type": "CanonicalUser", "ID": "o"},
    ),
    (
        "logs",
        "GetLogEvents",
        {"events": [{"timestamp": 1, "message": "m", "ingestionTime": 2}], "nextForwardToken": "f/1"},
        lambda got: got["events"] == [{"timestamp": 1, "message": "m", "ingestionTime": 2}],
    ),
    (
        "ssm",
        "GetParameter",
        {"Parameter": {"Name": "/a", "Value": "v", "LastModifiedDate": 1767225600.123, "Version": 1}},
        lambda got: got["Parameter"]["LastModifiedDate"].timestamp() == 1767225600.123,
    ),
]


@pytest.mark.parametrize(("service", "operation", "result", "good"), ANSWERS, ids=[f"{a[0]}.{a[1]}" for a in ANSWERS])
def test_what_boto3_reads(
    service: str, operation: str, result: dict[str, Any], good: Callable[[dict[str, Any]], bool]
) -> None:
    loaded = wire.load(service)
    match = Match(loaded, loaded.protocols[0], loaded.operations[operation], loaded.json_version)
    response = wire.render(match, result, ID)
    if operation in ("Invoke", "GetObject"):
        response.body = Reader(response.body)  # type: ignore[assignment,arg-type]
    got = received(service, operation, response)
    assert good(got)
    assert got["ResponseMetadata"]["RequestId"] == ID


class Reader:
    """A body that streams: botocore hands it on as it is."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def read(self) -> bytes:
        return self._raw


def test_a_dynamodb_answer_carries_its_crc32() -> None:
    loaded = wire.load("dynamodb")
    response = wire.render(Match(loaded, "json", loaded.operations["GetItem"], "1.0"), {}, ID)
    assert dict(response.headers)["x-amz-crc32"] == str(zlib.crc32(response.body))  # type: ignore[arg-type]
    assert response.body == b"{}"


# --- faults


def faulty(service: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    loaded = wire.load(service)
    operation = next(iter(loaded.operations.values()))
    response = wire.render_fault(Match(loaded, loaded.protocols[0], operation, loaded.json_version), fault, ID)
    assert isinstance(response.body, bytes)
    return response.status, dict(response.headers), response.body


def test_dynamodb_errors_are_qualified_as_aws_qualifies_them() -> None:
    status, _, body = faulty("dynamodb", Fault("ConditionalCheckFailedException", "The conditional request failed"))
    assert status == 400
    assert body == (
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",'
        b'"message":"The conditional request failed"}'
    )
    _, _, body = faulty("dynamodb", Fault("ValidationException", "x"))
    assert body == b'{"__type":"com.amazon.coral.validate#ValidationException","message":"x"}'
    _, _, body = faulty("dynamodb", Fault("SerializationException", "x"))
    assert body == b'{"__type":"com.amazon.coral.service#SerializationException","Message":"x"}'


def test_a_fault_carries_the_further_members_of_its_shape() -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"a": {"B": b"x"}}}]
    _, _, body = faulty("dynamodb", Fault("TransactionCanceledException", "m", CancellationReasons=reasons))
    assert (
        b'"CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Item":{"a":{"B":"eA=="}}}]' in body
    )


def test_lambda_errors() -> None:
    status, headers, body = faulty("lambda", Fault("ResourceNotFoundException", "Function not found: x"))
    assert status == 404
    assert headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert body == b'{"Message":"Function not found: x","Type":"User"}'
    status, headers, body = faulty(
        "lambda",
        Fault("TooManyRequestsException", "Rate Exceeded.", Reason="CallerRateLimitExceeded", retryAfterSeconds="1"),
    )
    assert status == 429 and headers["Retry-After"] == "1"
    assert body == b'{"message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded","Type":"User"}'
    assert faulty("lambda", Fault("ServiceException", "x"))[0] == 500


def test_s3_errors() -> None:
    fault = Fault("NoSuchKey", "The specified key does not exist.", Key="a<b")
    status, headers, body = faulty("s3", fault)
    assert status == 404 and headers["x-amz-request-id"] == ID
    assert b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key>" in body


def test_iam_errors() -> None:
    status, _, body = faulty("iam", Fault("NoSuchEntityException", "The role with name r cannot be found."))
    assert status == 404
    assert b"<Type>Sender</Type><Code>NoSuchEntity</Code>" in body


@pytest.mark.parametrize("service", ["dynamodb", "lambda", "iam", "s3", "apigateway"])
def test_not_implemented_is_said_by_name_in_every_protocol(service: str) -> None:
    status, _, body = faulty(service, not_implemented("a thing"))
    assert status == 501 and b"Freehold does not implement a thing" in body


def test_a_head_request_is_answered_without_a_body() -> None:
    loaded = wire.load("s3")
    match = Match(loaded, "rest-xml", loaded.operations["HeadObject"])
    response = wire.render_fault(match, Fault("NoSuchKey"), ID)
    assert (response.status, response.body) == (404, b"")
