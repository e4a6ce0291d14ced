"""Microseconds of the wire floor for the hot operations: `python -m bench.wire`. Takes about three seconds."""

from __future__ import annotations

import hashlib
import timeit
from collections.abc import Callable
from typing import Any

from freehold import wire
from freehold.kit.http import Request
from tests.wire.requests import SECRET, sent

ID = "c6104cbe-af31-11e0-8154-cbc7ccf896c7"
ITEM = {"id": {"S": "1"}, "n": {"N": "2"}, **{f"a{at}": {"S": "x" * 30} for at in range(10)}}
WIDE = {f"attribute{at}": {"S": f"value{at}"} for at in range(40)}
OBJECT = {
    "Body": b"x" * 1024,
    "ContentLength": 1024,
    "ETag": '"abc"',
    "LastModified": 1767225600,
    "ContentType": "binary/octet-stream",
    "ServerSideEncryption": "AES256",
}
CASES: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("GetItem", "dynamodb", "get_item", {"TableName": "orders", "Key": {"id": {"S": "1"}}}, {"Item": ITEM}),
    ("PutItem", "dynamodb", "put_item", {"TableName": "orders", "Item": ITEM}, {}),
    ("PutItem of 40", "dynamodb", "put_item", {"TableName": "orders", "Item": WIDE}, {}),
    (
        "Query of 10",
        "dynamodb",
        "query",
        {"TableName": "orders", "KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "1"}}},
        {"Items": [ITEM] * 10, "Count": 10, "ScannedCount": 10},
    ),
    ("Invoke", "lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}, {"StatusCode": 200, "Payload": b"{}"}),
    ("GetObject", "s3", "get_object", {"Bucket": "b", "Key": "some/key"}, OBJECT),
    ("PutObject", "s3", "put_object", {"Bucket": "b", "Key": "some/key", "Body": b"x" * 1024}, {"ETag": '"abc"'}),
    ("SendMessage", "sqs", "send_message", {"QueueUrl": "http://x/1/q", "MessageBody": "hi"}, {"MessageId": ID}),
]
SERVICES = [wire.load(name) for name in ("dynamodb", "lambda", "s3", "sqs", "iam", "apigateway", "apigatewayv2")]


def best(run: Callable[[], Any], number: int = 2000) -> float:
    """Microseconds of the fastest of five rounds."""
    return min(timeit.repeat(run, number=number, repeat=5)) / number * 1e6


def main() -> None:
    print(f"{'':14} match  parse  validate  render |  sum | read_signature  verify")
    for case in CASES:
        measure(*case)


def measure(name: str, service: str, operation: str, params: dict[str, Any], result: dict[str, Any]) -> None:
    """One line of the table."""
    request = sent(service, operation, **params)
    hint = wire.load(service).signing_name
    match = wire.match(SERVICES, request, hint=hint)
    parsed = wire.parse(match, request)
    signature = wire.read_signature(request)
    assert match.operation is not None and signature is not None
    found, signed = match.operation, signature
    steps = [
        best(lambda: wire.match(SERVICES, request, hint=hint)),
        best(lambda: wire.parse(match, request)),
        best(lambda: wire.validate(found, parsed)),
        best(lambda: wire.render(match, result, ID)),
    ]
    read = best(lambda: wire.read_signature(request))
    verify = best(lambda: check(request, signed))
    print(
        f"{name:14} {steps[0]:5.1f} {steps[1]:6.1f} {steps[2]:9.1f} {steps[3]:7.1f} |"
        f"{sum(steps):5.1f} | {read:14.1f} {verify:7.1f}"
    )


def check(request: Request, signature: wire.Signature) -> None:
    """Verify as front does, the hash of the body included."""
    digest = hashlib.sha256(request.body).hexdigest()
    wire.verify(request, signature, SECRET, wall=signature.seconds, body_hash=digest)


if __name__ == "__main__":
    main()
