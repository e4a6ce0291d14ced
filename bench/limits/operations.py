"""Operations of load.py against the bare servers: the bytes that boto3 would send, every answer checked.

They are the requests of the operations that a limit is compared with (`sqs_send`, `ddb_put`, `ddb_get`, `lambda_warm`).
"""

from __future__ import annotations

import socket
from typing import Any

from bench.exchange import exchange

TABLE = "limits"
QUEUE = "/000000000000/limits"


def add(load: Any) -> None:
    """Have load.py know them."""
    load.op_limit_reply = lambda: (load.Simple(sends(load), load.rx(rb"MessageId")), None)
    load.op_limit_send = lambda: (load.Simple(sends(load), load.rx(rb'"MD5OfMessageBody":"[0-9a-f]{32}"')), None)
    load.op_limit_put = lambda: put(load)
    load.op_limit_get = lambda: get(load)
    load.op_limit_invoke = lambda: invoke(load)


def sends(load: Any) -> list[bytes]:
    """SendMessage, as `sqs_send` has it."""
    queue, url = load.client("sqs"), load.A.endpoint + QUEUE
    return [
        load.build(queue, "send_message", QueueUrl=url, MessageBody=f"{number:06d}" + "x" * 250) for number in range(64)
    ]


def puts(load: Any) -> list[bytes]:
    """PutItem, as `ddb_put` has it."""
    table = load.client("dynamodb")
    return [load.build(table, "put_item", TableName=TABLE, Item=load.item(number)) for number in range(1000)]


def put(load: Any) -> Any:
    return load.Simple(puts(load), lambda _headers, body: body == b"{}"), None


def get(load: Any) -> Any:
    """GetItem of what is there: put first. Raises RuntimeError when a put is refused."""
    with socket.create_connection((load.A.host, load.A.port)) as connection:
        for request in puts(load):
            exchange(connection, request)
    table = load.client("dynamodb")
    requests = [
        load.build(table, "get_item", TableName=TABLE, Key={key: load.item(number)[key] for key in ("pk", "sk")})
        for number in range(1000)
    ]
    return load.Simple(requests, load.rx(rb'"Item"')), None


def invoke(load: Any) -> Any:
    request = load.build(load.client("lambda"), "invoke", FunctionName="f", Payload=b'{"a":1}')
    return load.Simple([request], lambda _headers, body: b"hello" in body), None
