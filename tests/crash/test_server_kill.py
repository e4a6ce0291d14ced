"""`kill -9` under load, over the wire: a server that starts again has everything that it acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from freehold.node.checks import check_directory
from tests.aws.conftest import STORE, Server, start, stop
from tests.aws.functions import call, make

ACCOUNT = "000000000000"
LARGE = b"0123456789abcdef" * 8192
"""128 KiB: beyond what is kept inline, so that a file and a row must both be there."""


def prepare(server: Server) -> None:
    server.client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-kind",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    server.client("s3").create_bucket(Bucket="bucket")


def put_item(server: Server) -> Callable[[str], Any]:
    client = server.client("dynamodb")
    return lambda name: client.put_item(TableName="table", Item={"id": {"S": name}, "kind": {"S": name[0]}})


def put_small(server: Server) -> Callable[[str], Any]:
    client = server.client("s3")
    return lambda name: client.put_object(Bucket="bucket", Key=f"small/{name}", Body=name.encode())


def put_large(server: Server) -> Callable[[str], Any]:
    client = server.client("s3")
    return lambda name: client.put_object(Bucket="bucket", Key=f"large/{name}", Body=name.encode() + LARGE)


def put_parameter(server: Server) -> Callable[[str], Any]:
    client = server.client("ssm")
    return lambda name: client.put_parameter(Name=f"/{name}", Value=name, Type="String")


def create_function(server: Server) -> Callable[[str], Any]:
    client = server.client("lambda")
    return lambda name: make(client, ACCOUNT, name, f"def handler(event, context): return {name!r}")


def load(server: Server, seconds: float) -> dict[str, list[str]]:
    """What was acknowledged, by kind, until the server was killed in the middle."""
    done: dict[str, list[str]] = {}

    def work(letter: str, act: Callable[[str], Any], kept: list[str]) -> None:
        number = 0
        while True:
            name = f"{letter}{number}"
            try:
                act(name)
            except (BotoCoreError, ClientError):
                return
            kept.append(name)
            number += 1

    threads = []
    for kind in (put_item, put_small, put_large, put_parameter, create_function):
        kept = done.setdefault(kind.__name__, [])
        for letter in ("a", "b"):
            threads.append(threading.Thread(target=work, args=(letter, kind(server), kept)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.process.kill()
    server.process.wait()
    for thread in threads:
        thread.join()
    return done


def check(server: Server, done: dict[str, list[str]]) -> None:
    table, s3, ssm, functions = (server.client(name) for name in ("dynamodb", "s3", "ssm", "lambda"))
    scanned = {
        item["id"]["S"] for page in table.get_paginator("scan").paginate(TableName="table") for item in page["Items"]
    }
    assert scanned >= set(done["put_item"])
    indexed = {
        item["id"]["S"]
        for page in table.get_paginator("scan").paginate(TableName="table", IndexName="by-kind")
        for item in page["Items"]
    }
    assert indexed == scanned, "an index and its table change together"
    for name in done["put_small"]:
        assert s3.get_object(Bucket="bucket", Key=f"small/{name}")["Body"].read() == name.encode()
    for name in done["put_large"]:
        assert s3.get_object(Bucket="bucket", Key=f"large/{name}")["Body"].read() == name.encode() + LARGE
    for name in done["put_parameter"]:
        assert ssm.get_parameter(Name=f"/{name}")["Parameter"]["Value"] == name
    for name in done["create_function"]:
        assert functions.get_function(FunctionName=name)["Configuration"]["State"] == "Active"
    for name in done["create_function"][-2:]:
        assert call(functions, name)[0] == name


def test_what_was_acknowledged_survives_a_kill_under_load(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    prepare(server)
    done = load(server, 1.5)
    assert all(done.values()), {kind: len(names) for kind, names in done.items()}
    print({kind: len(names) for kind, names in done.items()})
    assert STORE or check_directory(tmp_path / "data") == 0
    server = start(tmp_path / "data")
    try:
        check(server, done)
    finally:
        stop(server)
    assert STORE or check_directory(tmp_path / "data") == 0
