"""Validation: the constraints of the models, in AWS's words."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from freehold import wire
from freehold.kit.faults import Fault
from freehold.wire.javaregex import compile_pattern

NULL = "failed to satisfy constraint: Member must not be null"
REFUSED: list[tuple[str, str, dict[str, Any], str, str]] = [
    (
        "dynamodb",
        "PutItem",
        {"TableName": "t"},
        "ValidationException",
        f"1 validation error detected: Value null at 'item' {NULL}",
    ),
    (
        "dynamodb",
        "BatchGetItem",
        {"RequestItems": {"orders": {}}},
        "ValidationException",
        f"1 validation error detected: Value null at 'requestItems.orders.member.keys' {NULL}",
    ),
    (
        "dynamodb",
        "UpdateTable",
        {"TableName": "t", "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "X"}]},
        "ValidationException",
        "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [S, N, B]",
    ),
    (
        "iam",
        "CreateRole",
        {"RoleName": "a" * 65, "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c"}]},
        "ValidationError",
        f"2 validation errors detected: Value '{'a' * 65}' at 'roleName' failed to satisfy constraint: Member must have "
        f"length less than or equal to 64; Value null at 'tags.2.member.value' {NULL}",
    ),
    (
        "iam",
        "CreateRole",
        {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"},
        "ValidationError",
        "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: "
        "+=,.@_-",
    ),
    (
        "cloudformation",
        "CreateStack",
        {"StackName": "s", "Capabilities": ["CAPABILITY_IAM", "X"]},
        "ValidationError",
        "1 validation error detected: Value '[CAPABILITY_IAM, X]' at 'capabilities' failed to satisfy constraint: Member "
        "must satisfy constraint: [Member must satisfy enum value set: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, "
        "CAPABILITY_AUTO_EXPAND]]",
    ),
    (
        "lambda",
        "UpdateFunctionConfiguration",
        {"FunctionName": "f", "Environment": {"Variables": {"1a": "x"}}},
        "ValidationException",
        "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
        "constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
    ),
    (
        "lambda",
        "UpdateFunctionConfiguration",
        {"FunctionName": "f", "Timeout": 0},
        "ValidationException",
        "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater "
        "than or equal to 1",
    ),
    (
        "logs",
        "CreateLogGroup",
        {"logGroupName": "a b"},
        "InvalidParameterException",
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
    ),
    (
        "logs",
        "PutLogEvents",
        {"logGroupName": "g", "logStreamName": "s", "logEvents": []},
        "InvalidParameterException",
        "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length "
        "greater than or equal to 1",
    ),
    (
        "sqs",
        "SendMessage",
        {"QueueUrl": "u"},
        "MissingParameter",
        "The request must contain the parameter MessageBody.",
    ),
    (
        "sqs",
        "SendMessageBatch",
        {"QueueUrl": "u", "Entries": [{"Id": "a", "MessageBody": "b"}, {"Id": "c"}]},
        "MissingParameter",
        "The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody.",
    ),
    *[
        (
            "s3",
            operation,
            params,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
        for operation, params in (
            ("DeleteObjects", {"Bucket": "b", "Delete": {}}),
            ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"VersionId": "v"}]}}),
            ("PutBucketVersioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "On"}}),
            ("PutBucketTagging", {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "k"}]}}),
        )
    ],
    ("s3", "PutBucketPolicy", {"Bucket": "b"}, "MissingRequestBodyError", "Request Body is empty"),
]


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "message"),
    REFUSED,
    ids=[f"{r[0]}.{r[1]}.{i}" for i, r in enumerate(REFUSED)],
)
def test_refused(service: str, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(Fault) as refused:
        wire.validate(wire.load(service).operations[operation], params)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_lengths_that_only_the_documentation_of_a_shape_tells() -> None:
    create = wire.load("apigatewayv2").operations["CreateStage"]
    wire.validate(create, {"ApiId": "a", "StageName": "s" * 128})
    for name, bound in (("s" * 129, "less than or equal to 128"), ("", "greater than or equal to 1")):
        with pytest.raises(Fault, match=f"Member must have length {bound}") as refused:
            wire.validate(create, {"ApiId": "a", "StageName": name})
        assert refused.value.code == "BadRequestException"


def test_every_such_length_is_that_of_a_shape_of_the_model() -> None:
    service = wire.load("apigatewayv2")
    named = {name for name in service.shapes if "StringWithLength" in name or name.startswith("UriWithLength")}
    assert set(service.patch.lengths) == named


ACCEPTED: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "PutItem", {"TableName": "orders", "Item": {"a": {"S": ""}}}),
    ("lambda", "Invoke", {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f:live"}),
    (
        "lambda",
        "CreateFunction",
        {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "Runtime": "x"},
    ),
    ("iam", "TagRole", {"RoleName": "r", "Tags": [{"Key": "größe: a/b", "Value": "ü @"}]}),
    ("s3", "PutObject", {}),
    ("s3", "CreateBucket", {"Bucket": "b"}),
    ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": ""}]}}),
    ("sqs", "ReceiveMessage", {"QueueUrl": "u", "MaxNumberOfMessages": 99}),
    ("logs", "DescribeLogGroups", {"limit": 50}),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::000000000000:role/a/b", "RoleSessionName": "a@b.c"}),
]


@pytest.mark.parametrize(("service", "operation", "params"), ACCEPTED)
def test_accepted(service: str, operation: str, params: dict[str, Any]) -> None:
    wire.validate(wire.load(service).operations[operation], params)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "größe a:b", "a?b"),
        (r"\p{Alnum}+", "aB9", "ä"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"[\u0020-\u007E]+\z", "a b", "ä"),
        (r"\w+", "abc", "größe"),
    ],
)
def test_java_patterns(pattern: str, good: str, bad: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled is not None
    assert compiled.fullmatch(good) and not compiled.fullmatch(bad)


@pytest.mark.parametrize("pattern", [r"[a-z&&[^b]]", r"[\p{P}]", r"[a-z[0-9]]", r"(?<a", r"\P{L}"])
def test_what_python_cannot_say_is_not_checked(pattern: str) -> None:
    assert compile_pattern(pattern) is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a runaway match can only be stopped by a signal")
def test_no_pattern_of_a_model_takes_long_on_hostile_text() -> None:
    def give_up(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    seen = set()
    try:
        for name in (
            "dynamodb",
            "lambda",
            "iam",
            "sts",
            "logs",
            "ssm",
            "cloudformation",
            "events",
            "pipes",
            "scheduler",
        ):
            for shape in wire.load(name).shapes.values():
                pattern = shape.get("pattern")
                compiled = compile_pattern(pattern) if pattern and pattern not in seen else None
                seen.add(pattern)
                if compiled is None:
                    continue
                size = min(shape.get("max") or 1024, 1024)
                for unit in (" ", "a", "a-", "a/", "arn:aws:"):
                    signal.setitimer(signal.ITIMER_REAL, 2)
                    compiled.fullmatch((unit * size)[: size - 1] + "\n")
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_long_value_is_refused_without_running_its_pattern() -> None:
    import time

    begin = time.perf_counter()
    with pytest.raises(Fault):
        wire.validate(wire.load("lambda").operations["Invoke"], {"FunctionName": "a-" * 5_000_000})
    assert time.perf_counter() - begin < 1


def test_what_nests_deeper_than_python_is_refused() -> None:
    value: dict[str, Any] = {"S": "x"}
    for _ in range(2_000):
        value = {"M": {"a": value}}
    with pytest.raises(Fault) as refused:
        wire.validate(wire.load("dynamodb").operations["PutItem"], {"TableName": "table", "Item": {"a": value}})
    assert (refused.value.code, refused.value.message) == ("ValidationException", "Nesting is too deep")
